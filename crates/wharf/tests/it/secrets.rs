//! Passwords and certificates that a build needs: they reach whoever asks and installs, and are nowhere in what it leaves.

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;
use wharf_testkit::{
    packages::{Index, Wheel},
    proxy::Proxy,
    tls,
};

use crate::{
    python_native::{needy, write_base},
    registry::{Lab, output},
    support::{User, on_engine},
};

const OF_INDEX: &str = "me:c4nary-index";
const OF_PROXY: &str = "me:c4nary-proxy";

/// What must be nowhere, a line each: passwords, those of the index and the proxy as `Authorization` has them, the name in the
/// authority's certificate, a line of its file, and the name of that file.
fn secrets() -> String {
    let line = tls::AUTHORITY.lines().nth(1).unwrap();
    format!(
        "c4nary\nbWU6YzRuYXJ5LWluZGV4\nbWU6YzRuYXJ5LXByb3h5\nAuthority of the tests\n{line}\ncorporate-ca\n"
    )
}

/// Prints every file in which one of the secrets is; of what is compressed, what was compressed is looked through.
const GREP: &str = r#"find "$1" -type f | while read -r file; do
    if gzip -t "$file" 2>/dev/null; then gzip -dc "$file"; else cat "$file"; fi |
        grep -aqF -f "$2" && echo "$file" || true
done"#;

/// A folder outside of the user's home, with the secrets that the machine has.
struct Machine {
    folder: TempDir,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("corporate-ca.pem"), tls::AUTHORITY).unwrap();
        fs::write(folder.path().join("secrets"), secrets()).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Adds to the settings of a user: its own authority, a proxy with a password, and something that is for others.
    fn set(&self, user: &mut User, proxy: &str) {
        let proxy = format!("http://{OF_PROXY}@{proxy}");
        user.variables.extend([
            ("HTTPS_PROXY".into(), proxy.into()),
            ("SSL_CERT_FILE".into(), self.path("corporate-ca.pem").into()),
            ("UV_CACHE_DIR".into(), self.path("uv").into()),
            ("SOME_TOKEN".into(), "c4nary-token".into()),
        ]);
    }

    /// Fails when a file in a folder, or something that was said, holds a secret.
    #[track_caller]
    fn is_safe_from(&self, folder: &Path, said: &[&str]) {
        fs::write(self.path("said"), said.concat()).unwrap();
        let secrets = self.path("secrets");
        for place in [folder, &self.path("said")] {
            let grep = output(Command::new("sh").args(["-c", GREP, "sh"]).arg(place).arg(&secrets));
            assert_eq!(grep, "", "these hold a secret");
        }
    }
}

/// An index with a password, reached by TLS through a proxy with another.
struct Network {
    index: Index,
    proxy: Proxy,
}

impl Network {
    fn start(lab: &Lab) -> Self {
        let index =
            Index::start([Wheel::new("alpha", "1.0", "py3-none-any", &[])]).with_password(OF_INDEX);
        let plain: SocketAddr = index.host.parse().unwrap();
        let hosts = [
            ("packages.example", tls::before(plain)),
            ("registry.example", tls::before(lab.address())),
        ];
        Self { index, proxy: Proxy::start(OF_PROXY, hosts) }
    }
}

#[test]
fn secrets_are_found_where_they_are() {
    let machine = Machine::new();
    let place = tempfile::tempdir().unwrap();
    let text = format!("{}\n{OF_INDEX}", "x".repeat(100));
    fs::write(place.path().join("plain"), &text).unwrap();
    fs::write(place.path().join("packed"), tls::AUTHORITY).unwrap();
    fs::write(place.path().join("other"), "nothing").unwrap();
    output(Command::new("gzip").arg(place.path().join("packed")));
    let secrets = machine.path("secrets");
    let found = output(Command::new("sh").args(["-c", GREP, "sh"]).arg(place.path()).arg(&secrets));
    assert_eq!(found.lines().count(), 2, "{found}");
}

/// Removes the one file that is for secrets, the user's own `pip.conf` for an installer, and returns what it says.
fn take_pip_conf(user: &User) -> String {
    let path = user.home.path().join(".cache/wharf/pip.conf");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&path).unwrap();
    fs::remove_file(path).unwrap();
    text
}

/// Unpacks an archive beside it: what is in it may be compressed.
fn unpack(archive: &Path) {
    let folder = archive.with_extension("unpacked");
    fs::create_dir(&folder).unwrap();
    output(Command::new("tar").arg("-xf").arg(archive).arg("-C").arg(folder));
}

/// A user whose settings a test may change, and whose project is cleaned up with another's.
fn of_same_project(user: &User) -> User {
    let own = User::with_engine(user.engine.clone());
    User { project: user.project.clone(), variables: Vec::new(), ..own }
}

/// Has `uv` in wharf's cache, which is fetched with this machine's own settings.
async fn with_uv(user: &User) {
    fs::create_dir(user.home.path().join("any")).unwrap();
    fs::write(user.home.path().join("any/predict.py"), "def predict(x):\n    return x\n").unwrap();
    fs::write(user.home.path().join("any/wharf.yaml"), "model: {requirements: [six]}\n").unwrap();
    user.run(&["lock", "any"]).await.expect(0);
}

#[tokio::test]
#[ignore = "needs registry"]
async fn an_image_assembled_behind_a_proxy_holds_no_secret() {
    let (machine, lab) = (Machine::new(), Lab::start(", relativeurls: true", ""));
    let network = Network::start(&lab);
    let (mut user, _) = User::of_fake();
    user.engine = None;
    with_uv(&user).await;
    user.variables.clear();
    machine.set(&mut user, &network.proxy.host);
    let index = format!("https://{OF_INDEX}@packages.example/simple");
    user.variables.push(("UV_DEFAULT_INDEX".into(), index.into()));
    write_base(user.home.path(), "amd64");
    needy(&user.home.path().join("needy"));

    let image = "registry.example/ml/needy:1";
    let build = ["build", "needy", "-v", "--base", "oci-dir:base", "-t", image];
    let to = ["--to", "oci-dir:layout", "--to", "docker-archive:image.tar", "--push"];
    let built = user.run(&[&build[..], &to].concat()).await.expect(0);
    let context = ["build", "needy", "-v", "--base", "python:3.11-slim", "--to", "context:folder"];
    let written = user.run(&context).await.expect(0);

    let asked = network.index.asked();
    assert!(asked.iter().any(|asked| asked.line.ends_with(".whl")), "{asked:?}");
    assert_eq!(network.proxy.hosts(), ["packages.example:443", "registry.example:443"]);
    assert!(lab.data().join("docker/registry/v2/repositories/ml/needy").is_dir());
    unpack(&user.home.path().join("image.tar"));
    take_pip_conf(&user);
    let said = [built, written];
    let said: Vec<_> = said.iter().flat_map(|one| [&*one.out, &*one.err]).collect();
    machine.is_safe_from(user.home.path(), &said);
    machine.is_safe_from(&lab.data(), &[]);
}

/// An image of the engine, which goes with the test.
struct Built(String);

impl Built {
    /// Writes all that the engine keeps of it into a folder: layers, config, history, labels.
    fn save(&self, folder: &Path) {
        fs::create_dir(folder).unwrap();
        let docker = |args: &[&str]| output(Command::new("docker").args(args));
        let archive = folder.join("saved.tar");
        docker(&["save", "-o", archive.to_str().unwrap(), &self.0]);
        unpack(&archive);
        fs::write(folder.join("history"), docker(&["history", "--no-trunc", &self.0])).unwrap();
        fs::write(folder.join("inspect"), docker(&["image", "inspect", &self.0])).unwrap();
    }
}

impl Drop for Built {
    fn drop(&mut self) {
        // It may not have come to it.
        Command::new("docker").args(["rmi", "--force", &self.0]).output().ok();
    }
}

#[tokio::test]
#[ignore = "needs engine"]
async fn an_image_whose_requirements_an_engine_installed_holds_no_secret() {
    on_engine("secrets", async |user| {
        let (machine, mut user) = (Machine::new(), of_same_project(&user));
        let wheels = machine.path("wheels");
        fs::create_dir(&wheels).unwrap();
        Wheel::new("alpha", "1.0", "py3-none-any", &[]).write(&wheels);
        machine.set(&mut user, "127.0.0.1:1");
        user.variables.extend([
            ("PIP_INDEX_URL".into(), format!("https://{OF_INDEX}@127.0.0.1:1/simple").into()),
            ("PIP_FIND_LINKS".into(), wheels.into()),
            ("PIP_NO_INDEX".into(), "1".into()),
            ("PIP_CERT".into(), machine.path("corporate-ca.pem").into()),
        ]);
        needy(&user.home.path().join("needy"));
        let image = Built(format!("wharf-test/{}:1", user.project));
        let build = ["build", "needy", "-v", "--base", "python:3.11-slim", "-t", &image.0];
        let built = user.run(&build).await.expect(0);
        assert!(take_pip_conf(&user).contains("c4nary-index"));
        image.save(&user.home.path().join("saved"));
        machine.is_safe_from(user.home.path(), &[&built.out, &built.err]);
    })
    .await;
}

#[tokio::test]
#[ignore = "needs engine"]
async fn steps_of_a_dockerfile_see_no_secret() {
    on_engine("secret-steps", async |user| {
        let (machine, mut user) = (Machine::new(), of_same_project(&user));
        machine.set(&mut user, "127.0.0.1:1");
        let app = user.home.path().join("app");
        fs::create_dir(&app).unwrap();
        let image = Built(format!("wharf-test/{}:1", user.project));
        // The classic builder, and BuildKit.
        for step in ["RUN env >/env", "RUN --mount=type=cache,target=/kept env >/env"] {
            fs::write(app.join("Dockerfile"), format!("FROM python:3.11-slim\n{step}\n")).unwrap();
            let built = user.run(&["build", "app", "-v", "-t", &image.0]).await.expect(0);
            let saved = user.home.path().join("saved");
            image.save(&saved);
            machine.is_safe_from(user.home.path(), &[&built.out, &built.err]);
            fs::remove_dir_all(saved).unwrap();
        }
    })
    .await;
}

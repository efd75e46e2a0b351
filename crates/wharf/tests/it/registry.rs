//! Registries: Debian's `docker-registry` with and without passwords and TLS, read back by others; and bad answers.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::support::{Outcome, User};

pub(crate) const PASSWORD: &str = "hunter2-s3cret";

/// A registry of the test's own, which ends with it.
pub(crate) struct Lab {
    process: Child,
    folder: TempDir,
    port: u16,
}

impl Lab {
    /// Starts one; `http` and `auth` are parts of its configuration, in which `FOLDER` stands for its folder.
    pub(crate) fn start(http: &str, auth: &str) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), http, auth)
    }

    fn start_in(folder: TempDir, http: &str, auth: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n\
             storage: {{filesystem: {{rootdirectory: FOLDER/data}}, delete: {{enabled: true}}}}\n\
             http: {{addr: '127.0.0.1:{port}', secret: x{http}}}\n{auth}\n"
        );
        let config = config.replace("FOLDER", &folder.path().display().to_string());
        let file = folder.path().join("config.yml");
        fs::write(&file, config).unwrap();
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("docker-registry: `./test` installs it");
        let lab = Self { process, folder, port };
        for _ in 0..100 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return lab;
            }
            thread::sleep(Duration::from_millis(100));
        }
        panic!("docker-registry does not listen");
    }

    /// One that knows `ann` only.
    pub(crate) fn with_password() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let entry = output(Command::new("htpasswd").args(["-Bbn", "ann", PASSWORD]));
        fs::write(folder.path().join("htpasswd"), entry).unwrap();
        Self::start_in(folder, "", "auth: {htpasswd: {realm: lab, path: FOLDER/htpasswd}}")
    }

    /// One with a certificate that an authority of its own has signed: `ca.pem`.
    fn with_tls() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = "
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=lab \
                -keyout ca.key -out ca.pem
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
                -keyout host.key -out host.csr
            printf 'subjectAltName=DNS:localhost\\nbasicConstraints=CA:FALSE\\n' >host.ext
            openssl x509 -req -in host.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
                -extfile host.ext -out host.pem";
        output(Command::new("sh").args(["-ec", script]).current_dir(folder.path()));
        Self::start_in(folder, ", tls: {certificate: FOLDER/host.pem, key: FOLDER/host.key}", "")
    }

    pub(crate) fn name(&self, image: &str) -> String {
        format!("localhost:{}/{image}", self.port)
    }

    pub(crate) fn host(&self) -> String {
        format!("localhost:{}", self.port)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// The folder of what it holds.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// Runs a tool, which must succeed, and returns what it printed.
#[track_caller]
pub(crate) fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {err}");
    String::from_utf8(output.stdout).unwrap()
}

/// A user without any engine, and the example `iris`.
pub(crate) fn user() -> User {
    let user = User::with_engine(None);
    user.example("iris");
    user
}

#[track_caller]
pub(crate) fn told(outcome: &Outcome, code: &str, exit: u8) {
    assert!(outcome.err.contains(&format!("error[{code}]")), "{}{}", outcome.out, outcome.err);
    assert_eq!(outcome.code, exit, "{}", outcome.err);
    assert!(!outcome.err.contains(PASSWORD), "{}", outcome.err);
}

/// Runs the program itself with a password on stdin.
pub(crate) fn login(user: &User, host: &str, password: &str, more: &[&str]) -> Outcome {
    let mut child = Command::new(env!("CARGO_BIN_EXE_wharf"))
        .args(["login", host, "-u", "ann", "--password-stdin"])
        .args(more)
        .env_clear()
        .env("HOME", user.home.path())
        .env("PATH", user.home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(format!("{password}\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    Outcome {
        code: u8::try_from(output.status.code().unwrap()).unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn docker_file(user: &User) -> PathBuf {
    user.home.path().join(".docker/config.json")
}

#[tokio::test]
#[ignore = "needs registry"]
async fn a_model_is_pushed_without_an_engine_and_read_by_others() {
    let (lab, user) = (Lab::start("", ""), user());
    let name = lab.name("ml/iris:1");
    let outcome = user.run(&["push", "iris", "--to", &name]).await.expect(0);
    let digest = outcome.out.trim().strip_prefix(&format!("{name}@")).unwrap().to_owned();
    let raw = output(
        Command::new("skopeo")
            .args(["inspect", "--raw", "--tls-verify=false"])
            .arg(format!("docker://{name}")),
    );
    let manifest: serde_json::Value = serde_json::from_str(&raw).unwrap();
    assert_eq!(manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    let seen = output(
        Command::new("skopeo")
            .args([
                "inspect",
                "--tls-verify=false",
                "--format",
                "{{.Digest}} {{.Os}} {{.Architecture}}",
            ])
            .arg(format!("docker://{name}")),
    );
    assert!(seen.starts_with(&format!("{digest} linux ")), "{seen}");
    let copied = user.home.path().join("copied");
    output(
        Command::new("skopeo")
            .args(["copy", "--src-tls-verify=false", "--preserve-digests"])
            .arg(format!("docker://{name}"))
            .arg(format!("oci:{}:1", copied.display())),
    );
}

#[tokio::test]
#[ignore = "needs registry"]
async fn the_same_again_sends_nothing() {
    let (lab, user) = (Lab::start("", ""), user());
    let push = async |name: &str, more: &[&str]| {
        let name = lab.name(name);
        let args = [&["push", "iris", "--json", "--to", &name], more].concat();
        user.run(&args).await.expect(0).json()
    };
    let first = push("ml/iris:1", &[]).await;
    assert_eq!(first["schema"], "wharf.push/v1");
    assert_eq!(first["changed"], true);
    let again = push("ml/iris:1", &[]).await;
    assert_eq!((&again["changed"], &again["sent"]), (&false.into(), &0.into()));
    assert_eq!(again["digest"], first["digest"]);
    let tag = push("ml/iris:2", &[]).await;
    assert_eq!(tag["sent"], 0, "another tag of the same image");
    let other = push("ml/other:1", &["--mount-from", "ml/iris"]).await;
    assert!(other["sent"].as_u64().unwrap() < 10_000, "layers are taken over: {other}");
}

#[tokio::test]
#[ignore = "needs registry"]
async fn a_build_pushes_the_same_image_without_an_engine() {
    let (lab, user) = (Lab::start("", ""), user());
    let names = [lab.name("iris:1"), lab.name("iris:2")];
    let args = ["build", "iris", "-t", &names[0], "-t", &names[1], "--push", "--json"];
    let built = user.run(&args).await.expect(0).json();
    let pushed = user.run(&["push", "iris", "--to", &names[0], "--json"]).await.expect(0).json();
    assert_eq!(pushed["changed"], false, "{pushed}");
    let results = built["results"].as_array().unwrap();
    assert_eq!(results.len(), 2, "no engine is asked: {built}");
    for (result, name) in results.iter().zip(&names) {
        assert_eq!(
            (&result["to"], &result["references"][0]),
            (&"registry".into(), &name[..].into())
        );
        assert_eq!((&result["digest"], &result["reused"]), (&pushed["digest"], &false.into()));
    }
    let again = user.run(&["build", "iris", "-t", &names[1], "--push"]).await.expect(0);
    assert!(again.out.contains("nothing to send"), "{}", again.out);
}

#[tokio::test]
#[ignore = "needs registry"]
async fn a_declaration_pushes_to_its_registry() {
    let (lab, (user, fake)) = (Lab::start("", ""), User::of_fake());
    user.example("iris");
    let name = lab.name("ml/iris:1");
    let declaration = format!("type: docker\nimage: '{name}'\n");
    fs::write(user.home.path().join("b.mlem"), declaration).unwrap();
    let build =
        async |more: &[&str]| user.run(&[&["build", "iris", "-f", "b.mlem"], more].concat()).await;
    build(&["--dry-run"]).await.expect(0);
    build(&["--set", "push=false"]).await.expect(0);
    let first = build(&["--json"]).await.expect(0).json();
    let to: Vec<_> = first["results"].as_array().unwrap().iter().map(|it| &it["to"]).collect();
    assert_eq!(to, ["engine", "registry"]);
    assert_eq!(first["results"][1]["reused"], false, "neither of the others pushed");
    assert_eq!(fake.images_made(), std::slice::from_ref(&name));
    let other = ["--set", "args.set_env.0=A=1", "--to", "oci-dir:out", "--push"];
    let refused = build(&other).await.expect(5);
    assert!(refused.err.contains("error[W0414]") && refused.err.contains(&name), "{}", refused.err);
    let forced = build(&[&other[..], &["--force", "--json"]].concat()).await.expect(0).json();
    assert_eq!(forced["results"][0]["digest"], forced["results"][1]["digest"]);
    assert_ne!(forced["results"][1]["digest"], first["results"][1]["digest"]);
}

#[tokio::test]
#[ignore = "needs registry"]
async fn a_registry_with_a_password_lets_in_who_logged_in() {
    let (lab, user) = (Lab::with_password(), user());
    let name = lab.name("iris:1");
    let refused = user.run(&["push", "iris", "--to", &name]).await;
    told(&refused, "W0312", 4);
    assert!(refused.err.contains(&format!("`wharf login {}`", lab.host())), "{}", refused.err);
    told(&login(&user, &lab.host(), "wrong", &[]), "W0312", 4);
    assert!(!docker_file(&user).exists(), "a wrong password is not kept");
    fs::create_dir(user.home.path().join(".docker")).unwrap();
    fs::write(docker_file(&user), "{\"psFormat\": \"json\"}").unwrap();
    let outcome = login(&user, &lab.host(), PASSWORD, &["--json"]).expect(0);
    assert_eq!(outcome.json()["schema"], "wharf.login/v1");
    assert!(!format!("{}{}", outcome.out, outcome.err).contains(PASSWORD));
    let kept = fs::read_to_string(docker_file(&user)).unwrap();
    assert!(kept.contains("\"psFormat\": \"json\"") && kept.contains(&lab.host()), "{kept}");
    let mode = docker_file(&user).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    user.run(&["push", "iris", "--to", &name]).await.expect(0);
    let outcome = user.run(&["logout", &lab.host(), "--json"]).await.expect(0);
    assert_eq!(outcome.json()["changed"], true);
    told(&user.run(&["push", "iris", "--to", &name]).await, "W0312", 4);
}

#[tokio::test]
#[ignore = "needs registry"]
async fn a_certificate_is_trusted_when_its_authority_is_named() {
    let (lab, mut user) = (Lab::with_tls(), user());
    let name = lab.name("iris:1");
    let refused = user.run(&["push", "iris", "--to", &name]).await;
    told(&refused, "W0311", 6);
    assert!(refused.err.contains("`--ca FILE`"), "{}", refused.err);
    let ca = lab.folder.path().join("ca.pem").display().to_string();
    user.run(&["push", "iris", "--to", &name, "--ca", &ca]).await.expect(0);
    user.variables = vec![("SSL_CERT_FILE".into(), ca.into())];
    user.run(&["push", "iris", "--to", &name]).await.expect(0);
}

/// A container and an image of a test, which end with it.
struct Pulled(String);

impl Drop for Pulled {
    fn drop(&mut self) {
        let name = format!("wharf-test-{}", std::process::id());
        for args in [&["rm", "-f", "-v", &name][..], &["rmi", "-f", &self.0]] {
            Command::new("docker").args(args).output().ok();
        }
    }
}

#[tokio::test]
#[ignore = "needs registry"]
async fn docker_pulls_and_runs_what_was_pushed() {
    let (lab, user) = (Lab::start("", ""), user());
    let outcome = user.run(&["push", "iris", "--to", &lab.name("iris:1")]).await.expect(0);
    let digest = outcome.out.trim().split_once('@').unwrap().1;
    let pulled = Pulled(format!("{}@{digest}", lab.name("iris")));
    let container = format!("wharf-test-{}", std::process::id());
    output(Command::new("docker").args(["pull", "--quiet", &pulled.0]));
    output(Command::new("docker").args([
        "run",
        "--detach",
        "--name",
        &container,
        "--publish",
        "127.0.0.1::8080",
        &pulled.0,
    ]));
    let port = output(Command::new("docker").args(["port", &container, "8080/tcp"]));
    let url = format!("http://{}", port.trim());
    for _ in 0..100 {
        let input = "data=[[5.1, 3.5, 1.4, 0.2]]";
        let outcome = user.run(&["predict", &url, "-i", input]).await;
        if outcome.code == 0 {
            assert_eq!(outcome.out.trim(), "[\"setosa\"]");
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the pulled image does not answer");
}

/// A registry that lets everybody in, and answers everything else so.
pub(crate) fn answers(head: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut request = vec![0; 64 << 10];
            let count = stream.read(&mut request).unwrap_or(0);
            let is_ping = request[..count].starts_with(b"GET /v2/ ");
            let head = if is_ping { "200 OK\r\n" } else { head };
            let answer = format!("HTTP/1.1 {head}content-length: 0\r\nconnection: close\r\n\r\n");
            // A client that speaks TLS is none of ours.
            if request.is_ascii() {
                stream.write_all(answer.as_bytes()).ok();
            }
        }
    });
    format!("{host}/iris:1")
}

#[tokio::test]
async fn answers_that_are_no_help_have_their_codes() {
    let (mut user, _) = User::of_fake();
    user.engine = None;
    user.example("iris");
    let push = async |to: &str| user.run(&["push", "iris", "--to", to]).await;
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    told(&push(&format!("{nobody}/iris:1")).await, "W0310", 6);
    told(&push(&answers("403 Forbidden\r\n")).await, "W0313", 4);
    told(&push(&answers("404 Not Found\r\n")).await, "W0314", 3);
    told(&push(&answers("429 Too Many\r\n")).await, "W0315", 8);
    let elsewhere = "307 Elsewhere\r\nlocation: https://evil.example/x\r\n";
    told(&push(&answers(elsewhere)).await, "W0316", 1);
    told(&push(&answers("418 Teapot\r\n")).await, "W0317", 1);
}

#[tokio::test]
async fn a_push_can_be_cancelled_while_the_registry_is_silent() {
    let (user, _) = User::of_fake();
    user.example("iris");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = format!("{}/iris:1", silent.local_addr().unwrap());
    let cancel = CancellationToken::new();
    let args = ["push", "iris", "--to", &to];
    let pushing = user.run_until(&args, cancel.clone());
    let stopping = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        cancel.cancel();
    };
    let (outcome, ()) = tokio::join!(pushing, stopping);
    told(&outcome, "W0902", 130);
}

#[tokio::test]
async fn credentials_that_cannot_be_used_are_told() {
    let (user, _) = User::of_fake();
    user.example("iris");
    let docker = user.home.path().join(".docker");
    fs::create_dir(&docker).unwrap();
    let to = answers("200 OK\r\n");
    let broken = async |text: &str| {
        fs::write(docker.join("config.json"), text).unwrap();
        user.run(&["push", "iris", "--to", &to]).await
    };
    told(&broken("{").await, "W0318", 1);
    told(&broken("{\"credsStore\": \"../evil\"}").await, "W0318", 1);
    let missing = broken("{\"credsStore\": \"no-such\"}").await;
    told(&missing, "W0318", 1);
    assert!(missing.err.contains("docker-credential-no-such"), "{}", missing.err);
}

#[tokio::test]
async fn what_is_not_there_is_not_pushed() {
    let (user, _) = User::of_fake();
    let to = "localhost:1/x:1";
    told(&user.run(&["push", "wharf/iris:1", "--to", to]).await, "W0206", 3);
    told(&user.run(&["push", "no-such", "--to", to]).await, "W0401", 3);
    let digest = format!("localhost:1/x@sha256:{}", "0".repeat(64));
    user.example("iris");
    told(&user.run(&["push", "iris", "--to", &digest]).await, "W0101", 2);
}

#[tokio::test]
async fn a_login_without_terminal_or_host_is_refused() {
    let (user, _) = User::of_fake();
    told(&user.run(&["login", "not a host"]).await, "W0101", 2);
    told(&login(&user, "localhost:1", "", &[]), "W0101", 2);
    let outcome = user.run(&["logout", "localhost:1"]).await.expect(0);
    assert_eq!(outcome.out, "nobody was logged in at localhost:1\n");
    assert!(!Path::new(&docker_file(&user)).exists());
}

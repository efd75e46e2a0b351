//! `wharf lock` and the environment of `wharf serve`: with a `uv` that a test scripts, and with the real one.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::JoinHandle,
};

use wharf_testkit::{
    http,
    packages::{Index, Wheel},
};

use crate::hermetic::files;
use crate::support::{Outcome, User};

const HASH: &str = "ba45415f399cf727b4d4b8a512d73082e6e949deea5df46d4e209f8b8865750b";

/// A `uv` that writes down how it is called and answers with a prepared lock.
pub(crate) struct FakeUv {
    folder: PathBuf,
}

impl FakeUv {
    /// Puts the program on the user's PATH.
    pub(crate) fn install(user: &mut User) -> Self {
        let folder = user.home.path().join("bin");
        fs::create_dir(&folder).unwrap();
        let script = format!(
            "#!/bin/sh\nset -e\n[ \"$1\" != --version ] || {{ echo 'uv 0.13.8 (test)'; exit 0; }}\ncd \"$PWD\"\n\
             echo \"$@\" >> '{0}/calls'\n[ ! -f '{0}/fail' ] || {{ echo \"could not reach $UV_DEFAULT_INDEX/alpha\" >&2; exit 1; }}\n\
             cp '{0}/answer' pylock.toml\n",
            folder.display()
        );
        fs::write(folder.join("uv"), script).unwrap();
        fs::set_permissions(folder.join("uv"), fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", folder.display());
        user.variables = vec![("PATH".into(), path.into())];
        let own = Self { folder };
        own.answers("1.0");
        own
    }

    pub(crate) fn answers(&self, version: &str) {
        let url = format!("https://me:c4nary@index.example/alpha-{version}-py3-none-any.whl");
        let text = format!(
            "lock-version = \"1.0\"\ncreated-by = \"uv\"\nrequires-python = \">=3.11\"\n\n[[packages]]\nname = \"alpha\"\n\
             version = \"{version}\"\nwheels = [{{ url = \"{url}\", hashes = {{ sha256 = \"{HASH}\" }} }}]\n"
        );
        fs::write(self.folder.join("answer"), text).unwrap();
    }

    fn calls(&self) -> usize {
        fs::read_to_string(self.folder.join("calls")).unwrap_or_default().lines().count()
    }
}

/// Writes a model that needs a package.
fn model(user: &User, requirements: &str) -> PathBuf {
    let folder = user.home.path().join("needy");
    fs::create_dir_all(&folder).unwrap();
    let code =
        "import alpha\n\n\ndef predict(text: str) -> str:\n    return alpha.VERSION + text\n";
    fs::write(folder.join("predict.py"), code).unwrap();
    fs::write(folder.join("wharf.yaml"), format!("model:\n  requirements: [{requirements}]\n"))
        .unwrap();
    folder
}

fn needy(requirements: &str) -> (User, FakeUv, PathBuf) {
    let (mut user, _) = User::of_fake();
    let uv = FakeUv::install(&mut user);
    let lock = model(&user, requirements).join("wharf.lock");
    (user, uv, lock)
}

#[track_caller]
fn told(outcome: &Outcome, code: &str) {
    assert!(outcome.err.contains(&format!("error[{code}]")), "{}", outcome.err);
}

#[tokio::test]
async fn a_lock_is_made_once_and_holds_no_password() {
    let (user, uv, lock) = needy("alpha");
    let outcome = user.run(&["lock", "needy", "--json"]).await.expect(0);
    assert_eq!(
        (&outcome.json()["changed"], &outcome.json()["packages"]),
        (&true.into(), &1.into())
    );
    let text = fs::read_to_string(&lock).unwrap();
    assert!(text.contains("https://index.example/alpha-1.0-py3-none-any.whl"), "{text}");
    assert!(!text.contains("c4nary"), "{text}");
    uv.answers("2.0");
    let again = user.run(&["lock", "needy", "--json"]).await.expect(0);
    assert_eq!(again.json()["changed"], false);
    user.run(&["lock", "needy/predict.py", "--check"]).await.expect(0);
    assert_eq!(
        (fs::read_to_string(&lock).unwrap(), uv.calls()),
        (text, 1),
        "an index that changes changes no lock"
    );
    user.run(&["lock", "needy", "--upgrade"]).await.expect(0);
    assert!(fs::read_to_string(&lock).unwrap().contains("alpha-2.0"));
}

#[tokio::test]
async fn a_changed_requirement_is_seen() {
    let (user, uv, _) = needy("alpha");
    let missing = user.run(&["lock", "needy", "--check"]).await.expect(5);
    told(&missing, "W0419");
    user.run(&["lock", "needy"]).await.expect(0);
    model(&user, "alpha>1");
    told(&user.run(&["lock", "needy", "--check"]).await.expect(5), "W0419");
    told(&user.run(&["serve", "needy", "--locked"]).await.expect(5), "W0419");
    let outcome = user.run(&["lock", "needy"]).await.expect(0);
    assert!(
        outcome.err.contains("was made from other requirements: locking again"),
        "{}",
        outcome.err
    );
    assert_eq!(uv.calls(), 2);
}

#[tokio::test]
async fn a_damaged_lock_is_told_with_its_line() {
    let (user, _, lock) = needy("alpha");
    user.run(&["lock", "needy"]).await.expect(0);
    let text = fs::read_to_string(&lock).unwrap();
    fs::write(&lock, text.replace("[[packages]]", "<<<<<<< HEAD\n[[packages]]")).unwrap();
    let outcome = user.run(&["lock", "needy"]).await.expect(2);
    told(&outcome, "W0418");
    assert!(
        outcome.err.contains("wharf.lock` cannot be read") && outcome.err.contains("line 11:"),
        "{}",
        outcome.err
    );
}

#[tokio::test]
async fn what_uv_says_is_shown_without_passwords() {
    let (mut user, uv, lock) = needy("alpha");
    user.variables.push(("PIP_INDEX_URL".into(), "https://me:c4nary@index.example/simple".into()));
    fs::write(uv.folder.join("fail"), "").unwrap();
    let outcome = user.run(&["lock", "needy", "-v"]).await.expect(1);
    told(&outcome, "W0407");
    assert!(
        outcome.err.contains("| could not reach https://index.example/simple/alpha"),
        "{}",
        outcome.err
    );
    assert!(!outcome.err.contains("c4nary"), "{}", outcome.err);
    assert!(!lock.exists());
    let left = files(&user.home.path().join(".cache"));
    assert!(!left.iter().any(|path| path.ends_with("requirements.in")), "{left:?}");
}

#[tokio::test]
async fn without_uv_and_network_both_ways_out_are_told() {
    let (user, _) = User::of_fake();
    model(&user, "alpha");
    let outcome = user.run(&["lock", "needy", "--offline"]).await.expect(6);
    told(&outcome, "W0417");
    assert!(
        outcome.err.contains("`pip install uv`") && outcome.err.contains("--python PATH"),
        "{}",
        outcome.err
    );
}

#[tokio::test]
async fn models_without_requirements_have_nothing_to_lock() {
    let (user, _) = User::of_fake();
    user.example("iris");
    let outcome = user.run(&["lock", "iris"]).await.expect(0);
    assert!(outcome.err.contains("nothing to lock"), "{}", outcome.err);
}

/// The variables of `wharf` on this machine, with caches of their own.
fn wharf(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wharf"));
    for (variable, name) in
        [("XDG_CACHE_HOME", "cache"), ("XDG_DATA_HOME", "data"), ("UV_CACHE_DIR", "uv")]
    {
        command.env(variable, folder.join(name));
    }
    command.current_dir(folder).stderr(Stdio::piped()).stdout(Stdio::null());
    command
}

/// Serves a model that runs Python; returns its port, and everything that it says until its end.
fn serve(mut command: Command) -> (Child, u16, JoinHandle<String>) {
    let mut process = command.args(["serve", "needy", "-p", "0"]).spawn().unwrap();
    let mut reader = BufReader::new(process.stderr.take().unwrap());
    let (mut said, mut port) = (String::new(), None);
    while port.is_none() {
        let start = said.len();
        assert!(reader.read_line(&mut said).unwrap() > 0, "{said}");
        let address = said[start..].split_once("http://127.0.0.1:");
        port = address.and_then(|(_, rest)| rest.trim().trim_end_matches('/').parse().ok());
    }
    let rest = std::thread::spawn(move || {
        reader.read_to_string(&mut said).unwrap();
        said
    });
    (process, port.unwrap(), rest)
}

/// Asks once, ends the server, and returns what it said.
fn predict_and_end((mut process, port, said): (Child, u16, JoinHandle<String>)) -> String {
    let answer = http::request(port, "POST", "/predict", &[], br#"{"text": "!"}"#);
    assert_eq!(answer.json(), serde_json::json!("1.0!"));
    Command::new("kill").arg(process.id().to_string()).status().unwrap();
    process.wait().unwrap();
    said.join().unwrap()
}

#[test]
#[ignore = "needs python"]
fn a_served_model_has_a_private_environment_and_no_password_leaves_the_settings() {
    let (user, _) = User::of_fake();
    let folder = user.home.path();
    // `uv` itself, from the index of this machine.
    model(&user, "six");
    let fetched = wharf(folder).args(["lock", "needy"]).output().unwrap();
    let said = String::from_utf8(fetched.stderr).unwrap();
    assert!(fetched.status.success(), "{said}");
    let lock = model(&user, "alpha<2").join("wharf.lock");
    fs::remove_file(&lock).unwrap();
    let wheels = [
        Wheel::new("alpha", "1.0", "py3-none-any", &["beta; python_version >= '3'"]),
        Wheel::new("alpha", "2.0", "py3-none-any", &[]),
        Wheel::new("beta", "1.0", "py3-none-any", &[]),
    ];
    let index = Index::start(wheels).with_password("me:c4nary");
    let command = || {
        let mut command = wharf(folder);
        command
            .env("PIP_INDEX_URL", format!("http://me:c4nary@{}/simple", index.host))
            .env_remove("PIP_FIND_LINKS");
        command
    };
    let said = predict_and_end(serve(command()));
    assert!(said.contains("making an environment of 2 packages"), "{said}");
    let text = fs::read_to_string(&lock).unwrap();
    assert!(text.contains("beta-1.0-py3-none-any.whl") && !text.contains("alpha-2.0"), "{text}");
    assert!(!said.contains("c4nary") && !text.contains("c4nary"), "{said}\n{text}");
    for file in files(&folder.join("cache"))
        .into_iter()
        .chain(files(&folder.join("needy")))
        .filter(|path| path.is_file())
    {
        let bytes = fs::read(&file).unwrap();
        assert!(
            !bytes.windows(6).any(|bytes| bytes == b"c4nary"),
            "{} holds the password",
            file.display()
        );
    }
    let asked = index.asked().len();
    let mut offline = command();
    offline.env("PIP_INDEX_URL", "http://127.0.0.1:1/simple");
    let said = predict_and_end(serve({
        offline.arg("-v");
        offline
    }));
    assert!(!said.contains("making an environment"), "{said}");
    assert_eq!(index.asked().len(), asked, "nothing is fetched again");
}

#[test]
#[ignore = "needs python"]
fn two_commands_at_once_make_one_environment() {
    let (user, _) = User::of_fake();
    let folder = user.home.path();
    let links = folder.join("links");
    fs::create_dir(&links).unwrap();
    Wheel::new("alpha", "1.0", "py3-none-any", &[]).write(&links);
    model(&user, "alpha");
    // The first one fetches `uv` for both.
    let command = || {
        let mut command = wharf(folder);
        command.env("PIP_FIND_LINKS", &links);
        command
    };
    let locked = command().args(["lock", "needy"]).output().unwrap();
    assert!(locked.status.success(), "{}", String::from_utf8_lossy(&locked.stderr));
    let text = fs::read_to_string(folder.join("needy/wharf.lock")).unwrap();
    assert!(text.contains("path = \"alpha-1.0-py3-none-any.whl\""), "{text}");
    for served in [serve(command()), serve(command())] {
        predict_and_end(served);
    }
    let environments = fs::read_dir(folder.join("cache/wharf/environments")).unwrap();
    let names: Vec<_> = environments.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 1, "{names:?}");
}

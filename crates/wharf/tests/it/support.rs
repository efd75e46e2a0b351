//! A command line with a home of its own.

use std::{
    ffi::OsString,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use wharf::{Environment, Invocation, Terminal};
use wharf_engine::{
    Engine,
    connect::{ConnectSettings, EngineChoice, connect},
};

/// What a command left.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: u8,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Outcome {
    /// Fails with everything that was printed unless the command ended so.
    #[track_caller]
    pub(crate) fn expect(self, code: u8) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    /// The result as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} in {}", self.out))
    }
}

/// A user with an empty home, in a folder of projects.
pub(crate) struct User {
    pub(crate) home: TempDir,
    pub(crate) engine: Option<Arc<dyn Engine>>,
    pub(crate) helpers: PathBuf,
    pub(crate) variables: Vec<(OsString, OsString)>,
    pub(crate) project: String,
}

impl User {
    /// A user of the real engine of this machine, in a project of its own.
    pub(crate) async fn of_engine(name: &str) -> Self {
        let settings = ConnectSettings {
            docker_host: None,
            context_host: None,
            runtime_dir: None,
            home: None,
            engine: EngineChoice::Auto,
        };
        let engine = connect(&settings).await.expect("an engine: `./test` installs and starts one");
        let mut user = Self::with_engine(Some(engine));
        user.project = format!("t-{}-{name}", std::process::id());
        user.delete_project().await;
        user
    }

    pub(crate) fn with_engine(engine: Option<Arc<dyn Engine>>) -> Self {
        let program = PathBuf::from(env!("CARGO_BIN_EXE_wharf-serve"));
        Self {
            home: tempfile::tempdir().unwrap(),
            engine,
            helpers: program.parent().unwrap().to_owned(),
            variables: pip_of_this_machine(),
            project: "default".to_owned(),
        }
    }

    /// Copies an example into the user's home.
    pub(crate) fn example(&self, name: &str) -> PathBuf {
        let target = self.home.path().join(name);
        copy(&examples().join(name), &target);
        target
    }

    /// Runs `wharf` in the user's home.
    pub(crate) async fn run(&self, args: &[&str]) -> Outcome {
        self.run_until(args, CancellationToken::new()).await
    }

    pub(crate) async fn run_until(&self, args: &[&str], cancel: CancellationToken) -> Outcome {
        let (out, err) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let code = wharf::run(self.invocation(args, out.clone(), err.clone(), cancel)).await;
        Outcome { code, out: text(&out), err: text(&err) }
    }

    fn invocation(
        &self,
        args: &[&str],
        out: Arc<Mutex<dyn Write + Send>>,
        err: Arc<Mutex<dyn Write + Send>>,
        cancel: CancellationToken,
    ) -> Invocation {
        let home = self.home.path();
        let own: [(OsString, OsString); 4] = [
            ("HOME".into(), home.into()),
            ("WHARF_HELPERS".into(), self.helpers.clone().into()),
            ("WHARF_PROJECT".into(), self.project.clone().into()),
            ("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into()),
        ];
        Invocation {
            args: std::iter::once("wharf")
                .chain(args.iter().copied())
                .map(OsString::from)
                .collect(),
            env: Environment::of(own.into_iter().chain(self.variables.iter().cloned())),
            console: Terminal::of(out, err),
            folder: home.to_owned(),
            program: self.helpers.join("wharf"),
            engine: self.engine.clone(),
            cancel,
        }
    }

    /// Removes whatever a test left on the engine.
    pub(crate) async fn delete_project(&self) {
        let engine = self.engine.as_ref().unwrap();
        let project = self.project.parse().unwrap();
        for status in engine.list(Some(&project)).await.unwrap() {
            engine.delete(&status.id, Duration::ZERO).await.unwrap();
        }
        engine.delete_project(&project).await.unwrap();
    }
}

/// Runs a test on the real engine and cleans up after it, also when it fails.
pub(crate) async fn on_engine<F>(name: &str, test: impl FnOnce(Arc<User>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let user = Arc::new(User::of_engine(name).await);
    let mut running = tokio::task::JoinSet::new();
    running.spawn(test(user.clone()));
    let outcome = running.join_next().await.expect("one task");
    user.delete_project().await;
    if let Err(error) = outcome {
        std::panic::resume_unwind(error.into_panic());
    }
}

fn text(bytes: &Mutex<Vec<u8>>) -> String {
    String::from_utf8(bytes.lock().unwrap().clone()).unwrap()
}

/// What this machine's pip needs to reach its index; tests of requirements install real packages.
#[expect(
    clippy::disallowed_methods,
    reason = "the machine's own settings, which tests do not invent"
)]
fn pip_of_this_machine() -> Vec<(OsString, OsString)> {
    let is_network = |name: &str| {
        name.starts_with("PIP_")
            || name.ends_with("_proxy")
            || name.ends_with("_PROXY")
            || name == "SSL_CERT_FILE"
    };
    std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_network)).collect()
}

/// The folder of the examples.
pub(crate) fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

/// Copies a folder, without what a running wharf keeps in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if name == ".wharf" || name == "__pycache__" {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(name));
        } else {
            std::fs::copy(entry.path(), to.join(name)).unwrap();
        }
    }
}

/// The port under which `wharf up --json` says that a service is.
pub(crate) fn port(up: &serde_json::Value) -> u16 {
    let url = up["url"].as_str().unwrap().trim_end_matches('/');
    url.rsplit_once(':').unwrap().1.parse().unwrap()
}

/// Fails when something of the user's project is on the engine.
pub(crate) async fn nothing_is_left(user: &User) {
    let engine = user.engine.as_ref().unwrap();
    let left = engine.list(Some(&user.project.parse().unwrap())).await.unwrap();
    assert!(left.is_empty(), "{left:?}");
}

/// Starts `wharf up iris` as a process of its own, and kills it after a while.
pub(crate) async fn up_and_kill(user: &User, after: Duration) {
    let mut up = Command::new(user.helpers.join("wharf"))
        .args(["up", "iris", "-P", &user.project])
        .current_dir(user.home.path())
        .env("HOME", user.home.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    tokio::time::sleep(after).await;
    up.kill().unwrap();
    up.wait().unwrap();
}

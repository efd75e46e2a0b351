//! A command line with a home of its own.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io::Write,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use wharf::{Environment, Invocation, Terminal};
use wharf_engine::{
    Engine, ImageFacts,
    connect::{ConnectSettings, EngineChoice, connect},
    fake::Fake,
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
    /// A user of an engine in memory, with programs that only look like the server.
    pub(crate) fn of_fake() -> (Self, Arc<Fake>) {
        let fake = Arc::new(Fake::default());
        fake.exec_answers(0, "");
        let user = Self::with_engine(Some(fake.clone()));
        let helpers = user.home.path().join("programs");
        std::fs::create_dir(&helpers).unwrap();
        for program in ["wharf-serve", "wharf-serve-onnx"] {
            std::fs::write(helpers.join(program), "a program").unwrap();
        }
        (Self { helpers, ..user }, fake)
    }

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

/// Everything in a folder, for tests that nothing was left behind.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path.clone());
            }
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The facts of an image that a test puts into the engine in memory.
pub(crate) fn image(id: &str) -> ImageFacts {
    ImageFacts {
        id: id.to_owned(),
        size: 1,
        labels: BTreeMap::new(),
        env: Vec::new(),
        exposed_ports: Vec::new(),
        created: None,
    }
}

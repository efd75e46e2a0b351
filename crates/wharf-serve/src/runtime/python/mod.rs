//! Models that only Python can run: worker processes behind this server, one call at a time in each.
//!
//! ```text
//! Pool::call ─▶ Queue ─▶ Supervisor (a thread for each worker) ─ Channel ─ python (worker.py) ×N
//! ```
//! - [`pool`]: what the server sees; counts how the workers are;
//! - [`queue`]: calls that wait for a free worker, bounded; [`reply`]: how their answers come back, whole or in pieces;
//! - [`supervisor`]: starts a worker, gives it calls, and starts it again when it dies or hangs;
//! - [`process`]: the process and its group; [`log`]: what it prints;
//! - [`channel`]: frames over a socket pair; [`wire`]: arguments and answers in a frame;
//! - [`requirement`]: which line of the requirements a missing module belongs to.
//!
//! Nothing is pickled on the way, nothing is written to disk, and what the model prints cannot reach the socket.

mod pool;

mod queue;

mod reply;

mod supervisor;

mod process;

mod log;

mod channel;

mod wire;

mod requirement;

use std::{fs, num::NonZero, path::PathBuf, sync::Arc, thread, time::Duration};

use wharf_spec::model::{ModelCard, RuntimeKind};

use self::pool::Pool;
use super::{Bundle, LoadError, Loaded, Runtime, RuntimeSettings};

/// Runs models in Python workers.
#[derive(Debug, Clone, Copy)]
pub struct Python;

impl Runtime for Python {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Python
    }

    fn load(&self, bundle: &Bundle, settings: &RuntimeSettings) -> Result<Loaded, LoadError> {
        let launch = Launch::new(bundle, settings)?;
        let pool = Pool::start(launch).map_err(|error| {
            LoadError(format!("a thread for a Python worker could not be started: {error}"))
        })?;
        Ok(Loaded::Worker(Arc::new(pool)))
    }
}

/// What every worker of a model is started with.
#[derive(Debug)]
struct Launch {
    python: PathBuf,
    card: Arc<ModelCard>,
    /// The bundle, as an absolute path.
    folder: String,
    workers: usize,
    /// Threads that the model's libraries may use in one worker.
    threads: usize,
    call_limit: Duration,
    load_limit: Duration,
}

impl Launch {
    fn new(bundle: &Bundle, settings: &RuntimeSettings) -> Result<Self, LoadError> {
        let Some(needs) = &bundle.card.python else {
            return Err(LoadError("its card does not say how Python loads it".to_owned()));
        };
        if needs.load.is_empty() {
            return Err(LoadError("its card names no object that Python should load".to_owned()));
        }
        let folder = fs::canonicalize(&bundle.folder).map_err(|error| {
            LoadError(format!("its folder `{}` cannot be read: {error}", bundle.folder.display()))
        })?;
        let folder = folder.into_os_string().into_string().map_err(|folder| {
            LoadError(format!("the path of its folder is not UTF-8: `{}`", folder.display()))
        })?;
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        // One worker is as good as two on two cores: measured with cheap models and with forests.
        let workers = settings.workers.unwrap_or(cores / 2).max(1);
        Ok(Self {
            python: settings.python.clone(),
            card: Arc::clone(&bundle.card),
            folder,
            workers,
            threads: (cores / workers).max(1),
            call_limit: Duration::from_secs(settings.call_secs),
            load_limit: Duration::from_secs(settings.load_secs),
        })
    }
}

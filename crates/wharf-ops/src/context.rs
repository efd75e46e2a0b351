//! What an operation works with: everything of the outside world that it may touch.

use std::{fmt, path::PathBuf, sync::Arc};

use tokio_util::sync::CancellationToken;
use wharf_engine::{Engine, Exec, Images};
use wharf_spec::{codes, event::Event, model::RuntimeKind, name::ProjectName};

use crate::{
    build::foundation::Supplies,
    cache::FileCache,
    error::{Error, Result},
    store::folder::StoreIndex,
};

/// The outside world, as operations see it.
#[derive(Debug, Clone)]
pub struct Context {
    pub engine: Arc<dyn Engine>,
    pub project: ProjectName,
    pub reporter: Arc<dyn Reporter>,
    pub clock: Arc<dyn Clock>,
    /// Set when the user says stop: operations undo what is half done, and end.
    pub cancel: CancellationToken,
    pub helpers: Helpers,
    pub install: InstallSettings,
    /// What images of models that run Python are assembled with, where wharf does it itself.
    pub supplies: Option<Supplies>,
    /// Which stores this machine knows, by id.
    pub stores: StoreIndex,
}

impl Context {
    /// Reports an event.
    pub fn report(&self, event: Event) {
        self.reporter.report(event);
    }

    /// Returns the engine's image store.
    ///
    /// # Errors
    /// When the engine has none of its own.
    pub fn images(&self) -> Result<&dyn Images> {
        self.engine.images().ok_or_else(|| self.lacks("an image store"))
    }

    /// Returns the engine's way to run programs in containers.
    ///
    /// # Errors
    /// When the engine has none.
    pub fn exec(&self) -> Result<&dyn Exec> {
        self.engine.exec().ok_or_else(|| self.lacks("a way to run programs inside containers"))
    }

    fn lacks(&self, what: &str) -> Error {
        Error::new(codes::UNSUPPORTED_FIELD, format!("{} has no {what}", self.engine.name()))
    }

    /// Ends an operation that the user has cancelled.
    ///
    /// # Errors
    /// `CANCELLED` when that is so.
    pub fn check_cancelled(&self) -> Result<()> {
        if self.cancel.is_cancelled() { Err(cancelled()) } else { Ok(()) }
    }
}

/// Returns the error of an operation that the user has cancelled.
pub fn cancelled() -> Error {
    Error::new(codes::CANCELLED, "cancelled; nothing half-made was left behind")
}

/// Takes events; the command line and the server turn them into text.
pub trait Reporter: fmt::Debug + Send + Sync {
    fn report(&self, event: Event);
}

/// Tells the time.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Now, RFC 3339 in UTC, to the second.
    fn now(&self) -> String;
}

/// What builds find on this machine.
#[derive(Debug, Clone)]
pub struct Helpers {
    /// The folder of the server programs that go into images.
    pub folder: PathBuf,
    /// What is known of files, so that unchanged ones are not read again.
    pub cache: Arc<FileCache>,
}

impl Helpers {
    /// Returns the server program that has a runtime.
    ///
    /// # Errors
    /// `NO_HELPER` when it is not there.
    pub fn program(&self, runtime: RuntimeKind) -> Result<PathBuf> {
        let path = self.folder.join(runtime.program());
        if path.is_file() {
            return Ok(path);
        }
        let action =
            format!("`{}` was not found in `{}`", runtime.program(), self.folder.display());
        Err(Error::new(codes::NO_HELPER, action)
            .hint("put the programs of wharf into one folder, or name it: `WHARF_HELPERS=FOLDER`"))
    }
}

/// What this machine's own `pip` is set to: containers that install packages need the same.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InstallSettings {
    /// A `pip.conf`; it may hold passwords, so it is mounted, never part of an image.
    pub pip_conf: Option<PathBuf>,
    /// A bundle of certificates of this machine, mounted at [`InstallSettings::CA_BUNDLE`].
    pub ca_bundle: Option<PathBuf>,
    /// Folders of this machine that `pip_conf` names (`find-links`).
    pub folders: Vec<PathBuf>,
    /// The minor version of this machine's own Python: `3.11`.
    pub python_version: Option<String>,
}

impl InstallSettings {
    /// Where `pip_conf` finds the certificates inside the container.
    pub const CA_BUNDLE: &str = "/etc/wharf-install-ca.crt";
}

//! The interpreter of a model that runs Python here.

use std::path::PathBuf;

use clap::Args;
use wharf_model::recognise::Model;
use wharf_ops::{
    error::{Error, Result},
    python::{Network, environment::Interpreter, resolve::Update, target::Python},
};
use wharf_spec::{codes, event::Event};

use super::super::{Session, lock};

/// How a model runs Python here.
#[derive(Debug, Default, Args)]
pub(crate) struct PythonArgs {
    /// The interpreter for models that run Python, as it is [default: one with what `wharf.lock` says]
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// How many Python workers [default: 1 up to two cores, else half of the cores]
    #[arg(long, value_name = "N")]
    pub(super) workers: Option<usize>,
    /// Refuse a `wharf.lock` that does not fit the requirements, instead of making it anew
    #[arg(long, conflicts_with = "python")]
    locked: bool,
    /// Ask no other machine for packages
    #[arg(long)]
    offline: bool,
}

impl PythonArgs {
    /// Returns the interpreter of the workers: the user's own, else one with exactly the packages of the lock.
    pub(super) async fn interpreter(
        &self,
        session: &Session<'_>,
        model: &Model,
    ) -> Result<PathBuf> {
        if self.python.is_some() {
            return session.config.python(self.python.as_deref());
        }
        let needs = model.card.python.clone().unwrap_or_default();
        let version: Option<Python> =
            needs.version.as_deref().and_then(|version| version.parse().ok());
        let program = session.config.python_of(version)?;
        if !lock::has_requirements(model) {
            return Ok(program);
        }
        let network = if self.offline { Network::Forbidden } else { Network::Allowed };
        let update = if self.locked { Update::Never } else { Update::WhenChanged };
        let packages =
            session.config.packages(network, session.reporter(), session.cancel.clone())?;
        let interpreter = Interpreter::ask(&program, &packages.environment).await?;
        check_version(session, version, interpreter.target.python)?;
        let locked = lock::lock(session, model, None, update, network).await?;
        packages.with_needs(&needs).environment(&locked, &interpreter).await
    }
}

/// Refuses a Python that is older than what a model names, and says when it is newer.
fn check_version(session: &Session<'_>, named: Option<Python>, own: Python) -> Result<()> {
    let Some(named) = named else { return Ok(()) };
    let (asked, there) = (named.minor_text(), own.minor_text());
    if !own.is_at_least(named) {
        let action = format!("the model is for Python {asked}, and this machine has {there}");
        return Err(Error::new(codes::NO_PYTHON, action)
            .hint("name one with `--python PATH`, or run the model in a container: `wharf up`"));
    }
    if asked != there {
        let text = format!("the model is for Python {asked}, and it runs with {there}");
        session.reporter().report(Event::Note { text });
    }
    Ok(())
}

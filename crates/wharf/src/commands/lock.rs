//! `wharf lock`: what a model's requirements lead to, in a file beside it.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use wharf_model::recognise::Model;
use wharf_ops::{
    error::{Error, Result},
    python::{
        Network,
        resolve::{LockRequest, Locked, Update},
        target::Python,
    },
};
use wharf_spec::codes;

use super::Session;

/// Lock a model's Python packages, with the hashes of their wheels, in `wharf.lock` beside it
///
/// A lock is for every platform and for every Python from one version on. It is made by `uv`, which is fetched where it
/// is missing. Packages without wheels are refused: nothing of them is run here.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  wharf lock examples/pipeline-sklearn\n  \
                        wharf lock examples/pipeline-sklearn --upgrade\n  \
                        wharf lock examples/pipeline-sklearn --check")]
pub(crate) struct LockArgs {
    /// A model's file, or a folder with one
    target: PathBuf,
    /// Take the newest versions, where a lock is there
    #[arg(long, conflicts_with = "check")]
    upgrade: bool,
    /// Change nothing; fail when the lock is missing or was made from other requirements
    #[arg(long)]
    check: bool,
    /// The oldest Python that the lock is for [default: the model's, else this machine's]
    #[arg(long, value_name = "VERSION")]
    python_version: Option<String>,
    /// Ask no other machine
    #[arg(long)]
    offline: bool,
}

#[derive(Serialize)]
struct LockDocument {
    schema: &'static str,
    path: Option<String>,
    changed: bool,
    packages: usize,
    python: Option<String>,
    digest: Option<String>,
}

pub(crate) async fn run(session: &mut Session<'_>, args: LockArgs) -> Result<u8> {
    let model = session.recognise(&args.target).await?;
    let update = match (args.check, args.upgrade) {
        (true, _) => Update::Never,
        (_, true) => Update::Always,
        _ => Update::WhenChanged,
    };
    let network = if args.offline { Network::Forbidden } else { Network::Allowed };
    let locked = match has_requirements(&model) {
        true => Some(lock(session, &model, args.python_version.as_deref(), update, network).await?),
        false => None,
    };
    if session.config.json {
        session.console.json(&document(locked.as_ref()));
        return Ok(0);
    }
    let Some(locked) = locked else {
        session.console.err("the model has no Python requirements; there is nothing to lock");
        return Ok(0);
    };
    if !session.config.quiet {
        let word = if locked.changed { "locked" } else { "unchanged" };
        session.console.err(&format!("  {word}  {} packages", locked.lock.packages.len()));
    }
    session.console.out(&locked.path.display().to_string());
    Ok(0)
}

fn document(locked: Option<&Locked>) -> LockDocument {
    LockDocument {
        schema: "wharf.lock/v1",
        path: locked.map(|locked| locked.path.display().to_string()),
        changed: locked.is_some_and(|locked| locked.changed),
        packages: locked.map_or(0, |locked| locked.lock.packages.len()),
        python: locked.and_then(|locked| locked.lock.requires_python).map(Python::minor_text),
        digest: locked.map(|locked| locked.lock.digest().to_string()),
    }
}

/// Says whether a model's Python has anything to lock.
pub(super) fn has_requirements(model: &Model) -> bool {
    model.card.python.as_ref().is_some_and(|needs| !needs.requirements.is_empty())
}

/// Returns the lock of a model that has requirements.
pub(super) async fn lock(
    session: &Session<'_>,
    model: &Model,
    python: Option<&str>,
    update: Update,
    network: Network,
) -> Result<Locked> {
    let config = &session.config;
    let needs = model.card.python.clone().unwrap_or_default();
    let place = config.lock_place(model);
    let there = place.read()?.and_then(|locked| locked.lock.requires_python);
    // A lock that is there stays for the Pythons that it is for, whatever this machine has.
    let said = python.or(needs.version.as_deref());
    let python = match (said, there, config.python_minor()) {
        (Some(said), ..) => parse(said)?,
        (None, Some(there), _) => there,
        (None, None, Some(own)) => parse(&own)?,
        (None, None, None) => Python::DEFAULT,
    };
    let packages = config.packages(network, session.reporter(), session.cancel.clone())?;
    packages.lock(&LockRequest { needs: &needs, python, place: &place, update }).await
}

fn parse(text: &str) -> Result<Python> {
    text.parse().map_err(|error: wharf_ops::python::target::ParsePythonError| {
        Error::new(codes::FLAGS, error.to_string())
            .hint("correct `--python-version`, or `python_version` of the model")
    })
}

/// Returns the name of the lock of a model: a file that stands for its folder shares it, others have one of their own.
pub(crate) fn file_name(model: &Model, target: &Path) -> String {
    const COMMON: &str = "wharf.lock";
    let stands_for_folder = target.is_dir()
        || model.folder.join("wharf.yaml").is_file()
        || target.file_name().is_some_and(|name| name == "predict.py");
    match target.file_name().filter(|_| !stands_for_folder) {
        Some(name) => format!("{}.{COMMON}", name.to_string_lossy()),
        None => COMMON.to_owned(),
    }
}

//! `wharf serve`: the server of a model's image, here, without a container.

use std::{net::IpAddr, path::PathBuf, process::Stdio, time::Duration};

use clap::Args;
use tokio::process::{Child, Command};
use wharf_model::recognise::Model;
use wharf_ops::{
    context::Reporter as _,
    error::{Error, Result},
    python::{Network, environment::Interpreter, resolve::Update, target::Python},
};
use wharf_spec::{codes, event::Event};

use super::{Session, lock, model_events};
use crate::output::report::Lines;

/// Serve a model here, in the foreground, without a container
///
/// This starts the same server that the model's image holds. Models that run Python are not isolated: they can do
/// what you can do.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  wharf serve examples/iris\n  \
                        wharf serve examples/callable --python .venv/bin/python")]
pub(crate) struct ServeArgs {
    /// A model's file, or a folder with one
    target: PathBuf,
    /// The port; 0 takes a free one
    #[arg(short, long, default_value_t = 8080)]
    port: u16,
    /// The address to listen on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1")]
    host: IpAddr,
    /// The interpreter for models that run Python, as it is [default: one with what `wharf.lock` says]
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// How many Python workers [default: 1 up to two cores, else half of the cores]
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// Refuse a `wharf.lock` that does not fit the requirements, instead of making it anew
    #[arg(long, conflicts_with = "python")]
    locked: bool,
    /// Ask no other machine for packages
    #[arg(long)]
    offline: bool,
    /// How each request is logged
    #[arg(long, value_name = "FORM", default_value = "text", value_parser = ["text", "json"])]
    log: String,
}

pub(crate) async fn run(session: &mut Session<'_>, args: ServeArgs) -> Result<u8> {
    let model = session.recognise(&args.target).await?;
    let card = &model.card;
    let program = session.config.helpers.program(card.runtime)?;
    let reporter = Lines::new(session.console.clone(), false, session.config.quiet);
    for event in model_events(&model) {
        reporter.report(event);
    }
    let bundle = tempfile::Builder::new()
        .prefix("wharf-serve-")
        .tempdir()
        .map_err(|source| Error::file("make a folder in", &std::env::temp_dir(), source))?;
    model.write_bundle(bundle.path())?;
    let mut command = Command::new(program);
    command
        .arg("serve")
        .args([
            "--host",
            &args.host.to_string(),
            "--port",
            &args.port.to_string(),
            "--log",
            &args.log,
        ])
        .arg("--bundle")
        .arg(bundle.path())
        // It ends with us, also when we are killed, and takes the bundle with it.
        .arg("--temporary")
        .stdin(Stdio::piped())
        // ^C reaches us alone, and we pass it on once.
        .process_group(0)
        .kill_on_drop(true);
    if !card.runtime.is_native() {
        command.arg("--python").arg(python(session, &model, &args).await?);
        reporter.report(Event::Note {
            text: "not isolated: this model runs Python with your rights; `wharf up` runs it in a container".to_owned(),
        });
    }
    if let Some(workers) = args.workers {
        command.args(["--workers", &workers.to_string()]);
    }
    let mut child = command.spawn().map_err(|source| {
        Error::new(codes::NO_HELPER, format!("could not start `{}`", card.runtime.program()))
            .because(source)
    })?;
    // Waiting would close it.
    let _stdin = child.stdin.take();
    let status = tokio::select! {
        status = child.wait() => status,
        () = session.cancel.cancelled() => end(&mut child).await,
    };
    let status = status.map_err(|source| {
        Error::new(codes::BUG, "lost sight of the model server").because(source)
    })?;
    if session.cancel.is_cancelled() || status.success() {
        return Ok(0);
    }
    let action = format!("the model server ended with {status}; its last lines say why");
    Err(Error::new(codes::MODEL_LOAD, action))
}

/// Returns the interpreter of the workers: the user's own, else one with exactly the packages of the lock.
async fn python(session: &Session<'_>, model: &Model, args: &ServeArgs) -> Result<PathBuf> {
    if args.python.is_some() {
        return session.config.python(args.python.as_deref());
    }
    let needs = model.card.python.clone().unwrap_or_default();
    let version: Option<Python> = needs.version.as_deref().and_then(|version| version.parse().ok());
    let program = session.config.python_of(version)?;
    if !lock::has_requirements(model) {
        return Ok(program);
    }
    let network = if args.offline { Network::Forbidden } else { Network::Allowed };
    let update = if args.locked { Update::Never } else { Update::WhenChanged };
    let packages = session.config.packages(network, session.reporter(), session.cancel.clone())?;
    let interpreter = Interpreter::ask(&program, &packages.environment).await?;
    check_version(session, version, interpreter.target.python)?;
    let locked = lock::lock(session, model, None, update, network).await?;
    packages.with_needs(&needs).environment(&locked, &interpreter).await
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

/// Asks the server to end; it finishes what runs.
async fn end(child: &mut Child) -> std::io::Result<std::process::ExitStatus> {
    const PATIENCE: Duration = Duration::from_secs(25);
    let pid =
        child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
    }
    match tokio::time::timeout(PATIENCE, child.wait()).await {
        Ok(status) => status,
        Err(_) => {
            child.kill().await?;
            child.wait().await
        }
    }
}

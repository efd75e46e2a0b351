//! `wharf serve`: the server of a model's image, here, without a container.
//!
//! - [`process`]: the server as a process that ends with this one, also for `wharf predict PATH`;
//! - [`python`]: the interpreter of models that run Python;
//! - `reload`: another server for each change of the model's files, which `watch` sees; `relay`: the port that stays.

pub(crate) mod process;

pub(crate) mod python;

mod reload;

mod watch;

mod relay;

use std::{net::IpAddr, path::PathBuf, process::Stdio};

use clap::Args;
use wharf_model::recognise::Model;
use wharf_ops::{
    context::Reporter as _,
    error::{Error, Result},
};
use wharf_spec::{codes, event::Event};

use self::{
    process::{Listen, Process},
    python::PythonArgs,
};
use super::{Session, model_events};
use crate::output::report::Lines;

/// Serve a model here, in the foreground, without a container
///
/// This starts the same server that the model's image holds. Models that run Python are not isolated: they can do
/// what you can do.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  wharf serve examples/iris\n  \
                        wharf serve examples/callable --python .venv/bin/python\n  \
                        wharf serve model.ubj --reload")]
pub(crate) struct ServeArgs {
    /// A model's file, or a folder with one
    target: PathBuf,
    /// The port; 0 takes a free one
    #[arg(short, long, default_value_t = 8080)]
    port: u16,
    /// The address to listen on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1")]
    host: IpAddr,
    #[command(flatten)]
    python: PythonArgs,
    /// Serve the model anew when its files change; a broken one leaves the one before it serving
    #[arg(long)]
    reload: bool,
    /// How each request is logged
    #[arg(long, value_name = "FORM", default_value = "text", value_parser = ["text", "json"])]
    log: String,
}

pub(crate) async fn run(session: &mut Session<'_>, args: ServeArgs) -> Result<u8> {
    let model = session.recognise(&args.target).await?;
    let reporter = Lines::new(session.console.clone(), false, session.config.quiet);
    for event in model_events(&model) {
        reporter.report(event);
    }
    if !model.card.runtime.is_native() {
        reporter.report(Event::Note {
            text: "not isolated: this model runs Python with your rights; `wharf up` runs it in a container".to_owned(),
        });
    }
    if args.reload {
        return reload::run(session, &args, model).await;
    }
    let mut process = start(session, &args, &model, Stdio::inherit()).await?;
    let status = tokio::select! {
        status = process.wait() => status,
        () = session.cancel.cancelled() => process.end().await,
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

/// Starts the server where the command line says.
async fn start(
    session: &Session<'_>,
    args: &ServeArgs,
    model: &Model,
    stderr: Stdio,
) -> Result<Process> {
    let listen =
        if args.reload { Listen::PRIVATE } else { Listen { host: args.host, port: args.port } };
    Process::start(session, model, &args.python, listen, &args.log, stderr).await
}

//! `wharf serve --reload`: another server for each change of the model, behind a port that stays.

use std::{process::Stdio, time::Duration};

use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use wharf_model::recognise::Model;
use wharf_ops::{
    context::Reporter as _,
    error::{Error, Result},
};
use wharf_spec::{codes, event::Event};

use super::{ServeArgs, process::Process, relay::relay, start, watch::Watch};
use crate::{
    commands::{Session, model_events},
    error,
    output::{report::Lines, text},
};

/// How long a server goes on after another one has taken over: the request of a connection that was just opened may
/// still be on its way.
const LINGER: Duration = Duration::from_millis(500);

/// A server, and the model that it serves.
struct Serving {
    model: Model,
    process: Process,
    port: u16,
}

/// Serves until it is told to end.
pub(super) async fn run(session: &Session<'_>, args: &ServeArgs, model: Model) -> Result<u8> {
    let wanted = format!("{}:{}", args.host, args.port);
    let refused = |source| {
        Error::new(codes::PORT_TAKEN, format!("could not listen on {wanted}"))
            .because(source)
            .hint("take another port with `-p PORT`; `-p 0` takes a free one")
    };
    let listener = TcpListener::bind((args.host, args.port)).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;

    let mut watch = Watch::new(&model, &session.config.folder.join(&args.target));
    let mut serving = tokio::select! {
        serving = Serving::begin(session, args, model) => serving?,
        () = session.cancel.cancelled() => return Ok(0),
    };
    let name = &serving.model.card.name;
    session.console.err(&format!("{name} is served, and anew when it changes: http://{address}/"));
    let (current, seen) = watch::channel(serving.port);
    let mut tasks = JoinSet::new();
    tasks.spawn(relay(listener, seen));
    loop {
        tokio::select! {
            () = session.cancel.cancelled() => {
                serving.process.end().await.map_err(lost)?;
                return Ok(0);
            }
            ended = serving.process.wait() => {
                let status = ended.map_err(lost)?;
                let action = format!("the model server ended with {status}; its last lines say why");
                return Err(Error::new(codes::MODEL_LOAD, action));
            }
            next = next(session, args, &mut watch, &serving.model) => match next {
                Ok(next) => {
                    current.send_replace(next.port);
                    let old = std::mem::replace(&mut serving, next);
                    // Those before it have gone: they are not waited for, which would cut a change short.
                    while tasks.try_join_next().is_some() {}
                    tasks.spawn(retire(old.process));
                }
                Err(error) => {
                    error::print(&error, session.console, session.config.json);
                    session.console.err("the model as it was before goes on serving");
                }
            },
        }
    }
}

/// Waits for a change, and brings up what serves the model as it is then.
async fn next(
    session: &Session<'_>,
    args: &ServeArgs,
    watch: &mut Watch,
    serving: &Model,
) -> Result<Serving> {
    loop {
        watch.changed().await;
        let model = session.recognise(&args.target).await?;
        *watch = Watch::new(&model, &session.config.folder.join(&args.target));
        if model.card == serving.card {
            continue;
        }
        let reporter = Lines::new(session.console.clone(), false, session.config.quiet);
        for event in model_events(&model) {
            reporter.report(event);
        }
        let next = Serving::begin(session, args, model).await?;
        reporter.report(Event::Note { text: "the model was changed, and serves".to_owned() });
        return Ok(next);
    }
}

impl Serving {
    async fn begin(session: &Session<'_>, args: &ServeArgs, model: Model) -> Result<Self> {
        let mut process = start(session, args, &model, Stdio::piped()).await?;
        let console = session.console.clone();
        let port = process.ready(move |line| console.err(&text::log_line(line))).await?;
        Ok(Self { model, process, port })
    }
}

/// Ends a server that another one has followed; it finishes what runs.
async fn retire(mut process: Process) {
    tokio::time::sleep(LINGER).await;
    // It is killed where it does not end, and nobody waits for how.
    process.end().await.ok();
}

fn lost(source: std::io::Error) -> Error {
    Error::new(codes::BUG, "lost sight of the model server").because(source)
}

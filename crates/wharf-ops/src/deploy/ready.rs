//! Waiting until a service answers, or telling why it does not.
//!
//! A model's server is asked by its own probe, inside the container; an app of somebody's own by a request to its
//! published port, whatever it answers.

mod http;

mod listening;

use std::time::{Duration, Instant};

use wharf_spec::{
    codes, label,
    status::{Phase, Status},
    workload::WorkloadId,
};

use crate::{
    build::SERVER_PATH,
    context::Context,
    error::{Error, Result},
    service,
};

/// The probe's exit code when the server says that its model will never load.
const FAILED: i64 = 3;

/// How many of a container's last lines an error shows.
const SHOWN_LINES: u32 = 20;

/// Says whether a service answers right now; `None` where there is no way to ask.
pub(crate) async fn now(context: &Context, status: &Status) -> Option<bool> {
    if is_asked_by_http(status) {
        return http::now(context, status).await;
    }
    let command = [SERVER_PATH, "probe"].map(str::to_owned);
    let outcome = context.engine.exec()?.exec(&status.id, &command).await.ok()?;
    match outcome.code {
        0 => Some(true),
        126 | 127 => None,
        _ => Some(false),
    }
}

/// Waits until a service answers; returns how long it took, in milliseconds.
pub(crate) async fn wait(context: &Context, status: &Status, patience: Duration) -> Result<u64> {
    let start = Instant::now();
    if is_asked_by_http(status) {
        http::wait(context, &status.id, patience).await?;
    } else {
        probe(context, &status.id, patience).await?;
    }
    Ok(u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX))
}

fn is_asked_by_http(status: &Status) -> bool {
    status.labels.get(label::READY).is_some_and(|how| how == label::READY_HTTP)
}

/// The probe itself waits, inside the container: one call of the engine, not one for each try.
async fn probe(context: &Context, id: &WorkloadId, patience: Duration) -> Result<()> {
    let seconds = patience.as_secs().max(1).to_string();
    let command = [SERVER_PATH, "probe", "--wait", &seconds].map(str::to_owned);
    let probing = async { context.exec()?.exec(id, &command).await.map_err(Error::from) };
    let outcome = tokio::time::timeout(patience + Duration::from_secs(5), probing).await;
    if let Ok(Ok(outcome)) = &outcome
        && outcome.code == 0
    {
        return Ok(());
    }
    // A container that ends takes the probe with it, so look at the container first.
    let status = settled(context, id).await?;
    let lines = last_lines(context, id).await;
    if has_died(&status) {
        return Err(died(&status, &lines)
            .hint("run the same without a container to see more: `wharf serve MODEL`"));
    }
    let detail = match outcome {
        Ok(Ok(outcome)) if outcome.code == FAILED => {
            return Err(not_loaded(id, outcome.output.trim(), &lines));
        }
        Ok(Ok(outcome)) => outcome.output.trim().to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "the engine did not answer".to_owned(),
    };
    let action = format!("`{}` did not become healthy within {} s", id.name, patience.as_secs());
    let mut error = Error::new(codes::NOT_HEALTHY, action)
        .with_excerpt(lines)
        .hint("give it more time with `--wait 5m` (`wharf wait`: `--timeout 5m`), or look for the cause in the lines above");
    if !detail.is_empty() {
        error = error.because(detail);
    }
    Err(error)
}

/// Returns the status once the engine has noticed an end that the probe saw first.
async fn settled(context: &Context, id: &WorkloadId) -> Result<Status> {
    const TRIES: u32 = 10;
    let mut status = context.engine.status(id).await?;
    for _ in 0..TRIES {
        if has_died(&status) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        status = context.engine.status(id).await?;
    }
    Ok(status)
}

fn has_died(status: &Status) -> bool {
    status.phase != Phase::Running || status.restarts > 0
}

async fn last_lines(context: &Context, id: &WorkloadId) -> String {
    let lines = service::one::last_lines(context, id, SHOWN_LINES).await;
    lines.iter().map(|line| format!("  | {line}")).collect::<Vec<_>>().join("\n")
}

fn not_loaded(id: &WorkloadId, detail: &str, lines: &str) -> Error {
    Error::new(codes::MODEL_LOAD, format!("the model of `{}` does not load", id.name))
        .because(detail.lines().next().unwrap_or_default().to_owned())
        .with_excerpt(lines)
        .hint("the lines above say why; a missing package belongs into `requirements:` of `wharf.yaml`")
}

fn died(status: &Status, lines: &str) -> Error {
    let name = &status.id.name;
    let error = Error::new(codes::DIED_AT_START, format!("`{name}` ended while starting"));
    let error = match &status.exit {
        Some(exit) => {
            let meaning = exit.meaning().map(|meaning| format!(": {meaning}")).unwrap_or_default();
            error.because(format!("its process ended with code {}{meaning}", exit.code))
        }
        None => error,
    };
    error.with_excerpt(lines)
}

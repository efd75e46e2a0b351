//! Waiting until a service answers, or telling why it does not.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use wharf_engine::LogOptions;
use wharf_spec::{
    codes,
    status::{Phase, Status},
    workload::WorkloadId,
};

use crate::{
    build::SERVER_PATH,
    context::Context,
    error::{Error, Result},
};

/// The probe's exit code when the server says that its model will never load.
const FAILED: i64 = 3;

/// How many of a container's last lines an error shows.
const SHOWN_LINES: u32 = 20;

/// Says whether a service answers right now.
pub(super) async fn is_ready(context: &Context, id: &WorkloadId) -> bool {
    let command = [SERVER_PATH, "probe"].map(str::to_owned);
    match context.exec() {
        Ok(exec) => exec.exec(id, &command).await.is_ok_and(|outcome| outcome.code == 0),
        Err(_) => false,
    }
}

/// Waits until a service answers; returns how long it took, in milliseconds.
///
/// The probe itself waits, inside the container: one call of the engine, not one for each try.
pub(super) async fn wait(context: &Context, id: &WorkloadId, patience: Duration) -> Result<u64> {
    let start = Instant::now();
    let seconds = patience.as_secs().max(1).to_string();
    let command = [SERVER_PATH, "probe", "--wait", &seconds].map(str::to_owned);
    let probing = async { context.exec()?.exec(id, &command).await.map_err(Error::from) };
    let outcome = tokio::time::timeout(patience + Duration::from_secs(5), probing).await;
    if let Ok(Ok(outcome)) = &outcome
        && outcome.code == 0
    {
        return Ok(u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX));
    }
    // A container that ends takes the probe with it, so look at the container first.
    let status = settled(context, id).await?;
    let lines = last_lines(context, id).await;
    if status.phase != Phase::Running || status.restarts > 0 {
        return Err(died(&status, &lines));
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
        .hint("give it more time with `--wait 5m`, or look for the cause in the lines above");
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
        if status.phase != Phase::Running || status.restarts > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        status = context.engine.status(id).await?;
    }
    Ok(status)
}

async fn last_lines(context: &Context, id: &WorkloadId) -> String {
    let options = LogOptions { tail: Some(SHOWN_LINES), ..LogOptions::default() };
    let lines = context.engine.logs(id, options);
    let lines: Vec<_> =
        lines.filter_map(async |line| Some(format!("  | {}", line.ok()?.text))).collect().await;
    lines.join("\n")
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
    error
        .with_excerpt(lines)
        .hint("run the same without a container to see more: `wharf serve MODEL`")
}

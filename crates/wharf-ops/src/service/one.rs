//! One service in full, and waiting for what becomes of it.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use wharf_engine::{LogOptions, Usage};
use wharf_spec::{
    codes,
    name::WorkloadName,
    status::{Phase, Status},
    workload::{WorkloadId, WorkloadKind},
};

use super::{Listed, Owner, Word, newest_owned, usage, word};
use crate::{
    context::{Context, cancelled},
    deploy::ready,
    error::{Error, Result},
    store::{RecordName, StateStore as _, record::Release},
};

/// How many of its last lines are told of a service that is not well.
const TOLD_LINES: u32 = 20;

/// A service, with everything that is known of it.
#[derive(Debug, Clone)]
pub struct Whole {
    pub listed: Listed,
    pub usage: Usage,
    /// Why it is as it is, where the engine says so.
    pub reason: Option<String>,
    /// What was deployed, where a store of this machine has it on record.
    pub release: Option<Release>,
    /// What it wrote last, where it is not well.
    pub last_lines: Vec<String>,
}

/// Returns the newest generation of a service.
///
/// # Errors
/// `NO_SERVICE` when there is none.
pub async fn whole(context: &Context, name: &WorkloadName) -> Result<Whole> {
    let (status, owner) = newest_owned(context, name).await?;
    let word = word(context, &status).await;
    let release = release(&status, &owner).await?;
    let is_well = !matches!(word, Word::Crashed | Word::Failed | Word::Unhealthy);
    let last_lines =
        if is_well { Vec::new() } else { last_lines(context, &status.id, TOLD_LINES).await };
    let listed = [Listed { status, word, owner }];
    let usage = usage(context, &listed).await.into_iter().next().unwrap_or_default();
    let [listed] = listed;
    let reason = reason(&listed.status);
    Ok(Whole { listed, usage, reason, release, last_lines })
}

/// Returns what was deployed as this generation.
async fn release(status: &Status, owner: &Owner) -> Result<Option<Release>> {
    let Owner::Store(store) = owner else { return Ok(None) };
    let WorkloadId { project, name, generation } = status.id.clone();
    let found = store.read(&RecordName { project, name }).await?;
    Ok(found.map(|(record, _)| record.current).filter(|release| release.generation == generation))
}

fn reason(status: &Status) -> Option<String> {
    let exit = status.exit.as_ref()?;
    let code = || format!("its process ended with code {}", exit.code);
    let ended = match (&exit.error, exit.meaning()) {
        (Some(error), _) => error.clone(),
        (None, Some(meaning)) => format!("{}: {meaning}", code()),
        (None, None) => code(),
    };
    Some(match status.phase {
        Phase::Restarting => format!("{ended}; the engine starts it again"),
        _ => ended,
    })
}

/// Returns the last lines that a workload wrote.
pub(crate) async fn last_lines(context: &Context, id: &WorkloadId, count: u32) -> Vec<String> {
    let options = LogOptions { tail: Some(count), ..LogOptions::default() };
    let lines = context.engine.logs(id, options);
    lines.filter_map(async |line| Some(line.ok()?.text)).collect().await
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    Healthy,
    Ended,
}

/// Waits for what becomes of a service, and returns how long that took.
///
/// # Errors
/// `NO_SERVICE` when there is none; `NOT_HEALTHY` or `STILL_RUNS` when it takes too long; `DIED_AT_START` when it has
/// ended and was to become healthy; `CANCELLED`.
pub async fn wait(
    context: &Context,
    name: &WorkloadName,
    until: Until,
    patience: Duration,
) -> Result<Duration> {
    let start = Instant::now();
    let (status, _) = newest_owned(context, name).await?;
    let waiting = async {
        match until {
            Until::Healthy => healthy(context, &status, patience).await,
            Until::Ended => ended(context, &status, patience).await,
        }
    };
    tokio::select! {
        waited = waiting => waited?,
        () = context.cancel.cancelled() => return Err(cancelled()),
    }
    Ok(start.elapsed())
}

async fn healthy(context: &Context, status: &Status, patience: Duration) -> Result<()> {
    let name = &status.id.name;
    if status.kind == WorkloadKind::Job {
        let action = format!("`{name}` is a job, and jobs do not become healthy");
        return Err(Error::new(codes::FLAGS, action)
            .hint(format!("wait for its end: `wharf wait {name} --for ended`")));
    }
    if matches!(status.phase, Phase::Stopped | Phase::Succeeded | Phase::Failed) {
        let action = format!("`{name}` has ended, and does not become healthy by itself");
        let error = Error::new(codes::DIED_AT_START, action)
            .hint("start it with `wharf up`")
            .hint(format!("see why it ended with `wharf status {name}`"));
        return Err(match reason(status) {
            Some(reason) => error.because(reason),
            None => error,
        });
    }
    ready::wait(context, status, patience).await.map(drop)
}

async fn ended(context: &Context, status: &Status, patience: Duration) -> Result<()> {
    match tokio::time::timeout(patience, context.engine.wait(&status.id)).await {
        Ok(exit) => Ok(exit.map(drop)?),
        Err(_) => {
            let name = &status.id.name;
            let action = format!("`{name}` still runs after {} s", patience.as_secs());
            Err(Error::new(codes::STILL_RUNS, action)
                .hint(format!("wait longer with `--timeout 10m`, or end it: `wharf down {name}`")))
        }
    }
}

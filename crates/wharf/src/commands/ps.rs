//! `wharf ps`: what runs.

use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Serialize;
use tokio::time::{Instant, sleep_until};
use wharf_engine::{About, Usage};
use wharf_ops::{
    context::Context,
    error::Result,
    service::{self, Listed, Owner},
};
use wharf_spec::{
    quantity::ByteSize,
    status::{Endpoint, Exit},
    workload::WorkloadKind,
};

use super::Session;
use crate::output::{
    table::{Align, Table},
    text,
};

/// Between two looks of `-w`.
const EACH: Duration = Duration::from_secs(1);

/// Services and jobs that run
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  wharf ps\n  wharf ps -w\n  wharf ps -a --json")]
pub(crate) struct PsArgs {
    /// Also what has ended
    #[arg(short, long)]
    all: bool,
    /// Look again each second, until ^C
    #[arg(short, long)]
    watch: bool,
    /// Only one kind
    #[arg(long)]
    kind: Option<KindChoice>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum KindChoice {
    Service,
    Job,
}

#[derive(Serialize)]
struct PsDocument {
    schema: &'static str,
    items: Vec<PsItem>,
}

#[derive(Serialize)]
pub(super) struct PsItem {
    name: String,
    project: String,
    kind: &'static str,
    status: &'static str,
    mlem_status: &'static str,
    generation: u64,
    attempt: u32,
    image: String,
    /// Where its model's files are: `image` or `mount`; of models only.
    weights: Option<&'static str>,
    /// Cores.
    cpu: Option<f64>,
    /// Bytes.
    memory: Option<u64>,
    restarts: u32,
    created: Option<String>,
    started: Option<String>,
    url: Option<String>,
    endpoints: Vec<Endpoint>,
    exit: Option<Exit>,
    /// Whether the seal of its labels holds.
    sealed: bool,
    container: String,
}

pub(crate) async fn run(session: &mut Session<'_>, args: PsArgs) -> Result<u8> {
    let context = session.context().await?;
    if !args.watch {
        let lines = look(session, &context, &args).await?;
        session.console.out_lines(&lines);
        return Ok(0);
    }
    loop {
        let next = Instant::now() + EACH;
        let lines = tokio::select! {
            lines = look(session, &context, &args) => lines?,
            () = session.cancel.cancelled() => return Ok(0),
        };
        show(session, lines);
        tokio::select! {
            () = sleep_until(next) => {}
            () = session.cancel.cancelled() => return Ok(0),
        }
    }
}

/// Returns what is to be printed of one look.
async fn look(session: &Session<'_>, context: &Context, args: &PsArgs) -> Result<Vec<String>> {
    let mut listed = service::list(context, false).await?;
    listed.retain(|one| args.all || !one.word.has_ended());
    listed.retain(|one| args.kind.is_none_or(|kind| kind.is_of(one.status.kind)));
    if session.config.quiet && !session.config.json {
        return Ok(listed.iter().map(|one| one.status.id.name.to_string()).collect());
    }
    let usage = service::usage(context, &listed).await;
    let about = context.engine.about();
    if session.config.json {
        let pairs = listed.into_iter().zip(usage);
        let items = pairs.map(|(one, usage)| item(one, usage, about)).collect();
        let document = PsDocument { schema: "wharf.workloads/v1", items };
        return Ok(vec![serde_json::to_string(&document).expect("documents are plain data")]);
    }
    Ok(table(&listed, &usage, about).lines_within(session.console.columns()))
}

/// Prints a look of several: over the one before it on a terminal, in a block of its own elsewhere.
fn show(session: &Session<'_>, mut lines: Vec<String>) {
    let console = &session.console;
    if console.out_is_terminal && !session.config.json {
        console.out_screen(&lines);
        return;
    }
    if !session.config.json {
        lines.push(String::new());
    }
    console.out_lines(&lines);
}

impl KindChoice {
    fn is_of(self, kind: WorkloadKind) -> bool {
        match kind {
            WorkloadKind::Service => self == Self::Service,
            WorkloadKind::Job => self == Self::Job,
        }
    }
}

/// Returns what JSON says of a workload.
pub(super) fn item(listed: Listed, usage: Usage, about: &About) -> PsItem {
    let url = listed.url(about);
    let weights = service::weights(&listed.status);
    let Listed { status, word, owner } = listed;
    PsItem {
        name: status.id.name.to_string(),
        project: status.id.project.to_string(),
        kind: status.kind.word(),
        status: word.as_str(),
        mlem_status: word.of_mlem(),
        generation: status.id.generation,
        attempt: status.attempt,
        image: status.image,
        weights,
        cpu: usage.cpu_millis.map(|millis| millis as f64 / 1000.0),
        memory: usage.memory,
        restarts: status.restarts,
        created: status.created,
        started: status.started,
        url,
        endpoints: status.endpoints,
        exit: status.exit,
        sealed: matches!(owner, Owner::Store(_)),
        container: status.handle,
    }
}

fn table(listed: &[Listed], usage: &[Usage], about: &About) -> Table {
    let mut table = Table::new(&[
        ("NAME", Align::Left),
        ("KIND", Align::Left),
        ("STATUS", Align::Left),
        ("IMAGE", Align::Cut),
        ("CPU", Align::Right),
        ("MEMORY", Align::Right),
        ("RESTARTS", Align::Right),
        ("AGE", Align::Right),
        ("URL", Align::Left),
    ]);
    let or_dash = |told: Option<String>| told.unwrap_or_else(|| "-".to_owned());
    for (one, usage) in listed.iter().zip(usage) {
        let status = &one.status;
        // What nobody of this machine vouches for says so.
        let foreign = if matches!(one.owner, Owner::Store(_)) { "" } else { " (foreign)" };
        table.row([
            format!("{}{foreign}", status.id.name),
            status.kind.word().to_owned(),
            one.word.as_str().to_owned(),
            text::line(&status.image),
            or_dash(usage.cpu_millis.map(percent)),
            or_dash(usage.memory.map(|bytes| ByteSize(bytes).to_string())),
            status.restarts.to_string(),
            age(status.started.as_deref().or(status.created.as_deref())),
            or_dash(one.url(about)),
        ]);
    }
    table
}

/// Shows a share of one core: two cores are 200 %.
pub(super) fn percent(millis: u64) -> String {
    format!("{}.{}%", millis / 10, millis % 10)
}

pub(super) fn age(since: Option<&str>) -> String {
    let Some(since) = since.and_then(|text| text.parse::<jiff::Timestamp>().ok()) else {
        return "-".to_owned();
    };
    match jiff::Timestamp::now().duration_since(since).as_secs() {
        seconds @ ..60 => format!("{}s", seconds.max(0)),
        seconds @ 60..3600 => format!("{}m", seconds / 60),
        seconds @ 3600..172_800 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

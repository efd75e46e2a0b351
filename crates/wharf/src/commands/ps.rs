//! `wharf ps`: what runs.

use clap::Args;
use serde::Serialize;
use wharf_engine::About;
use wharf_ops::{
    error::Result,
    service::{self, Listed, Owner},
};
use wharf_spec::status::{Endpoint, Exit};

use super::Session;
use crate::output::{
    table::{Align, Table},
    text,
};

/// Services and jobs that run
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  wharf ps\n  wharf ps -a --json")]
pub(crate) struct PsArgs {
    /// Also what has ended
    #[arg(short, long)]
    all: bool,
}

#[derive(Serialize)]
struct PsDocument {
    schema: &'static str,
    items: Vec<PsItem>,
}

#[derive(Serialize)]
struct PsItem {
    name: String,
    project: String,
    kind: &'static str,
    status: &'static str,
    generation: u64,
    attempt: u32,
    image: String,
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
    let mut listed = service::list(&context, false).await?;
    listed.retain(|one| args.all || !one.word.has_ended());
    let about = context.engine.about();
    let console = &session.console;
    if session.config.json {
        let items = listed.into_iter().map(|one| item(one, about)).collect();
        console.json(&PsDocument { schema: "wharf.workloads/v1", items });
    } else if session.config.quiet {
        for one in &listed {
            console.out(one.status.id.name.as_str());
        }
    } else {
        for line in table(&listed, about).lines() {
            console.out(&line);
        }
    }
    Ok(0)
}

fn item(listed: Listed, about: &About) -> PsItem {
    let url = listed.url(about);
    let Listed { status, word, owner } = listed;
    PsItem {
        name: status.id.name.to_string(),
        project: status.id.project.to_string(),
        kind: status.kind.word(),
        status: word.as_str(),
        generation: status.id.generation,
        attempt: status.attempt,
        image: status.image,
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

fn table(listed: &[Listed], about: &About) -> Table {
    let mut table = Table::new(&[
        ("NAME", Align::Left),
        ("KIND", Align::Left),
        ("STATUS", Align::Left),
        ("IMAGE", Align::Left),
        ("RESTARTS", Align::Right),
        ("AGE", Align::Right),
        ("URL", Align::Left),
    ]);
    for one in listed {
        let status = &one.status;
        // What nobody of this machine vouches for says so.
        let foreign = if matches!(one.owner, Owner::Store(_)) { "" } else { " (foreign)" };
        table.row([
            format!("{}{foreign}", status.id.name),
            status.kind.word().to_owned(),
            one.word.as_str().to_owned(),
            text::line(&status.image),
            status.restarts.to_string(),
            age(status.started.as_deref().or(status.created.as_deref())),
            one.url(about).unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    table
}

fn age(since: Option<&str>) -> String {
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

//! `wharf status`: one service in full.

use clap::Args;
use serde::Serialize;
use wharf_engine::About;
use wharf_ops::{
    error::Result,
    service::{
        Owner,
        one::{self, Whole},
    },
    store::record::Release,
};
use wharf_spec::quantity::ByteSize;

use super::{
    Session,
    ps::{self, PsItem},
    service_name,
};
use crate::output::text;

/// One service in full: state and reason, image, ports, and its last lines where it is not well
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  wharf status iris\n  wharf status iris --json")]
pub(crate) struct StatusArgs {
    /// The name of a service
    name: String,
}

#[derive(Serialize)]
struct StatusDocument {
    schema: &'static str,
    #[serde(flatten)]
    item: PsItem,
    reason: Option<String>,
    /// Absent where no store of this machine has it on record.
    #[serde(skip_serializing_if = "Option::is_none")]
    release: Option<Release>,
    last_lines: Vec<String>,
}

pub(crate) async fn run(session: &mut Session<'_>, args: StatusArgs) -> Result<u8> {
    let name = service_name(&args.name)?;
    let context = session.context().await?;
    let whole = one::whole(&context, &name).await?;
    let about = context.engine.about();
    if session.config.json {
        session.console.json(&document(whole, about));
        return Ok(0);
    }
    if session.config.quiet {
        session.console.out(whole.listed.word.as_str());
        return Ok(0);
    }
    for (key, value) in facts(&whole, about) {
        session.console.out(&format!("{key:<13} {}", text::line(&value)));
    }
    for line in &whole.last_lines {
        session.console.out(&format!("  | {}", text::line(line)));
    }
    Ok(0)
}

fn document(whole: Whole, about: &About) -> StatusDocument {
    let Whole { listed, usage, reason, release, last_lines } = whole;
    let item = ps::item(listed, usage, about);
    StatusDocument { schema: "wharf.workload/v1", item, reason, release, last_lines }
}

fn facts(whole: &Whole, about: &About) -> Vec<(&'static str, String)> {
    let Whole { listed, usage, reason, release, .. } = whole;
    let status = &listed.status;
    let mut facts = vec![
        ("name", status.id.name.to_string()),
        ("project", status.id.project.to_string()),
        ("status", listed.word.as_str().to_owned()),
    ];
    facts.extend(reason.iter().map(|reason| ("reason", reason.clone())));
    if !matches!(listed.owner, Owner::Store(_)) {
        facts.push(("owner", "not of this machine, or its labels were changed".to_owned()));
    }
    facts.push(("image", status.image.clone()));
    if let Some(Release { model, model_hash, when, .. }) = release {
        facts.push(("source", model.clone()));
        facts.extend(model_hash.iter().map(|hash| ("model hash", hash.to_string())));
        facts.push(("deployed", when.clone()));
    }
    facts.push(("generation", status.id.generation.to_string()));
    for endpoint in &status.endpoints {
        let port =
            format!("{} on {}:{}", endpoint.container_port, endpoint.address, endpoint.host_port);
        facts.push(("port", port));
    }
    facts.extend(listed.url(about).map(|url| ("url", url)));
    facts.extend(usage.cpu_millis.map(|millis| ("cpu", ps::percent(millis))));
    facts.extend(usage.memory.map(|bytes| ("memory", ByteSize(bytes).to_string())));
    facts.push(("restarts", status.restarts.to_string()));
    facts.push(("age", ps::age(status.started.as_deref().or(status.created.as_deref()))));
    facts.push(("engine", about.version.clone()));
    facts.push(("container", status.handle.clone()));
    facts
}

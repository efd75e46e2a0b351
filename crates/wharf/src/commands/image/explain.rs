//! `wharf image explain`: what each layer of an image holds and costs, and what changed since an earlier one.

use clap::Args;
use serde::Serialize;
use wharf_ops::{
    error::{Error, Result},
    explain::{self, Change, Explained, LayerState, Opened},
};
use wharf_spec::quantity::ByteSize;

use crate::{
    commands::{
        Session,
        registry::{self, Moving, RegistryArgs},
    },
    output::{
        table::{Align, Table},
        text,
    },
};

/// So much of a layer's title is shown: base images have whole scripts there.
const SHOWN_TITLE: usize = 60;

/// What each layer of an image holds and costs, and what changed since an earlier one
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  wharf image explain localhost:5000/iris:2\n  \
                        wharf image explain localhost:5000/iris:2 --since localhost:5000/iris:1\n  \
                        wharf image explain studentapi\n  \
                        wharf image explain oci-archive:iris.tar --since engine:localhost:5000/iris:1")]
pub(crate) struct ExplainArgs {
    /// The image: `HOST/REPOSITORY:TAG`, or by its digest; a name without a host is the engine's, if it has it; or `engine:NAME`, `oci-dir:PATH`, `oci-archive:PATH`, `docker-archive:PATH`
    reference: String,
    /// An earlier image to compare it with
    #[arg(long, value_name = "REF")]
    since: Option<String>,
    #[command(flatten)]
    registry: RegistryArgs,
}

#[derive(Serialize)]
struct ExplainDocument<'a> {
    schema: &'static str,
    reference: &'a str,
    digest: String,
    size: u64,
    since: Option<&'a str>,
    layers: Vec<LayerDocument<'a>>,
    changes: Vec<ChangeDocument<'a>>,
}

#[derive(Serialize)]
struct LayerDocument<'a> {
    title: &'a str,
    digest: String,
    size: u64,
    /// `shared`, `changed` or `new`, where there is something to compare with.
    state: Option<&'static str>,
}

#[derive(Serialize)]
struct ChangeDocument<'a> {
    what: &'a str,
    before: Option<&'a str>,
    after: Option<&'a str>,
}

pub(crate) async fn run(session: &mut Session<'_>, args: ExplainArgs) -> Result<u8> {
    let moving = Moving::new(session, args.registry.access(session)?);
    let open = async |name: &String| {
        let tree = registry::open(session, name, &moving.transfer).await?;
        Ok::<_, Error>(Opened { name: name.clone(), tree })
    };
    let image = open(&args.reference).await?;
    let since = match &args.since {
        Some(since) => Some(open(since).await?),
        None => None,
    };
    let is_compared = since.is_some();
    let found = explain::explain(image, since, &session.cancel).await?;
    drop(moving);
    if session.config.json {
        session.console.json(&document(&args, &found));
        return Ok(0);
    }
    for line in table(&found).lines() {
        session.console.out(&line);
    }
    if !session.config.quiet {
        session.console.err(&summary(&found, is_compared));
        found.changes.iter().for_each(|change| session.console.err(&told(change)));
    }
    Ok(0)
}

fn document<'a>(args: &'a ExplainArgs, found: &'a Explained) -> ExplainDocument<'a> {
    let layers = found.layers.iter().map(|layer| LayerDocument {
        title: &layer.title,
        digest: layer.digest.to_string(),
        size: layer.size,
        state: layer.state.map(LayerState::word),
    });
    let changes = found.changes.iter().map(|change| ChangeDocument {
        what: &change.what,
        before: change.before.as_deref(),
        after: change.after.as_deref(),
    });
    ExplainDocument {
        schema: "wharf.image.explain/v1",
        reference: &args.reference,
        digest: found.digest.to_string(),
        size: found.size,
        since: args.since.as_deref(),
        layers: layers.collect(),
        changes: changes.collect(),
    }
}

fn table(found: &Explained) -> Table {
    let mut table = Table::new(&[
        ("LAYER", Align::Left),
        ("SIZE", Align::Right),
        ("SHARE", Align::Right),
        ("DIGEST", Align::Left),
        ("STATE", Align::Left),
    ]);
    for layer in &found.layers {
        table.row([
            short(&layer.title),
            ByteSize(layer.size).to_string(),
            share(layer.size, found.size),
            layer.digest.short(),
            layer.state.map_or("", LayerState::word).to_owned(),
        ]);
    }
    table
}

/// Returns a part of the whole in percent.
fn share(size: u64, total: u64) -> String {
    let percent = u128::from(size) * 100 / u128::from(total.max(1));
    if percent == 0 && size > 0 { "<1%".to_owned() } else { format!("{percent}%") }
}

fn short(title: &str) -> String {
    let title = text::line(title);
    if title.chars().count() <= SHOWN_TITLE {
        return title;
    }
    let kept: String = title.chars().take(SHOWN_TITLE - 1).collect();
    format!("{kept}…")
}

fn summary(found: &Explained, is_compared: bool) -> String {
    let size = ByteSize(found.size);
    if !is_compared {
        return format!("  image    {size} in {} layers", found.layers.len());
    }
    let other = found.layers.iter().filter(|layer| layer.state != Some(LayerState::Shared));
    let fetched = ByteSize(other.map(|layer| layer.size).sum());
    format!(
        "  image    {size} in {} layers; who has the earlier one fetches {fetched}",
        found.layers.len()
    )
}

fn told(Change { what, before, after }: &Change) -> String {
    let what = text::line(what);
    let value = |value: &Option<String>| value.as_deref().map(short);
    match (value(before), value(after)) {
        (Some(before), Some(after)) => format!("  changed  {what}: {before} → {after}"),
        (Some(_), None) => format!("  gone     {what}"),
        (None, after) => format!("  new      {what}: {}", after.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_never_nothing() {
        assert_eq!(share(1, 1000), "<1%");
        assert_eq!(share(500, 1000), "50%");
        assert_eq!(share(0, 0), "0%");
    }

    #[test]
    fn titles_of_others_are_shown_on_one_line() {
        assert_eq!(short("RUN a\n\u{1b}[31m"), "RUN a\\n\\u{1b}[31m");
        assert_eq!(short(&"x".repeat(100)).chars().count(), SHOWN_TITLE);
    }
}

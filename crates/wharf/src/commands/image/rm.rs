//! `wharf image rm`: an image out of a registry.

use clap::Args;
use serde::Serialize;
use wharf_ops::{
    error::Result,
    images::repository::{self, Shared},
};
use wharf_spec::reference::Reference;

use crate::commands::{
    Session,
    registry::{Moving, RegistryArgs},
};

/// Remove an image from a registry; other tags of the same image would go with it, so they need `--force`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  wharf image rm localhost:5000/iris:1\n  \
                        wharf image rm localhost:5000/iris:1 --force    # with all other tags of it")]
pub(crate) struct RmArgs {
    /// The image: `HOST/REPOSITORY:TAG`, or by its digest
    reference: String,
    /// Remove it with every tag that stands for it
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    registry: RegistryArgs,
}

#[derive(Serialize)]
struct RmDocument<'a> {
    schema: &'static str,
    reference: &'a str,
    digest: String,
    /// All that stood for it.
    tags: Vec<String>,
}

pub(crate) async fn run(session: &mut Session<'_>, args: RmArgs) -> Result<u8> {
    let reference: Reference = args.reference.parse()?;
    let access = args.registry.access(session)?;
    let shared = if args.force { Shared::RemoveAll } else { Shared::Refuse };
    let moving = Moving::new(session, access);
    let removed = repository::remove(&reference, shared, &moving.transfer).await?;
    if session.config.json {
        session.console.json(&RmDocument {
            schema: "wharf.image.rm/v1",
            reference: &args.reference,
            digest: removed.digest.to_string(),
            tags: removed.tags,
        });
        return Ok(0);
    }
    if !session.config.quiet {
        session.console.err(&format!("  removed  {}", removed.tags.join(" ")));
    }
    session.console.out(&removed.digest.to_string());
    Ok(0)
}

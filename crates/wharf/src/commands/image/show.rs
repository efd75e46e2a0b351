//! `wharf image show`: what a reference stands for.

use clap::Args;
use serde::Serialize;
use wharf_ops::{
    error::Result,
    images::repository::{self, Tagged},
};
use wharf_spec::{quantity::ByteSize, reference::Reference};

use super::ls::ImageDocument;
use crate::{
    commands::{
        Session,
        registry::{Moving, RegistryArgs},
    },
    output::{
        table::{Align, Table},
        text,
    },
};

/// Show what a reference stands for: its digest, and its images for different machines
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  wharf image show localhost:5000/iris:1\n  \
                        wharf image show localhost:5000/iris:1 --json")]
pub(crate) struct ShowArgs {
    /// The image: `HOST/REPOSITORY:TAG`, or by its digest
    reference: String,
    #[command(flatten)]
    registry: RegistryArgs,
}

#[derive(Serialize)]
struct ShowDocument<'a> {
    schema: &'static str,
    #[serde(flatten)]
    image: ImageDocument<'a>,
}

pub(crate) async fn run(session: &mut Session<'_>, args: ShowArgs) -> Result<u8> {
    let reference: Reference = args.reference.parse()?;
    let access = args.registry.access(session)?;
    let moving = Moving::new(session, access);
    let found = repository::show(&reference, &moving.transfer).await?;
    if session.config.json {
        let image = ImageDocument::from(&found);
        session.console.json(&ShowDocument { schema: "wharf.image/v1", image });
        return Ok(0);
    }
    if !session.config.quiet {
        session.console.out_lines(&table(&found).lines());
    }
    if let Some(digest) = found.digest {
        session.console.out(&digest.to_string());
    }
    Ok(0)
}

fn table(found: &Tagged) -> Table {
    let mut table = Table::new(&[
        ("PLATFORM", Align::Left),
        ("DIGEST", Align::Left),
        ("LAYERS", Align::Right),
        ("SIZE", Align::Right),
        ("CREATED", Align::Left),
    ]);
    for image in &found.images {
        table.row([
            image.platform.as_deref().map_or_else(|| "no image".to_owned(), text::line),
            image.digest.short(),
            image.layers.len().to_string(),
            ByteSize(image.size).to_string(),
            image.created.as_deref().map(text::line).unwrap_or_default(),
        ]);
    }
    table
}

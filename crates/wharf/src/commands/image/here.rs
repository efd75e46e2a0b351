//! `wharf image ls` without a registry: the images that wharf made and the engine has.

use serde::Serialize;
use wharf_engine::NamedImage;
use wharf_ops::error::Result;
use wharf_spec::quantity::ByteSize;

use super::ls;
use crate::{
    commands::Session,
    output::{table::Table, text},
};

#[derive(Serialize)]
struct HereDocument<'a> {
    schema: &'static str,
    items: Vec<ImageHere<'a>>,
}

/// An image under one of its names.
#[derive(Serialize)]
struct ImageHere<'a> {
    /// Absent where its name went over to another image.
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<&'a str>,
    /// As the engine names it.
    id: &'a str,
    platform: Option<&'a str>,
    size: u64,
    created: Option<&'a str>,
}

pub(super) async fn run(session: &Session<'_>) -> Result<u8> {
    let context = session.context().await?;
    let found = context.images()?.list().await?;
    let mut images: Vec<_> = found.iter().flat_map(names).collect();
    images.sort_by_key(|image| (image.reference.is_none(), image.reference, image.id));
    let console = &session.console;
    if session.config.json {
        console.json(&HereDocument { schema: "wharf.images.here/v1", items: images });
    } else if session.config.quiet {
        images.iter().for_each(|image| console.out(image.reference.unwrap_or(image.id)));
    } else {
        console.out_lines(&table(&images).lines());
    }
    Ok(0)
}

/// Returns the image once for each of its names.
fn names(NamedImage { names, facts }: &NamedImage) -> Vec<ImageHere<'_>> {
    let named = |reference| ImageHere {
        reference,
        id: &facts.id,
        platform: facts.platform.as_deref(),
        size: facts.size,
        created: facts.created.as_deref(),
    };
    match names.as_slice() {
        [] => vec![named(None)],
        names => names.iter().map(|name| named(Some(name.as_str()))).collect(),
    }
}

fn table(images: &[ImageHere<'_>]) -> Table {
    let mut table = ls::heads();
    for image in images {
        let id = image.id.trim_start_matches("sha256:");
        table.row([
            image.reference.map_or_else(|| "(no name)".to_owned(), text::line),
            id.get(..12).unwrap_or(id).to_owned(),
            image.platform.map(text::line).unwrap_or_default(),
            ByteSize(image.size).to_string(),
            image.created.map(text::line).unwrap_or_default(),
        ]);
    }
    table
}

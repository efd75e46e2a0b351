//! `wharf image ls`: the tags of a repository, and what they stand for; the repositories of a registry; or what is here.

use clap::Args;
use serde::Serialize;
use wharf_oci::registry::host::RegistryHost;
use wharf_ops::{
    error::Result,
    images::repository::{self, PlatformImage, Tagged},
};
use wharf_spec::{quantity::ByteSize, reference::Reference};

use super::here;
use crate::{
    commands::{
        Session,
        path::refused,
        registry::{Moving, RegistryArgs},
    },
    output::{
        table::{Align, Table},
        text,
    },
};

/// List wharf's images in the engine, those of a repository, or the repositories of a registry
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  wharf image ls\n  wharf image ls localhost:5000/iris\n  \
                        wharf image ls localhost:5000\n  \
                        wharf image ls registry.example/ml/iris --json")]
pub(crate) struct LsArgs {
    /// `HOST/REPOSITORY`, or `HOST` [default: the engine]
    place: Option<String>,
    #[command(flatten)]
    registry: RegistryArgs,
}

#[derive(Serialize)]
struct RepositoriesDocument<'a> {
    schema: &'static str,
    registry: &'a str,
    items: &'a [String],
}

#[derive(Serialize)]
struct LsDocument<'a> {
    schema: &'static str,
    items: Vec<ImageDocument<'a>>,
}

/// An image, or several for different machines.
#[derive(Serialize)]
pub(super) struct ImageDocument<'a> {
    reference: String,
    digest: Option<String>,
    platforms: Vec<PlatformDocument<'a>>,
    /// Why it cannot be looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

#[derive(Serialize)]
struct PlatformDocument<'a> {
    platform: Option<&'a str>,
    digest: String,
    size: u64,
    created: Option<&'a str>,
    layers: Vec<LayerDocument>,
}

#[derive(Serialize)]
struct LayerDocument {
    digest: String,
    size: u64,
}

impl<'a> From<&'a Tagged> for ImageDocument<'a> {
    fn from(tagged: &'a Tagged) -> Self {
        Self {
            reference: tagged.reference.to_string(),
            digest: tagged.digest.map(|digest| digest.to_string()),
            platforms: tagged.images.iter().map(PlatformDocument::from).collect(),
            error: tagged.trouble.as_deref(),
        }
    }
}

impl<'a> From<&'a PlatformImage> for PlatformDocument<'a> {
    fn from(image: &'a PlatformImage) -> Self {
        let layers = image.layers.iter();
        Self {
            platform: image.platform.as_deref(),
            digest: image.digest.to_string(),
            size: image.size,
            created: image.created.as_deref(),
            layers: layers
                .map(|(digest, size)| LayerDocument { digest: digest.to_string(), size: *size })
                .collect(),
        }
    }
}

pub(crate) async fn run(session: &mut Session<'_>, args: LsArgs) -> Result<u8> {
    let Some(place) = &args.place else {
        return match args.registry.given() {
            Some(flag) => Err(refused(flag, "the engine is asked, and no registry")),
            None => here::run(session).await,
        };
    };
    let moving = Moving::new(session, args.registry.access(session)?);
    if let Ok(host) = place.parse::<RegistryHost>() {
        let found = repository::repositories(&host, &moving.transfer).await?;
        drop(moving);
        tell_repositories(session, &host, &found);
        return Ok(0);
    }
    let name: Reference = place.parse()?;
    let found = repository::list(&name, &moving.transfer).await?;
    drop(moving);
    if session.config.json {
        let items = found.iter().map(ImageDocument::from).collect();
        session.console.json(&LsDocument { schema: "wharf.images/v1", items });
        return Ok(0);
    }
    if session.config.quiet {
        found.iter().for_each(|tagged| session.console.out(&tagged.reference.to_string()));
        return Ok(0);
    }
    session.console.out_lines(&table(&found).lines());
    Ok(0)
}

fn tell_repositories(session: &Session<'_>, host: &RegistryHost, found: &[String]) {
    if session.config.json {
        let (schema, registry) = ("wharf.repositories/v1", host.as_str());
        session.console.json(&RepositoriesDocument { schema, registry, items: found });
    } else {
        session.console.out_lines(found);
    }
}

/// Returns the table of images, here or in a registry, without rows.
pub(super) fn heads() -> Table {
    Table::new(&[
        ("REFERENCE", Align::Left),
        ("DIGEST", Align::Left),
        ("PLATFORM", Align::Left),
        ("SIZE", Align::Right),
        ("CREATED", Align::Left),
    ])
}

fn table(found: &[Tagged]) -> Table {
    let mut table = heads();
    for tagged in found {
        let digest = tagged.digest.map(|digest| digest.short()).unwrap_or_default();
        let images = || tagged.images.iter().filter(|image| image.platform.is_some());
        let platforms: Vec<_> =
            images().filter_map(|image| image.platform.as_deref()).map(text::line).collect();
        let created = images().filter_map(|image| image.created.as_deref()).max();
        let platforms = match &tagged.trouble {
            Some(trouble) => text::line(trouble),
            None if platforms.is_empty() => "no image".to_owned(),
            None => platforms.join(","),
        };
        table.row([
            tagged.reference.to_string(),
            digest,
            platforms,
            ByteSize(images().map(|image| image.size).max().unwrap_or(0)).to_string(),
            created.map(text::line).unwrap_or_default(),
        ]);
    }
    table
}

//! `wharf image copy`: an image from one registry into another one, digest for digest.

use std::time::Instant;

use clap::Args;
use serde::Serialize;
use wharf_oci::store::Which;
use wharf_ops::{build::Existing, error::Result, images::source::Source, push::Supply};
use wharf_spec::{quantity::ByteSize, reference::Reference};

use crate::{
    commands::{
        Session,
        registry::{self, Moving, RegistryArgs, Sending},
    },
    output::report::seconds,
};

/// Copy an image into a registry, with all its platforms and the same digest; nothing is kept on this machine
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  wharf image copy localhost:5000/iris:1 registry.example/ml/iris:1\n  \
                        wharf image copy oci-dir:iris localhost:5000/iris:1\n  \
                        wharf image copy python:3.11-slim localhost:5000/python:3.11 --platform linux/amd64"
)]
pub(crate) struct CopyArgs {
    /// The image: `HOST/REPOSITORY:TAG`, or by its digest; or `oci-dir:PATH`, `oci-archive:PATH`, `docker-archive:PATH`
    source: String,
    /// Where to: `HOST/REPOSITORY:TAG`
    to: String,
    /// Only the image of one machine: `linux/arm64`
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    #[command(flatten)]
    registry: RegistryArgs,
}

#[derive(Serialize)]
struct CopyDocument<'a> {
    schema: &'static str,
    source: &'a str,
    reference: String,
    digest: String,
    changed: bool,
    size: u64,
    sent: u64,
    duration_ms: u64,
}

pub(crate) async fn run(session: &mut Session<'_>, args: CopyArgs) -> Result<u8> {
    let start = Instant::now();
    let source = args.source.parse::<Source>()?.below(&session.config.folder);
    let to: Reference = args.to.parse()?;
    let which = registry::which(args.platform.as_deref())?.unwrap_or(Which::All);
    let access = args.registry.access(session)?;
    let moving = Moving::new(session, access.clone());
    let tree = source.open(None, &which, &moving.transfer).await?;
    drop(moving);
    let sending = Sending {
        access,
        mount_from: Vec::new(),
        existing: Existing::Replace,
        supply: Supply::default(),
    };
    let pushed = registry::send(session, tree, &to, sending).await?;
    let took = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    if session.config.json {
        session.console.json(&CopyDocument {
            schema: "wharf.image.copy/v1",
            source: &args.source,
            reference: to.to_string(),
            digest: pushed.digest.to_string(),
            changed: !pushed.unchanged,
            size: pushed.size,
            sent: pushed.sent,
            duration_ms: took,
        });
        return Ok(0);
    }
    if !session.config.quiet {
        let (sent, size, took) = (ByteSize(pushed.sent), ByteSize(pushed.size), seconds(took));
        session.console.err(&match pushed.unchanged {
            true => format!("  copied   nothing to send: the registry has this image  {took}"),
            false => format!("  copied   {sent} sent, of an image of {size}  {took}"),
        });
    }
    session.console.out(&format!("{to}@{}", pushed.digest));
    Ok(0)
}

//! `wharf push`: a model's image into a registry, without an engine.

use std::{path::PathBuf, time::Instant};

use clap::Args;
use serde::Serialize;
use wharf_oci::store::Which;
use wharf_ops::{
    build::{self, Assembled, Existing, recipe::Recipe},
    error::{Error, Result},
    images::source::Source,
    push::{Pushed, Supply},
};
use wharf_spec::{codes, quantity::ByteSize, reference::Reference};

use super::{
    Session,
    key::SupplyArgs,
    model_events,
    registry::{self, Moving, RegistryArgs, Sending},
};
use crate::output::report::seconds;

/// Push a model's image, or one that a file holds, to a registry, without an engine; what is there is not sent
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  wharf push examples/iris --to localhost:5000/iris:1\n  \
                        wharf push model.onnx --to registry.example/ml/churn:2 --mount-from ml/other\n  \
                        wharf push docker-archive:iris.tar --to localhost:5000/iris:1")]
pub(crate) struct PushArgs {
    /// A model's file, or a folder with one; or `oci-dir:PATH`, `oci-archive:PATH`, `docker-archive:PATH`
    target: PathBuf,
    /// Where to: `HOST/REPOSITORY:TAG`
    #[arg(long, value_name = "REF")]
    to: String,
    /// A repository of the same registry whose layers may be taken over
    #[arg(long, value_name = "REPOSITORY")]
    mount_from: Vec<String>,
    /// Which image of a file or folder that holds several
    #[arg(long, value_name = "NAME")]
    image: Option<String>,
    /// Read all files again for their digests, also those that did not change
    #[arg(long)]
    rehash: bool,
    #[command(flatten)]
    supply: SupplyArgs,
    #[command(flatten)]
    registry: RegistryArgs,
}

#[derive(Serialize)]
struct PushDocument<'a> {
    schema: &'static str,
    reference: String,
    digest: String,
    changed: bool,
    size: u64,
    sent: u64,
    /// SBOM, provenance and signatures that were attached now.
    attached: usize,
    /// Absent for an image that was not made from a model.
    #[serde(skip_serializing_if = "Option::is_none")]
    hashed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_hash: Option<&'a str>,
    duration_ms: u64,
}

pub(crate) async fn run(session: &mut Session<'_>, args: PushArgs) -> Result<u8> {
    let start = Instant::now();
    let to: Reference = args.to.parse()?;
    if args.rehash {
        session.config.rehash();
    }
    let target = args.target.display().to_string();
    if Source::is_path(&target) {
        return of_path(session, &target, &to, args).await;
    }
    refuse_image(session, &args)?;
    if args.image.is_some() {
        let action = "`--image` chooses among the images of a file or folder of images";
        return Err(Error::new(codes::FLAGS, action).hint("leave it out for a model"));
    }
    let model = session.recognise_for_image(&args.target).await?;
    let reporter = session.reporter();
    for event in model_events(&model) {
        reporter.report(event);
    }
    let access = args.registry.access(session)?;
    let supplies = session.supplies(&model, access.clone())?;
    let (helpers, recipe) = (&session.config.helpers, Recipe::default());
    let Assembled { image, bill } =
        build::assemble(helpers, &model, &recipe, supplies.as_ref()).await?;
    let sending = Sending {
        access,
        mount_from: args.mount_from,
        existing: Existing::Replace,
        supply: args.supply.read(session, bill).await?,
    };
    let pushed = registry::send(session, &image, &to, sending).await?;
    let hashed = session.hashed();
    let took = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    let hash = model.card.hash().to_string();
    tell(session, &to, &pushed, Some(ModelFacts { hash: &hash, hashed }), took);
    Ok(0)
}

/// Pushes an image that a file or folder holds, byte for byte, with all its platforms.
async fn of_path(
    session: &mut Session<'_>,
    target: &str,
    to: &Reference,
    args: PushArgs,
) -> Result<u8> {
    let start = Instant::now();
    let source = target.parse::<Source>()?.below(&session.config.folder);
    let access = args.registry.access(session)?;
    let supply = Supply { bill: None, key: args.supply.key(session).await? };
    let moving = Moving::new(session, access.clone());
    let tree = source.open(args.image.as_deref(), &Which::All, &moving.transfer).await?;
    drop(moving);
    let sending =
        Sending { access, mount_from: args.mount_from, existing: Existing::Replace, supply };
    let pushed = registry::send(session, tree, to, sending).await?;
    let took = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    tell(session, to, &pushed, None, took);
    Ok(0)
}

fn tell(
    session: &Session<'_>,
    to: &Reference,
    pushed: &Pushed,
    model: Option<ModelFacts<'_>>,
    took: u64,
) {
    if session.config.json {
        session.console.json(&document(to, pushed, model, took));
        return;
    }
    if !session.config.quiet {
        session.console.err(&summary(pushed, took));
    }
    session.console.out(&format!("{to}@{}", pushed.digest));
}

/// What is known of an image that was made from a model.
struct ModelFacts<'a> {
    hash: &'a str,
    hashed: u64,
}

/// Refuses images that are in an engine, which do not lie anywhere as files.
fn refuse_image(session: &Session<'_>, args: &PushArgs) -> Result<()> {
    let text = args.target.display().to_string();
    let is_image = text.contains(':') && text.parse::<Reference>().is_ok();
    if !is_image || session.config.folder.join(&args.target).exists() {
        return Ok(());
    }
    let action = format!("`{text}` is an image, and wharf pushes models: a file, or a folder");
    Err(Error::new(codes::NEEDS_ENGINE, action).hint(format!(
        "name the model, or push the image with its engine: `docker tag {text} {to}`, `docker push {to}`",
        to = args.to
    )))
}

fn document<'a>(
    to: &Reference,
    pushed: &Pushed,
    model: Option<ModelFacts<'a>>,
    duration_ms: u64,
) -> PushDocument<'a> {
    PushDocument {
        schema: "wharf.push/v1",
        reference: to.to_string(),
        digest: pushed.digest.to_string(),
        changed: !pushed.unchanged,
        size: pushed.size,
        sent: pushed.sent,
        attached: pushed.attached,
        hashed: model.as_ref().map(|model| model.hashed),
        model_hash: model.map(|model| model.hash),
        duration_ms,
    }
}

fn summary(pushed: &Pushed, took: u64) -> String {
    let took = seconds(took);
    if pushed.unchanged {
        return format!("  pushed   nothing to send: the registry has this image  {took}");
    }
    let (sent, size) = (ByteSize(pushed.sent), ByteSize(pushed.size));
    format!("  pushed   {sent} sent, of an image of {size}  {took}")
}

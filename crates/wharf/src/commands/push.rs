//! `wharf push`: an image into a registry: a model's, or one of a file, without an engine; or one that the engine has.

use std::{path::PathBuf, time::Instant};

use clap::Args;
use serde::Serialize;
use wharf_engine::connect::EngineChoice;
use wharf_oci::{store::Which, tree::Tree};
use wharf_ops::{
    build::{self, Assembled, Existing, recipe::Recipe, weights::Weights},
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

/// Push a model's image, one that a file holds, or one of the engine to a registry; what is there is not sent
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  wharf push examples/iris --to localhost:5000/iris:1\n  \
                        wharf push model.onnx --to registry.example/ml/churn:2 --mount-from ml/other\n  \
                        wharf push docker-archive:iris.tar --to localhost:5000/iris:1\n  \
                        wharf push studentapi:latest --to registry.example/ml/studentapi:1")]
pub(crate) struct PushArgs {
    /// A model's file, or a folder with one; an image of the engine; or `oci-dir:PATH`, `oci-archive:PATH`, `docker-archive:PATH`
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
    if let Some(tree) = opened(session, &args).await? {
        return as_it_is(session, tree, &to, args, start).await;
    }
    refuse_bare_archive(session, &args)?;
    let model = session.recognise_for_image(&args.target, Weights::Image).await?;
    let reporter = session.reporter();
    for event in model_events(&model) {
        reporter.report(event);
    }
    let access = args.registry.access(session)?;
    let engine = session.engine_at(None, EngineChoice::Auto).ok();
    let supplies = session.supplies(&model, access.clone(), engine)?;
    let recipe = Recipe::default().created_at(session.config.created()?);
    let helpers = &session.config.helpers;
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

/// Opens what is pushed as it is: an image that a file or folder holds, with all its platforms, or one of the engine.
async fn opened(session: &Session<'_>, args: &PushArgs) -> Result<Option<Tree>> {
    let target = args.target.display().to_string();
    if Source::is_path(&target) {
        let source = target.parse::<Source>()?.below(&session.config.folder);
        let moving = Moving::new(session, args.registry.access(session)?);
        return source.open(args.image.as_deref(), &Which::All, &moving.transfer).await.map(Some);
    }
    if args.image.is_some() {
        let action = "`--image` chooses among the images of a file or folder of images";
        return Err(Error::new(codes::FLAGS, action).hint("leave it out for anything else"));
    }
    match image_of_engine(session, &target).await {
        Some(image) => Ok(Some(registry::take(session, &image).await?.into())),
        None => Ok(None),
    }
}

/// Returns the image that a word means where no such path is: one with a tag, or a name that the engine knows.
async fn image_of_engine(session: &Session<'_>, target: &str) -> Option<Reference> {
    if target.starts_with(['.', '/']) || session.config.folder.join(target).exists() {
        return None;
    }
    let reference: Reference = target.parse().ok()?;
    let is_known = async || session.engine_store().ok()?.has(&reference).await.ok();
    let is_image = target.contains(':') || is_known().await.unwrap_or(false);
    is_image.then_some(reference)
}

/// Pushes an image that was not made for it.
async fn as_it_is(
    session: &Session<'_>,
    image: Tree,
    to: &Reference,
    args: PushArgs,
    start: Instant,
) -> Result<u8> {
    let sending = Sending {
        access: args.registry.access(session)?,
        mount_from: args.mount_from,
        existing: Existing::Replace,
        supply: Supply { bill: None, key: args.supply.key(session).await? },
    };
    let pushed = registry::send(session, image, to, sending).await?;
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

/// Refuses a file or folder that holds an image and is named without its form, as a model is.
fn refuse_bare_archive(session: &Session<'_>, args: &PushArgs) -> Result<()> {
    let (target, to) = (args.target.display(), &args.to);
    let path = session.config.folder.join(&args.target);
    let forms: &[&str] = match () {
        () if path.join("oci-layout").is_file() => &["oci-dir"],
        () if path.extension().is_some_and(|end| end == "tar") => {
            &["docker-archive", "oci-archive"]
        }
        () => return Ok(()),
    };
    let action = format!("`{target}` is no model, and an image in it is named with its form");
    let error = Error::new(codes::FLAGS, action);
    Err(forms
        .iter()
        .fold(error, |error, form| error.hint(format!("`wharf push {form}:{target} --to {to}`"))))
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

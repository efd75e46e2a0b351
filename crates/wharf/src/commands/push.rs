//! `wharf push`: a model's image into a registry, without an engine.

use std::{path::PathBuf, time::Instant};

use clap::Args;
use serde::Serialize;
use wharf_ops::{
    build::{self, Existing, recipe::Recipe},
    error::{Error, Result},
    push::Pushed,
};
use wharf_spec::{codes, quantity::ByteSize, reference::Reference};

use super::{
    Session, model_events,
    registry::{self, RegistryArgs, Sending},
};
use crate::output::report::seconds;

/// Assemble a model's image and push it to a registry, without an engine; what is there is not sent
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  wharf push examples/iris --to localhost:5000/iris:1\n  \
                        wharf push model.onnx --to registry.example/ml/churn:2 --mount-from ml/other")]
pub(crate) struct PushArgs {
    /// A model's file, or a folder with one
    target: PathBuf,
    /// Where to: `HOST/REPOSITORY:TAG`
    #[arg(long, value_name = "REF")]
    to: String,
    /// A repository of the same registry whose layers may be taken over
    #[arg(long, value_name = "REPOSITORY")]
    mount_from: Vec<String>,
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
    model_hash: &'a str,
    duration_ms: u64,
}

pub(crate) async fn run(session: &mut Session<'_>, args: PushArgs) -> Result<u8> {
    let start = Instant::now();
    let to: Reference = args.to.parse()?;
    refuse_image(session, &args)?;
    let model = session.recognise(&args.target).await?;
    let reporter = session.reporter();
    for event in model_events(&model) {
        reporter.report(event);
    }
    let sending = Sending {
        access: args.registry.access(session)?,
        mount_from: args.mount_from,
        existing: Existing::Replace,
    };
    let image = build::assemble(&session.config.helpers, &model, &Recipe::default()).await?;
    let pushed = registry::send(session, image, &to, sending).await?;
    let took = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    if session.config.json {
        let model_hash = model.card.hash().to_string();
        session.console.json(&document(&to, &pushed, &model_hash, took));
        return Ok(0);
    }
    if !session.config.quiet {
        session.console.err(&summary(&pushed, took));
    }
    session.console.out(&format!("{to}@{}", pushed.digest));
    Ok(0)
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
    model_hash: &'a str,
    duration_ms: u64,
) -> PushDocument<'a> {
    PushDocument {
        schema: "wharf.push/v1",
        reference: to.to_string(),
        digest: pushed.digest.to_string(),
        changed: !pushed.unchanged,
        size: pushed.size,
        sent: pushed.sent,
        model_hash,
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

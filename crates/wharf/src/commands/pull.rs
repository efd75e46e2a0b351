//! `wharf pull`: an image out of a registry, into the engine or a file.

use std::time::Instant;

use clap::Args;
use serde::Serialize;
use wharf_engine::connect::EngineChoice;
use wharf_oci::{manifest::Platform, store::Which};
use wharf_ops::{
    build::output::{Output, Taken},
    error::{Error, Result},
    images::pull::{self, PullRequest, Pulled},
};
use wharf_spec::{codes, quantity::ByteSize, reference::Reference};

use super::{
    Session,
    registry::{self, Moving, RegistryArgs},
};
use crate::output::{report::seconds, text};

/// Fetch an image from a registry into the engine, or into a file or folder without one
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  wharf pull localhost:5000/iris:1\n  \
                        wharf pull localhost:5000/iris:1 --to oci-archive:iris.tar\n  \
                        wharf pull registry.example/ml/iris:1 --platform linux/arm64 --to oci-dir:iris")]
pub(crate) struct PullArgs {
    /// The image: `HOST/REPOSITORY:TAG`, or by its digest
    reference: String,
    /// Where to: `engine`, `oci-dir:PATH`, `oci-archive:PATH` or `docker-archive:PATH`
    #[arg(long, value_name = "OUT", default_value = "engine")]
    to: String,
    /// Which machine's image: `linux/arm64` [default: this machine's]
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    /// Replace what is at the path, whatever it is
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    registry: RegistryArgs,
}

#[derive(Serialize)]
struct PullDocument<'a> {
    schema: &'static str,
    reference: &'a str,
    /// What the image is called now.
    name: String,
    to: String,
    digest: String,
    platform: &'a str,
    changed: bool,
    size: u64,
    duration_ms: u64,
}

pub(crate) async fn run(session: &mut Session<'_>, args: PullArgs) -> Result<u8> {
    let start = Instant::now();
    let reference: Reference = args.reference.parse()?;
    let name = pull::local_name(&reference)?;
    let output: Output =
        args.to.parse().map_err(|error| Error::new(codes::FLAGS, format!("{error}")))?;
    let output = output.below(&session.config.folder);
    let this_machine = || Which::For(Platform::of_this_machine());
    let which = registry::which(args.platform.as_deref())?.unwrap_or_else(this_machine);
    let access = args.registry.access(session)?;
    let context = match output {
        Output::Engine => Some(session.context_at(None, EngineChoice::Auto).await?),
        _ => None,
    };
    let moving = Moving::new(session, access);
    let request = PullRequest { reference: &reference, which: &which, name: &name };
    let pulled = match &context {
        Some(context) => pull::into_engine(context, &request, &moving.transfer).await?,
        None => {
            let taken = taken(&args, session);
            pull::into_path(&output, &taken, &request, &moving.transfer).await?
        }
    };
    drop(moving);
    let took = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    if session.config.json {
        session.console.json(&PullDocument {
            schema: "wharf.pull/v1",
            reference: &args.reference,
            name: name.to_string(),
            to: output.to_string(),
            digest: pulled.digest.to_string(),
            platform: &pulled.platform,
            changed: !pulled.unchanged,
            size: pulled.size,
            duration_ms: took,
        });
        return Ok(0);
    }
    if !session.config.quiet {
        session.console.err(&summary(&pulled, took));
    }
    session.console.out(&match output {
        Output::Engine => name.to_string(),
        _ => args.to,
    });
    Ok(0)
}

/// What may be replaced: never the folder that the user is in.
fn taken(args: &PullArgs, session: &Session<'_>) -> Taken {
    match args.force {
        true => Taken::Replace { except: vec![session.config.folder.clone()] },
        false => Taken::Refuse,
    }
}

fn summary(pulled: &Pulled, took: u64) -> String {
    let (size, took) = (ByteSize(pulled.size), seconds(took));
    let (digest, platform) = (pulled.digest.short(), text::line(&pulled.platform));
    if pulled.unchanged {
        return format!("  pulled   nothing to fetch: the engine has this image  {digest}  {took}");
    }
    format!("  pulled   {size}  {platform}  {digest}  {took}")
}

//! `wharf image tag`: another tag for an image of a registry.

use clap::Args;
use serde::Serialize;
use wharf_ops::{
    error::{Error, Result},
    images::repository,
};
use wharf_spec::{codes, reference::Reference};

use crate::commands::{
    Session,
    registry::{Moving, RegistryArgs},
};

/// Give an image of a registry another tag in its repository; nothing is sent but the tag
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  wharf image tag localhost:5000/iris:1 stable\n  \
                        wharf image copy localhost:5000/iris:1 localhost:5000/other:1    # another repository")]
pub(crate) struct TagArgs {
    /// The image: `HOST/REPOSITORY:TAG`, or by its digest
    reference: String,
    /// The tag that it gets
    tag: String,
    #[command(flatten)]
    registry: RegistryArgs,
}

#[derive(Serialize)]
struct TagDocument<'a> {
    schema: &'static str,
    reference: &'a str,
    tag: &'a str,
    digest: String,
}

pub(crate) async fn run(session: &mut Session<'_>, args: TagArgs) -> Result<u8> {
    let reference: Reference = args.reference.parse()?;
    Reference::local("x", &args.tag).map_err(|_| {
        Error::new(codes::FLAGS, format!("`{}` is not a tag", args.tag))
            .hint("a tag is a word: `stable`; `wharf image copy` goes to another repository")
    })?;
    let access = args.registry.access(session)?;
    let moving = Moving::new(session, access);
    let digest = repository::tag(&reference, &args.tag, &moving.transfer).await?.to_string();
    if session.config.json {
        let (reference, tag) = (args.reference.as_str(), args.tag.as_str());
        session.console.json(&TagDocument { schema: "wharf.image.tag/v1", reference, tag, digest });
        return Ok(0);
    }
    session.console.out(&digest);
    Ok(0)
}

//! `wharf image tag`: another tag for an image of a registry.

use clap::Args;
use serde::Serialize;
use wharf_oci::registry::host::RegistryHost;
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
    /// The tag that it gets: `stable`, or in full: `HOST/REPOSITORY:stable`
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
    let tag = tag(&reference, &args.tag)?;
    let access = args.registry.access(session)?;
    let moving = Moving::new(session, access);
    let digest = repository::tag(&reference, &tag, &moving.transfer).await?.to_string();
    if session.config.json {
        let (reference, tag) = (args.reference.as_str(), tag.as_str());
        session.console.json(&TagDocument { schema: "wharf.image.tag/v1", reference, tag, digest });
        return Ok(0);
    }
    session.console.out(&digest);
    Ok(0)
}

/// Returns the tag that a word means: itself, or that of a name in the same repository.
fn tag(reference: &Reference, word: &str) -> Result<String> {
    if Reference::local("x", word).is_ok_and(|named| named.tag() == Some(word)) {
        return Ok(word.to_owned());
    }
    let place =
        |name: &Reference| (RegistryHost::of(name), RegistryHost::of(name).repository(name));
    let named = word.parse::<Reference>().ok().filter(|name| name.digest().is_none());
    match named {
        Some(name) if place(&name) == place(reference) => {
            Ok(name.tag().unwrap_or_default().to_owned())
        }
        Some(_) => Err(Error::new(
            codes::FLAGS,
            format!("`{word}` is in another repository than `{reference}`"),
        )
        .hint(format!("copy the image there: `wharf image copy {reference} {word}`"))),
        None => Err(Error::new(codes::FLAGS, format!("`{word}` is not a tag"))
            .hint("a tag is a word: `stable`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_a_word_or_a_name_in_the_same_repository() {
        let of = |image: &str, word: &str| tag(&image.parse().unwrap(), word);
        assert_eq!(of("localhost:5000/ml/iris:1", "stable").unwrap(), "stable");
        assert_eq!(of("localhost:5000/ml/iris:1", "localhost:5000/ml/iris:2").unwrap(), "2");
        assert_eq!(of("python:3.11", "docker.io/library/python:x").unwrap(), "x");
        let said = |image, word| of(image, word).unwrap_err().to_string();
        assert!(said("localhost:5000/iris:1", "localhost:5000/x:2").contains("another repository"));
        assert!(said("localhost:5000/iris:1", "a b").contains("is not a tag"));
    }
}

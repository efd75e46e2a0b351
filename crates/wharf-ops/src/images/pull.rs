//! An image out of a registry: into the engine, or into a file or folder.

use wharf_engine::ImageFacts;
use wharf_oci::{archive, error::OciError, image::Image, layout, store::Which};
use wharf_spec::{codes, digest::Digest, reference::Reference};

use super::{Direction, Transfer, observer, source::Source};
use crate::{
    build::{
        native,
        output::{self, Output, Taken},
    },
    context::Context,
    error::{Error, Result},
};

/// An image that was pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// Of its manifest.
    pub digest: Digest,
    pub platform: String,
    /// Bytes of its layers, as they are stored.
    pub size: u64,
    /// What the engine says of it.
    pub engine: Option<ImageFacts>,
    /// It was there already.
    pub unchanged: bool,
}

/// What is pulled.
#[derive(Debug, Clone)]
pub struct PullRequest<'a> {
    pub reference: &'a Reference,
    pub which: &'a Which,
    /// What the image is called afterwards.
    pub name: &'a Reference,
}

/// Pulls an image into the engine.
///
/// # Errors
/// When it is not there, cannot be used, or the engine refuses it.
pub async fn into_engine(
    context: &Context,
    request: &PullRequest<'_>,
    transfer: &Transfer,
) -> Result<Pulled> {
    let image = read(request, transfer).await?;
    let pulled = pulled(&image);
    let found = context.images()?.find(&request.name.to_string()).await?;
    // Engines name images by one digest or the other: the same one is the same image.
    let is_same = |facts: &ImageFacts| {
        [image.config_digest(), pulled.digest].iter().any(|own| own.to_string() == facts.id)
    };
    if let Some(facts) = found.filter(is_same) {
        return Ok(Pulled { engine: Some(facts), unchanged: true, ..pulled });
    }
    let observer = observer(&transfer.reporter, pulled.size, Direction::Pull);
    let loading = native::load(context, &image.watched(&observer), request.name).await;
    let loaded = loading.map_err(|error| named(request.reference, error));
    if transfer.cancel.is_cancelled() {
        context.check_cancelled()?;
    }
    Ok(Pulled { engine: Some(loaded?.facts), ..pulled })
}

/// Pulls an image into a file or folder, which appears whole or not at all.
///
/// # Errors
/// When it is not there, cannot be used, or the path holds something else.
pub async fn into_path(
    output: &Output,
    taken: &Taken,
    request: &PullRequest<'_>,
    transfer: &Transfer,
) -> Result<Pulled> {
    let path = match output {
        Output::OciDir(path) => path,
        Output::OciArchive(path) | Output::DockerArchive(path) => path,
        Output::Engine | Output::Context(_) => {
            let action = format!("`--to {output}` is no place for an image that is pulled");
            return Err(Error::new(codes::FLAGS, action)
                .hint("name `oci-dir:PATH`, `oci-archive:PATH` or `docker-archive:PATH`"));
        }
    };
    match output {
        Output::OciDir(_) => output::check_folder(path, taken)?,
        _ => output::check_file(path, taken)?,
    }
    let image = read(request, transfer).await?;
    let pulled = pulled(&image);
    let observer = observer(&transfer.reporter, pulled.size, Direction::Pull);
    let (image, output, path) = (image.watched(&observer), output.clone(), path.clone());
    let (names, reference) = (vec![request.name.clone()], request.reference.clone());
    let writing = tokio::task::spawn_blocking(move || {
        let failed = |error: OciError| named(&reference, native::assembling(error));
        match output {
            Output::OciDir(_) => output::replace_folder(&path, |folder| {
                layout::write_folder(&image, &names, folder).map_err(failed)
            }),
            Output::DockerArchive(_) => output::replace_file(&path, |writer| {
                archive::write(&image, &names, writer).map_err(failed)
            }),
            _ => output::replace_file(&path, |writer| {
                layout::write_archive(&image, &names, writer).map_err(failed)
            }),
        }
    });
    let writing = async { writing.await.expect("writing an image does not panic") };
    transfer.unless_cancelled(writing).await?;
    Ok(pulled)
}

async fn read(request: &PullRequest<'_>, transfer: &Transfer) -> Result<Image> {
    Source::Registry(request.reference.clone()).image(request.which, transfer).await
}

fn pulled(image: &Image) -> Pulled {
    Pulled {
        digest: layout::manifest_digest(image),
        platform: image.platform().map(|platform| platform.to_string()).unwrap_or_default(),
        size: image.size(),
        engine: None,
        unchanged: false,
    }
}

/// Says which image could not be had.
fn named(reference: &Reference, error: Error) -> Error {
    Error::wrap(format!("could not pull `{reference}`"), error)
}

/// Returns what an image is called in an engine. Engines know no names by a digest alone: its beginning is the tag.
///
/// # Errors
/// Never, for a reference that was parsed.
pub fn local_name(reference: &Reference) -> Result<Reference> {
    let host = reference.host().map(|host| format!("{host}/")).unwrap_or_default();
    let tag = match (reference.tag(), reference.digest()) {
        (Some(tag), _) => tag.to_owned(),
        (None, digest) => digest.map(|digest| digest.hex()[..12].to_owned()).unwrap_or_default(),
    };
    Ok(format!("{host}{}:{tag}", reference.path()).parse()?)
}

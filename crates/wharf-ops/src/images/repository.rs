//! What a repository of a registry holds: its tags, what they stand for, and their end.

use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use wharf_oci::{
    attachment,
    descriptor::digest_of,
    error::OciError,
    image::Image,
    manifest::Content,
    registry::{ManifestName, Registry, error::RegistryError, host::RegistryHost},
    store::{Store, Which},
    tree::Tree,
};
use wharf_spec::{codes, digest::Digest, error::Explain as _, reference::Reference};

use super::{At, Transfer};
use crate::{
    error::{Error, Result},
    supply::signature::named,
};

/// How many tags are asked for at once.
const PARALLEL: usize = 8;

/// What a tag stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tagged {
    pub reference: Reference,
    pub digest: Option<Digest>,
    pub images: Vec<PlatformImage>,
    /// Why it cannot be looked at.
    pub trouble: Option<String>,
}

/// An image for a platform; what is no image that can run has no platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformImage {
    pub digest: Digest,
    pub platform: Option<String>,
    /// Bytes of its layers, as they are stored.
    pub size: u64,
    pub created: Option<String>,
    pub layers: Vec<(Digest, u64)>,
}

/// Lists a repository, tag by tag, but for what goes with its images: signatures and bills.
///
/// # Errors
/// When the registry does not know it, refuses, or gives something that cannot be used.
pub async fn list(repository: &Reference, transfer: &Transfer) -> Result<Vec<Tagged>> {
    let failed =
        |error: RegistryError| Error::wrap(format!("could not list `{}`", name(repository)), error);
    let listing = async {
        let at = At::find(repository, &transfer.access).await.map_err(failed)?;
        let tags = at.registry.tags(&at.repository).await.map_err(failed)?;
        let of_images = tags.into_iter().filter(|tag| !attachment::is_attached_tag(tag));
        let looks = of_images.map(|tag| {
            let at = at.clone();
            async move {
                let reference: Reference = format!("{}:{tag}", name(repository)).parse()?;
                match look(&at, &reference).await {
                    // One image that cannot be used does not hide the others.
                    Err(error) if error.code() == codes::IMAGE_UNUSABLE => {
                        let name = ManifestName::Tag(&tag);
                        let digest = at.registry.find(&at.repository, &name).await;
                        let digest = digest.map_err(failed)?;
                        let trouble = Some(reason(&error));
                        Ok(Tagged { reference, digest, images: Vec::new(), trouble })
                    }
                    looked => looked,
                }
            }
            .boxed()
        });
        let looks: Vec<_> = looks.collect();
        stream::iter(looks).buffered(PARALLEL).try_collect().await
    };
    transfer.unless_cancelled(listing).await
}

/// Lists the repositories of a registry, under the names that [`list`] takes.
///
/// # Errors
/// When the registry has no such list, refuses, or gives something that cannot be used.
pub async fn repositories(host: &RegistryHost, transfer: &Transfer) -> Result<Vec<String>> {
    let failed = |error: RegistryError| {
        Error::wrap(format!("could not list the repositories of `{host}`"), error)
            .hint(format!("name one: `wharf image ls {host}/REPOSITORY`"))
    };
    let listing = async {
        let connecting = Registry::connect(host.clone(), "", &transfer.access);
        let registry = connecting.await.map_err(failed)?;
        let names = registry.repositories().await.map_err(failed)?;
        Ok(names.into_iter().map(|name| format!("{host}/{name}")).collect())
    };
    transfer.unless_cancelled(listing).await
}

/// Looks at one image.
///
/// # Errors
/// When the registry does not know it, refuses, or gives something that cannot be used.
pub async fn show(reference: &Reference, transfer: &Transfer) -> Result<Tagged> {
    let failed =
        |error: RegistryError| Error::wrap(format!("could not look at `{reference}`"), error);
    let showing = async {
        let at = At::find(reference, &transfer.access).await.map_err(failed)?;
        look(&at, reference).await
    };
    transfer.unless_cancelled(showing).await
}

async fn look(at: &At, reference: &Reference) -> Result<Tagged> {
    let wrap = |error: OciError| Error::wrap(format!("could not look at `{reference}`"), error);
    let root = at.registry.document(&at.repository, &named(reference)).await;
    let root =
        root.map_err(|error| Error::wrap(format!("could not look at `{reference}`"), error))?;
    let digest = digest_of(&root.0.bytes);
    let store =
        Store::Registry { registry: at.registry.clone(), repository: at.repository.clone() };
    let tree = store.tree(root, &Which::All).await.map_err(wrap)?;
    let images = tokio::task::spawn_blocking(move || {
        tree.walk()
            .into_iter()
            .filter(|tree| tree.config.is_some())
            .map(platform_image)
            .collect::<Result<_, OciError>>()
    });
    let images = images.await.expect("reading configs does not panic").map_err(wrap)?;
    Ok(Tagged { reference: reference.clone(), digest: Some(digest), images, trouble: None })
}

/// Returns an error's deepest reason.
fn reason(error: &Error) -> String {
    let mut deepest: &dyn std::error::Error = error;
    while let Some(deeper) = deepest.source() {
        deepest = deeper;
    }
    deepest.to_string()
}

fn platform_image(tree: &Tree) -> Result<PlatformImage, OciError> {
    let layers = tree.layers.iter().map(|layer| (layer.descriptor.digest, layer.descriptor.size));
    let mut found = PlatformImage {
        digest: tree.digest(),
        platform: None,
        size: tree.size(),
        created: None,
        layers: layers.collect(),
    };
    if tree.is_image() {
        let image = Image::read(tree.clone())?;
        // The notes of builders lie beside the images, as if they were some for another machine.
        found.platform =
            Some(image.platform()?.to_string()).filter(|name| !name.starts_with("unknown/"));
        found.created = image.created();
    }
    Ok(found)
}

/// What was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    pub digest: Digest,
    /// Every tag that stood for it.
    pub tags: Vec<String>,
}

/// What happens when other tags stand for the same image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shared {
    Refuse,
    RemoveAll,
}

/// Removes an image from a registry, and with it every tag that stands for it.
///
/// # Errors
/// `SHARED_DIGEST` when other tags stand for it; when the registry does not know it, refuses, or removes nothing.
pub async fn remove(reference: &Reference, shared: Shared, transfer: &Transfer) -> Result<Removed> {
    let failed =
        |error: RegistryError| Error::wrap(format!("could not remove `{reference}`"), error);
    let removing = async {
        let at = At::find(reference, &transfer.access).await.map_err(failed)?;
        let root = at.registry.document(&at.repository, &named(reference)).await.map_err(failed)?;
        let digest = digest_of(&root.0.bytes);
        let tags = tags_of(&at, digest).await.map_err(failed)?;
        let own = reference.tag().filter(|_| reference.digest().is_none());
        let others: Vec<_> = tags.iter().filter(|tag| Some(tag.as_str()) != own).collect();
        if shared == Shared::Refuse && !others.is_empty() {
            let others: Vec<_> = others.iter().map(|tag| format!("`{tag}`")).collect();
            let action = format!(
                "`{reference}` is not removed: {} would go with it, for the same image",
                others.join(", ")
            );
            return Err(Error::new(codes::SHARED_DIGEST, action)
                .hint(format!("remove them all: `wharf image rm {reference} --force`")));
        }
        at.registry.delete_manifest(&at.repository, digest).await.map_err(failed)?;
        Ok(Removed { digest, tags })
    };
    transfer.unless_cancelled(removing).await
}

/// Returns the tags that stand for a digest.
async fn tags_of(at: &At, digest: Digest) -> Result<Vec<String>, RegistryError> {
    let tags = at.registry.tags(&at.repository).await?;
    let asked: Vec<_> = tags
        .into_iter()
        .map(|tag| {
            async move {
                let found = at.registry.find(&at.repository, &ManifestName::Tag(&tag)).await?;
                Ok::<_, RegistryError>((found == Some(digest)).then_some(tag))
            }
            .boxed()
        })
        .collect();
    let found: Vec<Option<String>> = stream::iter(asked).buffered(PARALLEL).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

/// Gives an image of a registry another tag in the same repository; nothing is sent but its manifest.
///
/// # Errors
/// When the registry does not know it, or refuses.
pub async fn tag(reference: &Reference, tag: &str, transfer: &Transfer) -> Result<Digest> {
    let failed = |error: RegistryError| Error::wrap(format!("could not tag `{reference}`"), error);
    let tagging = async {
        let at = At::find(reference, &transfer.access).await.map_err(failed)?;
        let (document, _): (_, Content) =
            at.registry.document(&at.repository, &named(reference)).await.map_err(failed)?;
        let name = ManifestName::Tag(tag);
        at.registry.put_manifest(&at.repository, &name, &document).await.map_err(failed)
    };
    transfer.unless_cancelled(tagging).await
}

/// Returns host and path of a reference.
fn name(reference: &Reference) -> String {
    let host = reference.host().map(|host| format!("{host}/")).unwrap_or_default();
    format!("{host}{}", reference.path())
}

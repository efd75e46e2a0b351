//! An image goes to a registry, and no engine is asked.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use wharf_oci::{
    copy::{self, Copied, Target},
    descriptor::Descriptor,
    registry::{Access, ManifestName, Registry, error::RegistryError, host::RegistryHost},
    sign::{self, SignError, Statement, key::SigningKey},
    tree::Tree,
};
use wharf_spec::{codes, digest::Digest, reference::Reference};

use crate::{
    build::{Existing, other_image},
    context::{Reporter, cancelled},
    error::{Error, Result},
    images::{Direction, observer},
    supply::{self, PROVENANCE, bill::Bill},
};

/// What a push works with.
#[derive(Debug, Clone)]
pub struct PushContext {
    pub access: Access,
    /// Repositories of the same registry whose layers may be taken over, so that they are not sent again.
    pub mount_from: Vec<String>,
    /// What happens to another image of that name in the registry.
    pub existing: Existing,
    pub supply: Supply,
    pub reporter: Arc<dyn Reporter>,
    /// Set when the user says stop.
    pub cancel: CancellationToken,
}

/// What goes to the registry with an image.
#[derive(Debug, Clone, Default)]
pub struct Supply {
    /// What SBOM and provenance are made from; without it there are none.
    pub bill: Option<Bill>,
    /// The key that signs the image, and its provenance.
    pub key: Option<Arc<SigningKey>>,
}

/// An image that is in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// Of its manifest: what to deploy by.
    pub digest: Digest,
    /// The tag stood for it before: nothing was sent.
    pub unchanged: bool,
    /// Bytes that were sent.
    pub sent: u64,
    /// Bytes of all layers.
    pub size: u64,
    /// How many documents were attached to it now.
    pub attached: usize,
}

/// Pushes an image, or an index of images, under a name: what the registry has is not sent, and the tag moves when all is there.
///
/// # Errors
/// `IMAGE_EXISTS` as [`PushContext::existing`] says; when the registry cannot be reached, refuses, or sends wharf elsewhere; when a file of the image cannot be read.
pub async fn push(tree: impl Into<Tree>, to: &Reference, context: &PushContext) -> Result<Pushed> {
    let tree = tree.into();
    let target = target(to, context.mount_from.clone())?;
    let size = tree.size();
    let observer = observer(&context.reporter, size, Direction::Push);
    let failed = |error: RegistryError| Error::wrap(format!("could not push `{to}`"), error);
    let pushing = async {
        let host = RegistryHost::of(to);
        let connecting = Registry::connect(host, &target.repository, &context.access);
        let registry = connecting.await.map_err(failed)?;
        if context.existing == Existing::Refuse {
            let there = registry.resolve(&target.repository, &target.tag).await.map_err(failed)?;
            if there.is_some_and(|there| there != tree.digest()) {
                return Err(other_image(to));
            }
        }
        let subject = tree.document.descriptor();
        let copied = copy::copy(tree, &registry, &target, &observer).await.map_err(failed)?;
        let attached = attach(&subject, &registry, &target, &context.supply).await;
        let attached = attached.map_err(|error| {
            Error::wrap(format!("`{to}` was pushed, but not what goes with it"), error)
        })?;
        Ok((copied, attached))
    };
    let (Copied { digest, unchanged, sent }, attached) = tokio::select! {
        pushed = pushing => pushed?,
        () = context.cancel.cancelled() => return Err(cancelled()),
    };
    Ok(Pushed { digest, unchanged, sent, size, attached })
}

/// Attaches what goes with an image, and returns how many documents that took.
async fn attach(
    subject: &Descriptor,
    registry: &Registry,
    target: &Target,
    Supply { bill, key }: &Supply,
) -> Result<usize, SignError> {
    let repository = &target.repository;
    let mut attached = 0;
    if let Some(bill) = bill {
        let attachments = supply::attachments(bill, subject.digest);
        attached += registry.attach(repository, subject, &attachments).await?;
        if let Some(key) = key {
            let [_, provenance] = &attachments;
            let statement = Statement { predicate_type: PROVENANCE, bytes: &provenance.bytes };
            attached +=
                usize::from(sign::attest(registry, repository, subject, statement, key).await?);
        }
    }
    if let Some(key) = key {
        let name = ManifestName::Digest(subject.digest);
        attached += sign::sign(registry, repository, &name, key).await?.len();
    }
    Ok(attached)
}

pub(crate) fn target(to: &Reference, mount_from: Vec<String>) -> Result<Target> {
    // A digest is known only when all is assembled, so a name to push to has a tag.
    let Some(tag) = to.tag().filter(|_| !to.to_string().contains('@')) else {
        let action = format!("`{to}` names a digest, and a push goes to a tag");
        return Err(Error::new(codes::FLAGS, action).hint("write `HOST/REPOSITORY:TAG`"));
    };
    Ok(Target { repository: RegistryHost::of(to).repository(to), tag: tag.to_owned(), mount_from })
}

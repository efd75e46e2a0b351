//! An image goes to a registry, and no engine is asked.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use tokio_util::sync::CancellationToken;
use wharf_oci::{
    copy::{self, Copied, Observer, Step, Target, Way},
    image::Image,
    layout,
    registry::{Access, Registry, error::RegistryError, host::RegistryHost},
};
use wharf_spec::{codes, digest::Digest, event::Event, reference::Reference};

use crate::{
    build::{Existing, other_image},
    context::{Reporter, cancelled},
    error::{Error, Result},
};

/// What a push works with.
#[derive(Debug, Clone)]
pub struct PushContext {
    pub access: Access,
    /// Repositories of the same registry whose layers may be taken over, so that they are not sent again.
    pub mount_from: Vec<String>,
    /// What happens to another image of that name in the registry.
    pub existing: Existing,
    pub reporter: Arc<dyn Reporter>,
    /// Set when the user says stop.
    pub cancel: CancellationToken,
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
}

/// Pushes an image under a name: what the registry has is not sent, and the tag moves when all is there.
///
/// # Errors
/// `IMAGE_EXISTS` as [`PushContext::existing`] says; when the registry cannot be reached, refuses, or sends wharf elsewhere; when a file of the image cannot be read.
pub async fn push(image: Image, to: &Reference, context: &PushContext) -> Result<Pushed> {
    let target = target(to, context)?;
    let size = image.size();
    let observer = observer(&context.reporter, size);
    let failed = |error: RegistryError| Error::wrap(format!("could not push `{to}`"), error);
    let pushing = async {
        let host = RegistryHost::of(to);
        let connecting = Registry::connect(host, &target.repository, &context.access);
        let registry = connecting.await.map_err(failed)?;
        if context.existing == Existing::Refuse {
            let there = registry.resolve(&target.repository, &target.tag).await.map_err(failed)?;
            if there.is_some_and(|there| there != layout::manifest_digest(&image)) {
                return Err(other_image(to));
            }
        }
        copy::copy(&Arc::new(image), &registry, &target, &observer).await.map_err(failed)
    };
    let Copied { digest, unchanged, sent } = tokio::select! {
        pushed = pushing => pushed?,
        () = context.cancel.cancelled() => return Err(cancelled()),
    };
    Ok(Pushed { digest, unchanged, sent, size })
}

fn target(to: &Reference, context: &PushContext) -> Result<Target> {
    // A digest is known only when all is assembled, so a name to push to has a tag.
    let Some(tag) = to.tag().filter(|_| !to.to_string().contains('@')) else {
        let action = format!("`{to}` names a digest, and a push goes to a tag");
        return Err(Error::new(codes::FLAGS, action).hint("write `HOST/REPOSITORY:TAG`"));
    };
    Ok(Target {
        repository: RegistryHost::of(to).repository(to),
        tag: tag.to_owned(),
        mount_from: context.mount_from.clone(),
    })
}

/// Turns steps of layers into events of the whole.
fn observer(reporter: &Arc<dyn Reporter>, size: u64) -> Observer {
    let reporter = reporter.clone();
    let layers = Mutex::new(BTreeMap::new());
    Arc::new(move |step| {
        let layer = match &step {
            Step::Progress { layer, sent, .. } => (*layer, *sent),
            Step::Done { layer, size, .. } => (*layer, *size),
        };
        let sent = {
            let mut layers = layers.lock().expect("nobody panics with it");
            layers.insert(layer.0, layer.1);
            layers.values().sum()
        };
        if let Step::Done { layer, size, way } = step {
            let how = match way {
                Way::Found => "there already",
                Way::Mounted => "taken over",
                Way::Sent => "sent",
            };
            reporter.report(Event::LayerPushed { layer, size, how: how.to_owned() });
        }
        reporter.report(Event::Pushing { sent, size });
    })
}

//! An image goes to a registry, and no engine is asked.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use tokio_util::sync::CancellationToken;
use wharf_oci::{
    copy::{self, Copied, Observer, Step, Target, Way},
    image::Image,
    registry::{Access, Registry, error::RegistryError, host::RegistryHost},
};
use wharf_spec::{codes, digest::Digest, event::Event, reference::Reference};

use crate::{
    context::{Reporter, cancelled},
    error::{Error, Result},
};

/// What a push works with.
#[derive(Debug, Clone)]
pub struct PushContext {
    pub access: Access,
    /// Repositories of the same registry whose layers may be taken over, so that they are not sent again.
    pub mount_from: Vec<String>,
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
/// When the registry cannot be reached, refuses, or sends wharf elsewhere; when a file of the image cannot be read.
pub async fn push(image: Image, to: &Reference, context: &PushContext) -> Result<Pushed> {
    let target = target(to, context)?;
    let size = image.size();
    let observer = observer(&context.reporter, size);
    let pushing = async {
        let host = RegistryHost::of(to);
        let registry = Registry::connect(host, &target.repository, &context.access).await?;
        copy::copy(&Arc::new(image), &registry, &target, &observer).await
    };
    let pushed: Result<Copied, RegistryError> = tokio::select! {
        pushed = pushing => pushed,
        () = context.cancel.cancelled() => return Err(cancelled()),
    };
    let copied = pushed.map_err(|error| Error::wrap(format!("could not push `{to}`"), error))?;
    let Copied { digest, unchanged, sent } = copied;
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

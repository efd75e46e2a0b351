//! An image into a registry: what is there is not sent, the manifest comes last.

use std::{io, sync::Arc};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::sync::mpsc;
use wharf_spec::digest::Digest;

use crate::{
    descriptor::{Descriptor, Manifest, digest_of},
    error::{OciError, Result as OciResult},
    image::Image,
    registry::{Registry, error::Result, upload::Source},
    replay::replay,
};

/// How many layers are sent at once.
const PARALLEL: usize = 4;

/// Progress is told after so many bytes.
const SAY: u64 = 1 << 20;

/// Where an image goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub repository: String,
    pub tag: String,
    /// Repositories of the same registry whose layers may be taken over.
    pub mount_from: Vec<String>,
}

/// How a layer came to be in the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It was there.
    Found,
    /// It was taken over from another repository.
    Mounted,
    Sent,
}

/// What happens to a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// So many of its bytes are on their way; fewer than before when it is begun again.
    Progress {
        layer: Digest,
        sent: u64,
        size: u64,
    },
    Done {
        layer: Digest,
        size: u64,
        way: Way,
    },
}

/// Takes the steps.
pub type Observer = Arc<dyn Fn(Step) + Send + Sync>;

/// An image that is in the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Of its manifest.
    pub digest: Digest,
    /// The tag stood for it before: nothing was sent.
    pub unchanged: bool,
    /// Bytes of blobs that were sent.
    pub sent: u64,
}

/// Copies an image into a registry.
///
/// # Errors
/// When the registry refuses, or a file cannot be read or changes meanwhile. The tag is moved only when all is there.
pub async fn copy(
    image: &Arc<Image>,
    registry: &Registry,
    target: &Target,
    observer: &Observer,
) -> Result<Copied> {
    let manifest = Manifest::of(image);
    let bytes = Bytes::from(manifest.bytes());
    let digest = digest_of(&bytes);
    if registry.resolve(&target.repository, &target.tag).await? == Some(digest) {
        return Ok(Copied { digest, unchanged: true, sent: 0 });
    }
    let copier = Copier { image, registry, target, observer };
    let layers: Vec<_> = manifest
        .layers
        .iter()
        .enumerate()
        .map(|(index, layer)| copier.layer(index, layer))
        .collect();
    let layers = stream::iter(layers)
        .buffer_unordered(PARALLEL)
        .try_fold(0, async |sum, sent| Ok(sum + sent));
    let sent = layers.await? + copier.config(&manifest.config).await?;
    let digest = registry.put_manifest(&target.repository, &target.tag, &bytes).await?;
    Ok(Copied { digest, unchanged: false, sent })
}

struct Copier<'a> {
    image: &'a Arc<Image>,
    registry: &'a Registry,
    target: &'a Target,
    observer: &'a Observer,
}

impl Copier<'_> {
    /// Brings a layer there, and returns how many bytes were sent.
    async fn layer(&self, index: usize, layer: &Descriptor) -> Result<u64> {
        let way = self.bring(index, layer).await?;
        (self.observer)(Step::Done { layer: layer.digest, size: layer.size, way });
        Ok(if way == Way::Sent { layer.size } else { 0 })
    }

    async fn bring(&self, index: usize, layer: &Descriptor) -> Result<Way> {
        let repository = &self.target.repository;
        if self.registry.has_blob(repository, layer.digest).await? {
            return Ok(Way::Found);
        }
        for from in &self.target.mount_from {
            if self.registry.mount(repository, layer.digest, from).await? {
                return Ok(Way::Mounted);
            }
        }
        let source = LayerSource {
            image: self.image.clone(),
            index,
            descriptor: layer.clone(),
            observer: self.observer.clone(),
        };
        self.registry.upload(repository, layer, &source).await?;
        Ok(Way::Sent)
    }

    async fn config(&self, config: &Descriptor) -> Result<u64> {
        let repository = &self.target.repository;
        if self.registry.has_blob(repository, config.digest).await? {
            return Ok(0);
        }
        let source = ConfigSource(self.image.clone());
        self.registry.upload(repository, config, &source).await?;
        Ok(config.size)
    }
}

/// A layer, written anew each time.
struct LayerSource {
    image: Arc<Image>,
    index: usize,
    descriptor: Descriptor,
    observer: Observer,
}

impl Source for LayerSource {
    fn replay(&self, skip: u64) -> mpsc::Receiver<OciResult<Bytes>> {
        let (image, index) = (self.image.clone(), self.index);
        let (observer, Descriptor { digest: layer, size, .. }) =
            (self.observer.clone(), self.descriptor.clone());
        replay(skip, move |writer| {
            let say = |sent| observer(Step::Progress { layer, sent, size });
            image.layers[index].layer.write(Observed { writer, sent: 0, said: 0, say: &say })
        })
    }
}

/// A writer that tells how far it is, once in a while.
struct Observed<'a> {
    writer: &'a mut dyn io::Write,
    sent: u64,
    said: u64,
    say: &'a dyn Fn(u64),
}

impl io::Write for Observed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.writer.write(bytes)?;
        self.sent += taken as u64;
        if self.sent - self.said >= SAY {
            self.said = self.sent;
            (self.say)(self.sent);
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

struct ConfigSource(Arc<Image>);

impl Source for ConfigSource {
    fn replay(&self, skip: u64) -> mpsc::Receiver<OciResult<Bytes>> {
        let image = self.0.clone();
        replay(skip, move |writer| writer.write_all(&image.config).map_err(OciError::Write))
    }
}

//! An image into a registry: what is there is not sent, the manifest comes last.

use std::{collections::BTreeSet, fmt, io, sync::Arc};

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use tokio::sync::mpsc;
use wharf_spec::digest::Digest;

use crate::{
    blob::Blob,
    descriptor::Descriptor,
    error::Result as OciResult,
    image::Image,
    registry::{ManifestName, Registry, error::Result, upload::Source},
    replay::replay,
    tree::{Part, Tree},
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

/// Copies an image, or an index of images, into a registry.
///
/// # Errors
/// When the registry refuses, or a blob cannot be read or changes meanwhile. The tag is moved only when all is there.
pub async fn copy(
    tree: impl Into<Tree>,
    registry: &Registry,
    target: &Target,
    observer: &Observer,
) -> Result<Copied> {
    let tree = tree.into();
    let digest = tree.digest();
    if registry.resolve(&target.repository, &target.tag).await? == Some(digest) {
        return Ok(Copied { digest, unchanged: true, sent: 0 });
    }
    let copier = Copier { registry, target, observer };
    let mut sent = copier.layers(&tree).await?;
    for one in tree.walk() {
        if let Some(config) = &one.config {
            sent += copier.config(config).await?;
        }
        let name = if one.digest() == digest {
            ManifestName::Tag(&target.tag)
        } else {
            ManifestName::Digest(one.digest())
        };
        registry.put_manifest(&target.repository, &name, &one.document).await?;
    }
    Ok(Copied { digest, unchanged: false, sent })
}

struct Copier<'a> {
    registry: &'a Registry,
    target: &'a Target,
    observer: &'a Observer,
}

impl Copier<'_> {
    /// Brings all layers there, several at once, and returns how many bytes were sent.
    async fn layers(&self, tree: &Tree) -> Result<u64> {
        let mut seen = BTreeSet::new();
        let layers: Vec<_> = tree
            .walk()
            .into_iter()
            .flat_map(|tree| &tree.layers)
            .filter(|layer| seen.insert(layer.descriptor.digest))
            .map(|layer| self.layer(layer).boxed())
            .collect();
        stream::iter(layers)
            .buffer_unordered(PARALLEL)
            .try_fold(0, async |sum, sent| Ok(sum + sent))
            .await
    }

    async fn layer(&self, layer: &Part) -> Result<u64> {
        let way = self.bring(layer).await?;
        let Descriptor { digest: layer, size, .. } = layer.descriptor;
        (self.observer)(Step::Done { layer, size, way });
        Ok(if way == Way::Sent { size } else { 0 })
    }

    async fn bring(&self, layer: &Part) -> Result<Way> {
        let (repository, digest) = (&self.target.repository, layer.descriptor.digest);
        if self.registry.has_blob(repository, digest).await? {
            return Ok(Way::Found);
        }
        let home = layer.home.iter().filter(|home| home.host == *self.registry.host());
        let homes = home.map(|home| &home.repository).chain(&self.target.mount_from);
        for from in homes.filter(|from| *from != repository) {
            if self.registry.mount(repository, digest, from).await? {
                return Ok(Way::Mounted);
            }
        }
        let source = PartSource { part: layer.clone(), observer: Some(self.observer.clone()) };
        self.registry.upload(repository, &layer.descriptor, &source).await?;
        Ok(Way::Sent)
    }

    async fn config(&self, config: &Part) -> Result<u64> {
        let repository = &self.target.repository;
        if self.registry.has_blob(repository, config.descriptor.digest).await? {
            return Ok(0);
        }
        let source = PartSource { part: config.clone(), observer: None };
        self.registry.upload(repository, &config.descriptor, &source).await?;
        Ok(config.descriptor.size)
    }
}

/// A blob that tells an observer how far it is.
#[derive(Clone)]
struct Watched {
    part: Part,
    observer: Observer,
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.part.fmt(f)
    }
}

impl Blob for Watched {
    fn write(&self, writer: &mut dyn io::Write) -> OciResult<()> {
        let Descriptor { digest: layer, size, .. } = self.part.descriptor;
        let say = |sent| (self.observer)(Step::Progress { layer, sent, size });
        self.part.content.write(&mut Observed { writer, sent: 0, said: 0, say: &say })?;
        (self.observer)(Step::Done { layer, size, way: Way::Sent });
        Ok(())
    }
}

impl Image {
    /// Returns the same image, whose layers tell an observer when they are written.
    #[must_use]
    pub fn watched(mut self, observer: &Observer) -> Self {
        for layer in &mut self.layers {
            let (descriptor, content) = (layer.descriptor.clone(), layer.content.clone());
            let part = Part { descriptor, content, home: None };
            layer.content = Arc::new(Watched { part, observer: observer.clone() });
        }
        self
    }
}

/// A blob, written anew each time.
struct PartSource {
    part: Part,
    /// Hears how far it is.
    observer: Option<Observer>,
}

impl Source for PartSource {
    fn replay(&self, skip: u64) -> mpsc::Receiver<OciResult<Bytes>> {
        let (part, observer) = (self.part.clone(), self.observer.clone());
        let Descriptor { digest: layer, size, .. } = part.descriptor;
        replay(skip, move |writer| {
            let say = |sent| {
                if let Some(observer) = &observer {
                    observer(Step::Progress { layer, sent, size });
                }
            };
            part.content.write(&mut Observed { writer, sent: 0, said: 0, say: &say })
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

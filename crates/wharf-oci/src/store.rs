//! Where images of others are: a registry's repository, or an OCI layout, as a folder or a tar. Manifests are read and
//! checked; layers stay where they are until they are written somewhere.

use std::{path::Path, sync::Arc};

use futures_util::future::BoxFuture;
use serde::Deserialize;

use crate::{
    blob::{Blob, FileBlob},
    descriptor::{Descriptor, Document},
    error::{OciError, Result},
    files::{Files, Place},
    image::Home,
    layout::blob_path,
    manifest::{self, Content, Entry, MAX_MANIFEST, Platform},
    registry::{ManifestName, Registry, download::RemoteBlob, error::RegistryError},
    tree::{Part, Tree},
};

/// How deep indexes may name indexes.
const MAX_DEPTH: usize = 2;

/// The most bytes of all manifests of a tree.
const MAX_DOCUMENTS: usize = 64 << 20;

/// The name of an image in a layout: `org.opencontainers.image.ref.name` is its tag, containerd's is whole.
const NAMES: [&str; 2] = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];

/// A place with images.
#[derive(Debug, Clone)]
pub enum Store {
    Registry { registry: Arc<Registry>, repository: String },
    Layout(Layout),
}

/// An OCI layout.
#[derive(Debug, Clone)]
pub struct Layout(Files);

/// Which images of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    All,
    /// The one for a machine. A manifest that stands alone is taken as it is.
    For(Platform),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    image_layout_version: String,
}

impl Layout {
    /// Opens a layout, a folder or a tar. Blocks: call it on a thread of its own.
    ///
    /// # Errors
    /// When there is none, or it cannot be used.
    pub fn open(path: &Path) -> Result<Self> {
        let files = Files::open(path)?;
        let version = files.read("oci-layout", 4096)?;
        let version: Version = manifest::json(&version).map_err(|why| files.wrong(why))?;
        if version.image_layout_version != "1.0.0" {
            let version = version.image_layout_version.escape_debug();
            return Err(files.wrong(format!("it is of version `{version}`, not `1.0.0`")));
        }
        Ok(Self(files))
    }

    /// Returns the layout that may lie among files that are something else, too.
    pub(crate) fn of(files: Files) -> Self {
        Self(files)
    }

    /// Returns what an image of the layout is named by: the one of that name, or the only one. Blocks.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn find(&self, name: Option<&str>) -> Result<Descriptor> {
        let bytes = self.0.read("index.json", MAX_MANIFEST)?;
        let Content::Index(index) = manifest::parse(&bytes, None)?.1 else {
            return Err(self.0.wrong("its `index.json` is not an index".to_owned()));
        };
        let is_wanted = |entry: &&Entry| match name {
            None => true,
            Some(name) => names(entry).any(|own| own == name),
        };
        let mut wanted: Vec<_> = index.manifests.iter().filter(is_wanted).collect();
        wanted.dedup_by_key(|entry| entry.descriptor.digest);
        match wanted.as_slice() {
            [entry] => Ok(entry.descriptor.clone()),
            found => {
                let why =
                    if found.is_empty() { "it has no such image" } else { "it has several images" };
                let there = index.manifests.iter().flat_map(names);
                let there: Vec<_> =
                    there.take(20).map(|name| format!("`{}`", name.escape_debug())).collect();
                Err(self.0.wrong(format!("{why}; there are: {}", there.join(", "))))
            }
        }
    }

    /// Reads a manifest or an index of the layout. Blocks.
    ///
    /// # Errors
    /// When it is not there, or cannot be used.
    pub fn document(&self, descriptor: &Descriptor) -> Result<(Document, Content)> {
        let blob = self.blob(descriptor)?;
        let bytes = bytes_of(&blob, descriptor, MAX_MANIFEST)?;
        manifest::parse(&bytes, Some(&descriptor.media_type))
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<FileBlob> {
        let Place { path, offset, size } = self.0.find(&blob_path(&descriptor.digest))?;
        if size != descriptor.size {
            let why = format!("it has {size} bytes where {} were named", descriptor.size);
            return Err(OciError::Blob { digest: descriptor.digest, why });
        }
        Ok(FileBlob { path, offset, descriptor: descriptor.clone() })
    }
}

fn names(entry: &Entry) -> impl Iterator<Item = &str> {
    NAMES.iter().filter_map(|key| entry.annotations.get(*key)).map(String::as_str)
}

/// Reads a small blob as a whole.
pub(crate) fn bytes_of(blob: &dyn Blob, descriptor: &Descriptor, limit: u64) -> Result<Vec<u8>> {
    if descriptor.size > limit {
        let why = format!("it has {} bytes, more than {limit}", descriptor.size);
        return Err(OciError::Blob { digest: descriptor.digest, why });
    }
    let mut bytes = Vec::new();
    blob.write(&mut bytes)?;
    Ok(bytes)
}

impl Store {
    async fn document(&self, descriptor: &Descriptor) -> Result<(Document, Content)> {
        match self {
            Self::Registry { registry, repository } => {
                let name = ManifestName::Digest(descriptor.digest);
                let read = registry.document(repository, &name).await.map_err(fetching)?;
                if read.0.media_type != descriptor.media_type {
                    return Err(other_type(&read.0, descriptor));
                }
                Ok(read)
            }
            Self::Layout(layout) => {
                let (layout, descriptor) = (layout.clone(), descriptor.clone());
                let reading = tokio::task::spawn_blocking(move || layout.document(&descriptor));
                reading.await.expect("reading files does not panic")
            }
        }
    }

    fn part(&self, descriptor: Descriptor) -> Result<Part> {
        match self {
            Self::Registry { registry, repository } => Ok(Part {
                content: Arc::new(RemoteBlob::new(
                    registry.clone(),
                    repository,
                    descriptor.clone(),
                )),
                home: Some(Home { host: registry.host().clone(), repository: repository.clone() }),
                descriptor,
            }),
            Self::Layout(layout) => {
                let content = Arc::new(layout.blob(&descriptor)?);
                Ok(Part { descriptor, content, home: None })
            }
        }
    }

    /// Reads a manifest and all manifests below it, or those for one platform. Layers are not read.
    ///
    /// # Errors
    /// When one is not there, cannot be used, or there is none for the platform.
    pub async fn tree(&self, root: (Document, Content), which: &Which) -> Result<Tree> {
        let mut left = MAX_DOCUMENTS;
        match which {
            Which::All => self.all(root, 0, &mut left).await,
            Which::For(platform) => {
                let root = self.choose(root, platform).await?;
                self.all(root, MAX_DEPTH, &mut left).await
            }
        }
    }

    /// Goes down from an index to the image of a platform.
    async fn choose(
        &self,
        mut at: (Document, Content),
        platform: &Platform,
    ) -> Result<(Document, Content)> {
        for _ in 0..=MAX_DEPTH {
            let Content::Index(index) = &at.1 else { return Ok(at) };
            let Some(entry) = platform.choose(&index.manifests) else {
                let there: Vec<_> = index
                    .manifests
                    .iter()
                    .filter_map(|entry| entry.platform.as_ref())
                    .filter(|platform| platform.os != "unknown")
                    .map(|platform| platform.to_string().escape_debug().to_string())
                    .collect();
                return Err(OciError::NoPlatform { platform: platform.clone(), there });
            };
            at = self.document(&entry.descriptor).await?;
        }
        Err(too_deep())
    }

    /// Boxed, since it calls itself.
    fn all<'a>(
        &'a self,
        (document, content): (Document, Content),
        depth: usize,
        left: &'a mut usize,
    ) -> BoxFuture<'a, Result<Tree>> {
        Box::pin(async move {
            *left = left.checked_sub(document.bytes.len()).ok_or_else(|| OciError::Foreign {
                what: "index".to_owned(),
                why: format!("its manifests have more than {MAX_DOCUMENTS} bytes"),
            })?;
            let entries = match content {
                Content::Manifest(manifest) => {
                    let config = Some(self.part(manifest.config)?);
                    let layers = manifest.layers.into_iter().map(|layer| self.part(layer));
                    let layers = layers.collect::<Result<_>>()?;
                    return Ok(Tree { document, config, layers, children: Vec::new() });
                }
                Content::Index(_) if depth == MAX_DEPTH => return Err(too_deep()),
                Content::Index(index) => index.manifests,
            };
            let mut children = Vec::with_capacity(entries.len());
            for entry in entries {
                let child = self.document(&entry.descriptor).await?;
                children.push(self.all(child, depth + 1, left).await?);
            }
            Ok(Tree { document, config: None, layers: Vec::new(), children })
        })
    }
}

fn fetching(error: RegistryError) -> OciError {
    OciError::Fetch(Box::new(error))
}

fn too_deep() -> OciError {
    OciError::Foreign {
        what: "index".to_owned(),
        why: format!("it names indexes deeper than {MAX_DEPTH}"),
    }
}

fn other_type(found: &Document, named: &Descriptor) -> OciError {
    let (found, named_as) = (found.media_type.escape_debug(), named.media_type.escape_debug());
    OciError::Blob {
        digest: named.digest,
        why: format!("it is of the type `{found}` where `{named_as}` was named"),
    }
}

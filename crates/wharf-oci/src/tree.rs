//! A manifest and all that it names, as it is sent: an image, or an index of images.

use std::{collections::BTreeSet, sync::Arc};

use wharf_spec::digest::Digest;

use crate::{
    blob::Blob,
    descriptor::{CONFIG, DOCKER_CONFIG, Descriptor, Document},
    image::{Home, Image},
};

/// A manifest with its blobs, or an index with its manifests. What it names is sent before it.
#[derive(Debug, Clone)]
pub struct Tree {
    pub document: Document,
    /// The config of a manifest.
    pub config: Option<Part>,
    pub layers: Vec<Part>,
    /// The manifests of an index.
    pub children: Vec<Self>,
}

/// A blob, and where its bytes come from.
#[derive(Debug, Clone)]
pub struct Part {
    pub descriptor: Descriptor,
    pub content: Arc<dyn Blob>,
    /// A repository that is known to have it.
    pub home: Option<Home>,
}

impl Tree {
    /// Returns the digest that registries name it by.
    pub fn digest(&self) -> Digest {
        self.document.descriptor().digest
    }

    /// Says whether it is an image that can run; other manifests hold signatures, lists of parts, or models.
    pub fn is_image(&self) -> bool {
        let is_known =
            |part: &Part| [CONFIG, DOCKER_CONFIG].contains(&part.descriptor.media_type.as_str());
        self.config.as_ref().is_some_and(is_known)
    }

    /// Returns the size of all layers as they are stored, in bytes; one that is named twice counts once.
    pub fn size(&self) -> u64 {
        let mut seen = BTreeSet::new();
        self.walk()
            .into_iter()
            .flat_map(|tree| &tree.layers)
            .filter(|layer| seen.insert(layer.descriptor.digest))
            .map(|layer| layer.descriptor.size)
            .sum()
    }

    /// Returns itself and all manifests below, those that are named before those that name them.
    pub fn walk(&self) -> Vec<&Self> {
        let mut all: Vec<_> = self.children.iter().flat_map(Self::walk).collect();
        all.push(self);
        all
    }
}

impl From<&Image> for Tree {
    fn from(image: &Image) -> Self {
        let config = Part {
            descriptor: image.config_descriptor.clone(),
            content: Arc::new(image.config.clone()),
            home: None,
        };
        let layers = image.layers.iter().map(|layer| Part {
            descriptor: layer.descriptor.clone(),
            content: layer.content.clone(),
            home: layer.mount_from.clone(),
        });
        Self {
            document: image.manifest.clone(),
            config: Some(config),
            layers: layers.collect(),
            children: Vec::new(),
        }
    }
}

impl From<Image> for Tree {
    fn from(image: Image) -> Self {
        Self::from(&image)
    }
}

//! What names content (OCI image-spec, descriptor), and the manifest that names the parts of an image.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use wharf_spec::digest::{Algorithm, Digest};

/// An image's manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A list of manifests: an image for several platforms.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// An image's config.
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// A layer as it is. Weights do not get smaller, and a digest is then known before anything is written.
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// A layer by gzip.
pub const LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// A layer by zstd.
pub const LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";

/// Docker's manifest (image manifest, schema 2).
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// Docker's list of manifests.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// Docker's name for a config.
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";

/// Content by its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    pub media_type: String,
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
}

impl Descriptor {
    /// Returns what names these bytes.
    pub fn of(media_type: &str, bytes: &[u8]) -> Self {
        let (digest, size) = (digest_of(bytes), bytes.len() as u64);
        Self { media_type: media_type.to_owned(), digest, size }
    }
}

/// A manifest or an index, byte for byte as it is stored: that is what its digest is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    pub media_type: String,
    pub bytes: Bytes,
}

impl Document {
    /// Returns what names it.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor::of(&self.media_type, &self.bytes)
    }
}

/// The manifest of an image of ours: fields in a fixed order, so that it has one digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    schema_version: u32,
    media_type: &'static str,
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Manifest {
    /// Returns the manifest of these parts.
    pub fn new(
        config: Descriptor,
        layers: Vec<Descriptor>,
        annotations: BTreeMap<String, String>,
    ) -> Self {
        Self { schema_version: 2, media_type: MANIFEST, config, layers, annotations }
    }

    /// Returns it as it is stored, the same bytes for the same parts.
    pub fn document(&self) -> Document {
        let bytes = serde_json::to_vec(self).expect("a manifest is plain data");
        Document { media_type: MANIFEST.to_owned(), bytes: bytes.into() }
    }
}

/// Returns the digest that registries name these bytes by.
pub fn digest_of(bytes: &[u8]) -> Digest {
    Digest::new(Algorithm::Sha256, Sha256::digest(bytes).into())
}

//! What names content (OCI image-spec, descriptor), and the manifest that names the parts of an image.

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use wharf_spec::digest::{Algorithm, Digest};

use crate::image::Image;

/// An image's manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// An image's config.
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// A layer. None is compressed: weights do not get smaller, and a digest is then known before anything is written.
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// Content by its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    pub media_type: &'static str,
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
}

/// The manifest document: fields in a fixed order, so that it has one digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    schema_version: u32,
    media_type: &'static str,
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
}

impl Manifest {
    /// Returns the manifest of an image whose layers are sent as they are.
    pub fn of(image: &Image) -> Self {
        let layers = image.layers.iter().map(|layer| Descriptor {
            media_type: LAYER,
            digest: layer.diff_id,
            size: layer.size,
        });
        Self {
            schema_version: 2,
            media_type: MANIFEST,
            config: Descriptor {
                media_type: CONFIG,
                digest: image.config_digest(),
                size: image.config.len() as u64,
            },
            layers: layers.collect(),
        }
    }

    /// Returns its bytes, the same for the same image.
    pub fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a manifest is plain data")
    }
}

/// Returns the digest that registries name these bytes by.
pub fn digest_of(bytes: &[u8]) -> Digest {
    Digest::new(Algorithm::Sha256, Sha256::digest(bytes).into())
}

//! An image: its layers, wherever their bytes come from, its config and its manifest.
//!
//! Images of ours are made of layers alone ([`Image::new`], [`Image::of`]) or upon another image ([`Image::on`], in
//! `base`); those of others are read ([`Image::read`]).

mod base;

pub(crate) mod read;

use std::{collections::BTreeMap, fmt, sync::Arc};

use bytes::Bytes;
use serde::Serialize;
use wharf_spec::digest::Digest;

pub use self::base::Base;
use crate::{
    blob::{Blob, Keeping},
    descriptor::{CONFIG, Descriptor, Document, LAYER, Manifest, digest_of},
    error::Result,
    layer::Layer,
    registry::host::RegistryHost,
};

/// What runs in the image, and as whom (OCI image-spec, `config`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RunConfig {
    /// `UID:GID`.
    pub user: String,
    pub exposed_ports: BTreeMap<String, Empty>,
    /// `NAME=value`.
    pub env: Vec<String>,
    pub entrypoint: Vec<String>,
    pub cmd: Vec<String>,
    pub working_dir: String,
    pub labels: BTreeMap<String, String>,
    /// Docker's own extension of the config; other engines ignore it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<HealthConfig>,
}

/// `{}`, as the config has it for each exposed port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Empty {}

/// Docker's health check: `["CMD", program, argument …]`; times in nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct HealthConfig {
    pub test: Vec<String>,
    pub interval: u64,
    pub timeout: u64,
    pub start_period: u64,
    pub retries: u32,
}

/// The config document (OCI image-spec): fields in a fixed order, so that it has one digest.
#[derive(Serialize)]
struct ConfigFile<'a> {
    created: &'a str,
    architecture: &'a str,
    os: &'a str,
    config: &'a RunConfig,
    rootfs: RootFs,
    history: Vec<History<'a>>,
}

#[derive(Serialize)]
struct RootFs {
    #[serde(rename = "type")]
    kind: &'static str,
    diff_ids: Vec<String>,
}

#[derive(Serialize)]
struct History<'a> {
    created: &'a str,
    created_by: &'a str,
}

/// When every image was created, unless told otherwise; the time of its files, too.
pub const CREATED: &str = "1980-01-01T00:00:00Z";

/// A layer, and what its place in the image's history says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedLayer {
    /// What it holds: `server wharf-serve`.
    pub title: String,
    pub layer: Layer,
}

/// A layer whose digests are known. Its bytes are a recipe, or lie elsewhere.
#[derive(Debug, Clone)]
pub struct ImageLayer {
    /// As it is stored and sent.
    pub descriptor: Descriptor,
    /// The digest of its uncompressed tar.
    pub diff_id: Digest,
    pub content: Arc<dyn Blob>,
    /// Where the layer is known to be: a push to that registry takes it over instead of sending it.
    pub mount_from: Option<Home>,
    /// What its place in the image's history says.
    pub title: String,
}

/// A repository of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    pub host: RegistryHost,
    pub repository: String,
}

impl ImageLayer {
    /// Reads a recipe once for its digest. Blocks: call it on a thread of its own.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn of(NamedLayer { title, layer }: NamedLayer) -> Result<Self> {
        let (diff_id, size) = layer.digest()?;
        Ok(Self::known(title, layer, diff_id, size))
    }

    /// Returns the layer of a recipe whose digest is known.
    pub fn known(title: String, layer: Layer, diff_id: Digest, size: u64) -> Self {
        Self {
            descriptor: Descriptor { media_type: LAYER.to_owned(), digest: diff_id, size },
            diff_id,
            content: Arc::new(layer),
            mount_from: None,
            title,
        }
    }
}

/// What an image of ours is made of.
#[derive(Debug, Clone)]
pub struct Making<'a> {
    pub layers: Vec<ImageLayer>,
    pub run: &'a RunConfig,
    /// As `GOARCH` has it: `amd64`.
    pub architecture: &'a str,
    /// When it was made, as its config and history say: [`CREATED`], or [`created`] of `SOURCE_DATE_EPOCH`.
    pub created: &'a str,
    /// What its manifest says besides.
    pub annotations: BTreeMap<String, String>,
}

/// An image whose digests are known.
#[derive(Debug, Clone)]
pub struct Image {
    pub(crate) manifest: Document,
    pub(crate) config_descriptor: Descriptor,
    pub(crate) config: Bytes,
    pub(crate) layers: Vec<ImageLayer>,
}

impl Image {
    /// Reads all layers once for their digests, and returns the image. Blocks: call it on a thread of its own.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn new(layers: Vec<NamedLayer>, run: &RunConfig, architecture: &str) -> Result<Self> {
        let layers = layers.into_iter().map(ImageLayer::of).collect::<Result<_>>()?;
        let annotations = BTreeMap::new();
        Ok(Self::of(Making { layers, run, architecture, created: CREATED, annotations }))
    }

    /// Returns the image of these layers alone.
    pub fn of(making: Making<'_>) -> Self {
        let Making { layers, run, architecture, created, annotations } = making;
        let config = ConfigFile {
            created,
            architecture,
            os: "linux",
            config: run,
            rootfs: RootFs {
                kind: "layers",
                diff_ids: layers.iter().map(|layer| layer.diff_id.to_string()).collect(),
            },
            history: layers
                .iter()
                .map(|layer| History { created, created_by: &layer.title })
                .collect(),
        };
        let config = serde_json::to_vec(&config).expect("a config is plain data");
        Self::with_config(config, layers, annotations)
    }

    pub(crate) fn with_config(
        config: Vec<u8>,
        layers: Vec<ImageLayer>,
        annotations: BTreeMap<String, String>,
    ) -> Self {
        let config_descriptor = Descriptor::of(CONFIG, &config);
        let parts = layers.iter().map(|layer| layer.descriptor.clone()).collect();
        let manifest = Manifest::new(config_descriptor.clone(), parts, annotations).document();
        Self { manifest, config_descriptor, config: config.into(), layers }
    }

    /// Returns an image whose layers keep something for as long as they are used: what their bytes lie in.
    #[must_use]
    pub fn keeping(mut self, kept: Arc<dyn fmt::Debug + Send + Sync>) -> Self {
        for layer in &mut self.layers {
            let content = layer.content.clone();
            layer.content = Arc::new(Keeping { content, _kept: kept.clone() });
        }
        self
    }

    /// Returns its manifest, byte for byte.
    pub fn manifest(&self) -> &Document {
        &self.manifest
    }

    /// Returns its config, byte for byte.
    pub fn config(&self) -> &Bytes {
        &self.config
    }

    /// Returns its layers, the lowest first.
    pub fn layers(&self) -> &[ImageLayer] {
        &self.layers
    }

    /// Returns the digest of the config: what Docker's classic store names the image by.
    pub fn config_digest(&self) -> Digest {
        digest_of(&self.config)
    }

    /// Returns the size of all layers as they are stored, in bytes.
    pub fn size(&self) -> u64 {
        self.layers.iter().map(|layer| layer.descriptor.size).sum()
    }
}

/// Returns the time of `SOURCE_DATE_EPOCH` (seconds since 1970) as configs have it; `None` beyond the year 9999.
pub fn created(epoch: u64) -> Option<String> {
    let time = jiff::Timestamp::from_second(i64::try_from(epoch).ok()?).ok()?;
    Some(time.to_string())
}

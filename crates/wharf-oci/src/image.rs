//! An image of our own layers, without a base.

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use wharf_spec::digest::{Algorithm, Digest};

use crate::{error::Result, layer::Layer};

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

/// An image whose digests are known; its layers are still recipes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    pub(crate) config: Vec<u8>,
    pub(crate) layers: Vec<WrittenLayer>,
}

/// A layer whose digest is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WrittenLayer {
    pub(crate) layer: Layer,
    pub(crate) diff_id: Digest,
    pub(crate) size: u64,
}

impl Image {
    /// Reads all layers once for their digests, and returns the image. Blocks: call it on a thread of its own.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn new(layers: Vec<NamedLayer>, run: &RunConfig, architecture: &str) -> Result<Self> {
        let mut written = Vec::with_capacity(layers.len());
        let mut titles = Vec::with_capacity(layers.len());
        for NamedLayer { title, layer } in layers {
            let (diff_id, size) = layer.digest()?;
            written.push(WrittenLayer { layer, diff_id, size });
            titles.push(title);
        }
        let config = ConfigFile {
            created: CREATED,
            architecture,
            os: "linux",
            config: run,
            rootfs: RootFs {
                kind: "layers",
                diff_ids: written.iter().map(|layer| layer.diff_id.to_string()).collect(),
            },
            history: titles
                .iter()
                .map(|title| History { created: CREATED, created_by: title })
                .collect(),
        };
        let config = serde_json::to_vec(&config).expect("a config is plain data");
        Ok(Self { config, layers: written })
    }

    /// Returns the digest of the config: what Docker's classic store names the image by.
    pub fn config_digest(&self) -> Digest {
        Digest::new(Algorithm::Sha256, Sha256::digest(&self.config).into())
    }

    /// Returns the size of all layers, uncompressed, in bytes.
    pub fn size(&self) -> u64 {
        self.layers.iter().map(|layer| layer.size).sum()
    }
}

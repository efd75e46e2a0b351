//! The record of a deployment, as it lies on disk. Versioned: fields may be added, never given another meaning.

use serde::{Deserialize, Serialize};
use wharf_spec::{
    digest::Digest,
    name::{ProjectName, WorkloadName},
};

/// The version of [`DeploymentRecord`] that this wharf writes and reads.
pub const RECORD_SCHEMA: &str = "wharf.deployment/v1";

/// What was asked for last, and before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentRecord {
    /// Always [`RECORD_SCHEMA`].
    pub schema: String,
    pub project: ProjectName,
    pub name: WorkloadName,
    pub current: Release,
    /// Earlier releases, newest first; at most [`MAX_HISTORY`].
    #[serde(default)]
    pub history: Vec<Release>,
    /// Who holds the published port.
    pub port_owner: PortOwner,
}

/// How many earlier releases are remembered.
pub const MAX_HISTORY: usize = 20;

/// One version of a deployment that was running once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    pub generation: u64,
    /// What `model` names.
    #[serde(default)]
    pub source: SourceKind,
    /// Where it was taken from: a model, the folder of an app, or the name of an image.
    pub model: String,
    /// The model's file, where a file was pointed at: from the folder that the store is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Of a model only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_hash: Option<Digest>,
    /// Whether the model's files are mounted, and not in the image.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_mounted: bool,
    pub image: String,
    /// The engine's own id of the image.
    pub image_id: String,
    pub image_digest: Digest,
    pub spec_digest: Digest,
    /// The engine's own id of the container.
    pub handle: String,
    /// Host ports, as they were published.
    pub host_ports: Vec<u16>,
    /// RFC 3339, UTC.
    pub when: String,
}

/// What was deployed; records from before there was a choice are of models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    #[default]
    Model,
    /// A folder with a `Dockerfile`.
    App,
    /// An image that was in the engine.
    Image,
}

/// Who holds a service's published port: the engine for the model's own container, or a proxy in front of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PortOwner {
    Engine,
    Proxy,
}

impl DeploymentRecord {
    /// Returns the record with this release as the current one; the one before goes to the history.
    #[must_use]
    pub fn with_release(mut self, release: Release) -> Self {
        let before = std::mem::replace(&mut self.current, release);
        self.history.insert(0, before);
        self.history.truncate(MAX_HISTORY);
        self
    }
}

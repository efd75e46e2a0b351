//! Where images go, as MLEM's declarations say it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::tagged;

/// MLEM's `DockerRegistry`: the engine's own store.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LocalRegistry {}

/// MLEM's `DockerIORegistry`: Docker's own registry.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DockerIoRegistry {}

/// MLEM's `RemoteRegistry`: any other registry.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoteRegistry {
    /// Its host, with the port: `localhost:5000`.
    #[serde(default)]
    pub host: Option<String>,
}

tagged! {
    /// MLEM's kind `docker_registry`.
    pub enum Registry, "a registry", tag "type", default "local", mlem_has ["ecr", "heroku"] {
        "local" => Local(LocalRegistry),
        "docker_io" => DockerIo(DockerIoRegistry),
        "remote" => Remote(RemoteRegistry),
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::Local(LocalRegistry {})
    }
}

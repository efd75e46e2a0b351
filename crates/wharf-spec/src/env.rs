//! Where a declaration's work is done: MLEM's kind `env`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{object::AlreadyRead, registry::Registry, tagged};

/// MLEM's `DockerEnv`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DockerEnv {
    /// Where images go that do not say it themselves. Default: the engine's own store.
    #[serde(default)]
    pub registry: Registry,
    /// The engine.
    #[serde(default)]
    pub daemon: DockerDaemon,
    #[serde(default, skip_serializing)]
    #[schemars(with = "Option<String>")]
    object_type: AlreadyRead,
}

/// MLEM's `DockerDaemon`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DockerDaemon {
    /// Its address: `unix://PATH` or `tcp://HOST:PORT`. Default, and when empty: the engine that is found.
    #[serde(default)]
    pub host: String,
}

tagged! {
    /// MLEM's kind `env`.
    pub enum Env, "an env", tag "type", default "docker",
        mlem_has ["flyio", "heroku", "kubernetes", "sagemaker"] {
        "docker" => Docker(DockerEnv),
    }
}

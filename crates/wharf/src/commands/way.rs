//! The flags that say how a build goes about it.

use clap::Args;
use wharf_engine::connect::EngineChoice;
use wharf_ops::{
    build::way::{Builder, Cache, Pull, Way},
    error::{Error, Result},
};
use wharf_spec::codes;

/// By whom, and what of earlier builds is taken.
#[derive(Debug, Args)]
pub(crate) struct WayArgs {
    /// Who builds the image: `auto` (wharf itself where it can), `native` (wharf itself), `docker` or `podman`
    #[arg(long, value_name = "BUILDER", default_value = "auto")]
    builder: String,
    /// When the base image is pulled: `missing`, `always` or `never`
    #[arg(long, value_name = "WHEN", default_value = "missing")]
    pull: String,
    /// Take nothing of earlier builds
    #[arg(long)]
    no_cache: bool,
}

impl WayArgs {
    pub(crate) fn read(&self) -> Result<Way> {
        let fail = |flag: &str, error: &dyn std::fmt::Display| {
            Error::new(codes::FLAGS, format!("{flag}: {error}")).hint("write one of these words")
        };
        let builder: Builder = self.builder.parse().map_err(|error| fail("--builder", &error))?;
        let pull: Pull = self.pull.parse().map_err(|error| fail("--pull", &error))?;
        let cache = if self.no_cache { Cache::Ignore } else { Cache::Use };
        Ok(Way { builder, pull, cache })
    }

    /// Returns the engine that is asked for by name.
    pub(crate) fn engine(&self) -> EngineChoice {
        match self.builder.as_str() {
            "docker" => EngineChoice::Docker,
            "podman" => EngineChoice::Podman,
            _ => EngineChoice::Auto,
        }
    }

    /// Returns the flag that was given, of those that have no effect where nothing is built.
    pub(crate) fn given(&self) -> Option<&'static str> {
        let Way { builder, pull, cache } = self.read().unwrap_or_default();
        match () {
            () if builder != Builder::Auto => Some("--builder"),
            () if pull != Pull::Missing => Some("--pull"),
            () if cache != Cache::Use => Some("--no-cache"),
            () => None,
        }
    }
}

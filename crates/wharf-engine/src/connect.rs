//! Where an engine is looked for: what the user names, else the usual sockets, in order.
//!
//! Nothing here reads the environment: the caller says what it holds.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use wharf_spec::digest::hex;

use crate::{
    Engine,
    docker::{Docker, address::Address},
    error::{EngineError, Result},
};

/// How long an engine may take to answer when it is first asked.
const PATIENCE: Duration = Duration::from_secs(5);

/// Which engine is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EngineChoice {
    #[default]
    Auto,
    Docker,
    Podman,
}

/// What decides which engine is used.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConnectSettings {
    /// `DOCKER_HOST`, or a flag.
    pub docker_host: Option<String>,
    /// The address that Docker's current context names; see [`context_host`].
    pub context_host: Option<String>,
    /// `XDG_RUNTIME_DIR`, where engines without root have their sockets.
    pub runtime_dir: Option<PathBuf>,
    /// The user's home, where rootless Docker may have its socket.
    pub home: Option<PathBuf>,
    pub engine: EngineChoice,
}

/// Finds an engine and agrees with it on a version.
///
/// An address that the user names is the only one tried. Among the usual sockets the first that works is taken;
/// if none does, the error is that of the first that is there.
///
/// # Errors
/// One each for: none found, permission refused, no answer, no common version, an address that cannot be used.
pub async fn connect(settings: &ConnectSettings) -> Result<Arc<dyn Engine>> {
    connect_within(settings, PATIENCE).await
}

async fn connect_within(settings: &ConnectSettings, patience: Duration) -> Result<Arc<dyn Engine>> {
    let mut looked = Vec::new();
    let mut first_error = None;
    for address in candidates(settings)? {
        match Docker::open(&address, patience).await.and_then(|found| wanted(settings, found)) {
            Ok(docker) => return Ok(Arc::new(docker)),
            Err(EngineError::Missing { .. }) => looked.push(address.to_string()),
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    Err(first_error.unwrap_or(EngineError::Missing { looked }))
}

/// Refuses an engine of another kind than the one that was asked for.
fn wanted(settings: &ConnectSettings, found: Docker) -> Result<Docker> {
    let asked = match settings.engine {
        EngineChoice::Auto => return Ok(found),
        EngineChoice::Docker => "docker",
        EngineChoice::Podman => "podman",
    };
    if found.name() == asked {
        return Ok(found);
    }
    let why = format!("{} answers there, and `{asked}` is asked for", found.name());
    Err(EngineError::Host { host: found.about().address.clone(), why })
}

fn candidates(settings: &ConnectSettings) -> Result<Vec<Address>> {
    if let Some(named) = settings.docker_host.as_ref().or(settings.context_host.as_ref()) {
        return Ok(vec![named.parse()?]);
    }
    let own = |name: &str| settings.runtime_dir.as_ref().map(|folder| folder.join(name));
    let at_home = settings.home.as_ref().map(|home| home.join(".docker/run/docker.sock"));
    let docker = [Some("/var/run/docker.sock".into()), own("docker.sock"), at_home];
    let podman = [Some("/run/podman/podman.sock".into()), own("podman/podman.sock")];
    let paths: Vec<Option<PathBuf>> = match settings.engine {
        EngineChoice::Auto => docker.into_iter().chain(podman).collect(),
        EngineChoice::Docker => docker.into(),
        EngineChoice::Podman => podman.into(),
    };
    Ok(paths.into_iter().flatten().map(Address::Unix).collect())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DockerConfig {
    current_context: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ContextMeta {
    #[serde(default)]
    endpoints: Endpoints,
}

#[derive(Deserialize, Default)]
struct Endpoints {
    docker: Option<DockerEndpoint>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerEndpoint {
    host: Option<String>,
}

/// Returns the address of a Docker context: the one named, else the current one of `config.json`.
///
/// `None` where there is no context, or it is `default`, which stands for the usual socket.
///
/// # Errors
/// When the context is not there, or its files cannot be read.
pub fn context_host(docker_config_dir: &Path, context: Option<&str>) -> Result<Option<String>> {
    let name = match context {
        Some(name) => Some(name.to_owned()),
        None => read::<DockerConfig>(&docker_config_dir.join("config.json"))?
            .and_then(|config| config.current_context),
    };
    let Some(name) = name.filter(|name| !name.is_empty() && name != "default") else {
        return Ok(None);
    };
    let folder = hex(&Sha256::digest(name.as_bytes()));
    let path = docker_config_dir.join("contexts/meta").join(folder).join("meta.json");
    let meta: ContextMeta = read(&path)?.ok_or_else(|| EngineError::Host {
        host: name.clone(),
        why: format!("there is no such Docker context in {}", docker_config_dir.display()),
    })?;
    Ok(meta.endpoints.docker.and_then(|endpoint| endpoint.host))
}

/// Reads a file of Docker's command; `None` when it is not there.
fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<T>> {
    let unreadable = |why: String| EngineError::Host { host: path.display().to_string(), why };
    match fs::read(path) {
        Ok(text) => serde_json::from_slice(&text)
            .map(Some)
            .map_err(|error| unreadable(format!("Docker's settings cannot be read: {error}"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(format!("Docker's settings cannot be read: {error}"))),
    }
}

#[cfg(test)]
mod tests;

//! What talking to registries needs of this machine's settings: credentials, certificates, proxies.

use std::path::{Path, PathBuf};

use wharf_net::client::{Client, Pem, Proxy, Roots, Settings};
use wharf_oci::keychain::Keychain;
use wharf_ops::error::{Error, Result};
use wharf_spec::codes;

use super::{Env, xdg};
use crate::env_vars;

/// Returns where credentials lie. `wharf login` writes the first file, so that what it writes is what is found.
pub(super) fn keychain(env: &Env) -> Keychain {
    let home = env.path(env_vars::HOME);
    let docker = env
        .path(env_vars::DOCKER_CONFIG)
        .or_else(|| home.map(|home| home.join(".docker")))
        .map(|folder| folder.join("config.json"));
    let podman = |folder: PathBuf| folder.join("containers/auth.json");
    let runtime = env.path(env_vars::XDG_RUNTIME_DIR).map(podman);
    let settings = podman(xdg(env, env_vars::XDG_CONFIG_HOME, ".config"));
    let named = env.path(env_vars::REGISTRY_AUTH_FILE);
    let files = named.into_iter().chain(docker).chain(runtime).chain([settings]).collect();
    let path = env.get(env_vars::PATH).unwrap_or_default();
    Keychain { files, programs: std::env::split_paths(path).collect() }
}

/// Returns a client that believes and goes through whatever the user and this machine say.
pub(super) fn client(env: &Env, ca: Option<&Path>) -> Result<Client> {
    let bundle = env.path(env_vars::SSL_CERT_FILE);
    let roots = Roots {
        bundle: bundle.as_deref().map(pem).transpose()?,
        extra: ca.map(pem).transpose()?.into_iter().collect(),
    };
    let proxy = Proxy {
        http: env.either_case(env_vars::HTTP_PROXY),
        https: env.either_case(env_vars::HTTPS_PROXY),
        except: env.either_case(env_vars::NO_PROXY),
    };
    Client::new(&Settings { roots, proxy }).map_err(|error| {
        Error::new(codes::FLAGS, error.to_string())
            .hint("correct `--ca`, or the variable: SSL_CERT_FILE, HTTPS_PROXY, HTTP_PROXY")
    })
}

pub(super) fn pem(path: &Path) -> Result<Pem> {
    let bytes = std::fs::read(path).map_err(|error| Error::file("read", path, error))?;
    Ok(Pem { name: path.display().to_string(), bytes })
}

//! Which registry: its name as people write it, and where its API is.

use std::{fmt, str::FromStr};

use wharf_spec::reference::{ParseReferenceError, Reference};

/// Docker's own registry has a name of its own for users, API and credentials.
const DOCKER_HUB: &str = "docker.io";

/// The host of a registry, with its port if it has one: `localhost:5000`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryHost(String);

impl RegistryHost {
    /// Returns the registry of an image, Docker's own where none is named.
    pub fn of(reference: &Reference) -> Self {
        match reference.host() {
            Some("index.docker.io" | "registry-1.docker.io") | None => Self(DOCKER_HUB.to_owned()),
            Some(host) => Self(host.to_owned()),
        }
    }

    /// Returns the host as people write it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns where its API is.
    pub fn api(&self) -> &str {
        if self.is_docker_hub() { "registry-1.docker.io" } else { &self.0 }
    }

    /// Returns the name that its credentials are kept under.
    pub fn key(&self) -> &str {
        if self.is_docker_hub() { "https://index.docker.io/v1/" } else { &self.0 }
    }

    pub(crate) fn is_docker_hub(&self) -> bool {
        self.0 == DOCKER_HUB
    }

    /// Returns the repository of an image as the API names it.
    pub fn repository(&self, reference: &Reference) -> String {
        let path = reference.path();
        if self.is_docker_hub() && !path.contains('/') {
            format!("library/{path}")
        } else {
            path.to_owned()
        }
    }
}

/// Why a text names no registry.
#[derive(Debug, thiserror::Error)]
pub enum ParseHostError {
    #[error("`{0}` is not the host of a registry: write `HOST` or `HOST:PORT`")]
    Form(String),
    #[error("the host of the registry cannot be read")]
    Reference(#[source] ParseReferenceError),
}

impl FromStr for RegistryHost {
    type Err = ParseHostError;

    fn from_str(text: &str) -> Result<Self, ParseHostError> {
        let host = text.strip_prefix("https://").unwrap_or(text).trim_end_matches('/');
        if host.contains(['/', '@']) {
            return Err(ParseHostError::Form(text.to_owned()));
        }
        let reference: Reference =
            format!("{host}/x").parse().map_err(ParseHostError::Reference)?;
        if reference.host().is_none() {
            return Err(ParseHostError::Form(text.to_owned()));
        }
        Ok(Self::of(&reference))
    }
}

impl fmt::Display for RegistryHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(reference: &str, api: &str, repository: &str) {
        let reference: Reference = reference.parse().unwrap();
        let host = RegistryHost::of(&reference);
        assert_eq!((host.api(), host.repository(&reference).as_str()), (api, repository));
    }

    #[test]
    fn dockers_own_registry_is_the_default() {
        check("iris:1", "registry-1.docker.io", "library/iris");
        check("me/iris:1", "registry-1.docker.io", "me/iris");
        check("docker.io/iris", "registry-1.docker.io", "library/iris");
        check("localhost:5000/iris", "localhost:5000", "iris");
    }

    #[test]
    fn hosts_are_read_as_people_write_them() {
        let key = |text: &str| text.parse::<RegistryHost>().map(|host| host.key().to_owned()).ok();
        assert_eq!(key("localhost:5000").as_deref(), Some("localhost:5000"));
        assert_eq!(key("https://reg.example/").as_deref(), Some("reg.example"));
        assert_eq!(key("docker.io").as_deref(), Some("https://index.docker.io/v1/"));
        for text in ["", "reg", "reg.example/iris", "me@reg.example", "a b.c", "http://x.y"] {
            assert_eq!(key(text), None, "{text}");
        }
    }
}

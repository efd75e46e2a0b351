//! Who builds an image, and what of earlier builds and of the engine's store may be taken.

use std::{fmt, str::FromStr};

/// Who builds an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Builder {
    /// wharf itself where it can, else the engine that is found.
    #[default]
    Auto,
    /// wharf itself.
    Native,
    /// Docker, from a Dockerfile.
    Docker,
    /// Podman, from a Dockerfile.
    Podman,
}

/// When a base image is pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pull {
    /// When the engine does not have it.
    #[default]
    Missing,
    Always,
    Never,
}

/// Whether what was built before is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cache {
    #[default]
    Use,
    Ignore,
}

/// How a build goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Way {
    pub builder: Builder,
    pub pull: Pull,
    pub cache: Cache,
}

/// Why a text is none of the words that a flag takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is none of {known}")]
pub struct ParseWayError {
    text: String,
    known: &'static str,
}

impl ParseWayError {
    pub(super) fn new(text: &str, known: &'static str) -> Self {
        Self { text: text.to_owned(), known }
    }
}

impl Builder {
    /// Says whether an engine is asked for where wharf could do without.
    pub const fn is_engine(self) -> bool {
        matches!(self, Self::Docker | Self::Podman)
    }
}

impl fmt::Display for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Native => "native",
            Self::Docker => "docker",
            Self::Podman => "podman",
        })
    }
}

impl FromStr for Builder {
    type Err = ParseWayError;

    fn from_str(text: &str) -> Result<Self, ParseWayError> {
        let known = "`auto`, `native`, `docker` and `podman`";
        match text {
            "auto" => Ok(Self::Auto),
            "native" => Ok(Self::Native),
            "docker" => Ok(Self::Docker),
            "podman" => Ok(Self::Podman),
            _ => Err(ParseWayError::new(text, known)),
        }
    }
}

impl FromStr for Pull {
    type Err = ParseWayError;

    fn from_str(text: &str) -> Result<Self, ParseWayError> {
        match text {
            "missing" => Ok(Self::Missing),
            "always" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            _ => Err(ParseWayError::new(text, "`missing`, `always` and `never`")),
        }
    }
}

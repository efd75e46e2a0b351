//! What can go wrong with a registry, with code and advice.

use wharf_net::error::NetError;
use wharf_spec::{
    codes,
    digest::Digest,
    error::{Code, Explain},
};

use crate::{error::OciError, keychain::KeychainError};

pub type Result<T, E = RegistryError> = std::result::Result<T, E>;

/// One variant for each thing that a caller can do something about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    #[error("the registry `{host}` cannot be reached")]
    Network {
        host: String,
        #[source]
        source: NetError,
    },
    #[error("the registry refused the credentials")]
    Credentials {
        host: String,
        #[source]
        source: Refusal,
    },
    #[error("the registry wants credentials, and there are none for `{host}`")]
    NoCredentials {
        host: String,
        #[source]
        source: Refusal,
    },
    #[error("the registry does not allow this")]
    Forbidden {
        host: String,
        #[source]
        source: Refusal,
    },
    #[error("the registry does not know this")]
    NotFound {
        host: String,
        #[source]
        source: Refusal,
    },
    #[error("the registry has had too many requests")]
    TooMany {
        host: String,
        #[source]
        source: Refusal,
    },
    #[error("the registry cannot do this now")]
    Refused {
        host: String,
        #[source]
        source: Refusal,
    },
    #[error("the registry takes no attachments")]
    NoAttachments {
        host: String,
        #[source]
        source: Refusal,
    },
    #[error("the registry sends wharf elsewhere: its {what} is at {to}, not at {host}")]
    Elsewhere { host: String, what: &'static str, to: String },
    #[error("the registry's {what} cannot be used: {why}")]
    Answer { host: String, what: &'static str, why: String },
    #[error("the registry's {what} is larger than {limit} bytes")]
    TooLarge { host: String, what: &'static str, limit: usize },
    #[error("the registry does not remove images")]
    NoDeletion { host: String },
    #[error("the registry holds {found} where {expected} was asked for")]
    Digest { host: String, expected: Digest, found: Digest },
    #[error("the credentials of the registry cannot be read")]
    Keychain(#[source] KeychainError),
    #[error("the image cannot be read")]
    Image(#[source] OciError),
}

/// What a registry said instead of doing it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{status} from {url}{said}")]
pub struct Refusal {
    pub(crate) status: u16,
    pub(crate) url: String,
    /// Its own words after a colon, or nothing.
    pub(crate) said: String,
}

impl Refusal {
    /// Says whether blobs are missed that a manifest names (distribution-spec, "Error Codes").
    pub(crate) fn misses_blobs(&self) -> bool {
        self.said.contains("MANIFEST_BLOB_UNKNOWN")
    }
}

impl RegistryError {
    /// Returns the right error for an answer that is none of those expected.
    pub(crate) fn refused(host: &str, has_credentials: bool, source: Refusal) -> Self {
        let host = host.to_owned();
        match source.status {
            401 if has_credentials => Self::Credentials { host, source },
            401 => Self::NoCredentials { host, source },
            403 => Self::Forbidden { host, source },
            404 => Self::NotFound { host, source },
            429 => Self::TooMany { host, source },
            _ => Self::Refused { host, source },
        }
    }

    pub(crate) fn network(host: &str, what: &'static str, source: NetError) -> Self {
        let host = host.to_owned();
        match source {
            NetError::TooLarge { limit, .. } => Self::TooLarge { host, what, limit },
            NetError::NotPublic { origin, .. } => {
                Self::Elsewhere { host, what, to: origin.to_string() }
            }
            source => Self::Network { host, source },
        }
    }
}

impl Explain for RegistryError {
    fn code(&self) -> Code {
        match self {
            Self::Network { source, .. } => match source {
                NetError::Certificate { .. } | NetError::NotTls { .. } => codes::REGISTRY_TLS,
                _ => codes::REGISTRY_UNREACHABLE,
            },
            Self::Credentials { .. } | Self::NoCredentials { .. } => codes::REGISTRY_CREDENTIALS,
            Self::Forbidden { .. } | Self::NoDeletion { .. } => codes::REGISTRY_FORBIDDEN,
            Self::NotFound { .. } => codes::REGISTRY_NOT_FOUND,
            Self::TooMany { .. } => codes::REGISTRY_BUSY,
            Self::NoAttachments { .. } => codes::NO_ATTACHMENTS,
            Self::Elsewhere { .. } => codes::REGISTRY_ELSEWHERE,
            Self::Refused { .. }
            | Self::Answer { .. }
            | Self::TooLarge { .. }
            | Self::Digest { .. } => codes::REGISTRY_ANSWER,
            Self::Keychain(_) => codes::CREDENTIALS,
            Self::Image(error) => error.code(),
        }
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Network { host, source } => network_hint(host, source),
            Self::Credentials { host, .. } | Self::NoCredentials { host, .. } => {
                format!("run `wharf login {host}`")
            }
            Self::Forbidden { host, .. } => format!(
                "ask the owner of the repository for the right to write, or run `wharf login {host}` as somebody who has it"
            ),
            Self::NotFound { .. } => {
                "look for a slip in the name; some registries want a repository to be made first"
                    .to_owned()
            }
            Self::TooMany { host, .. } => format!(
                "wait a while; registries often allow more to those who `wharf login {host}`"
            ),
            Self::NoAttachments { .. } => {
                "push without SBOM and provenance, `--no-sbom`, or use a registry that keeps them"
                    .to_owned()
            }
            Self::Elsewhere { what: "token server", to, .. } => format!(
                "if you trust that server with your password, say so: `--token-host {}`",
                host_of(to)
            ),
            Self::Elsewhere { what: "storage of blobs", to, .. } => format!(
                "if that is where the registry keeps its blobs, allow it: `--storage-host {}`",
                host_of(to)
            ),
            Self::Elsewhere { .. } => {
                "wharf stays with the host that you named; name the other one if it is the registry"
                    .to_owned()
            }
            Self::Keychain(error) => error.hint(),
            Self::Refused { .. }
            | Self::Answer { .. }
            | Self::TooLarge { .. }
            | Self::Digest { .. } => {
                "is it a registry? `curl -i https://HOST/v2/` shows how it answers".to_owned()
            }
            Self::NoDeletion { .. } => {
                "have who runs the registry allow it (`storage.delete.enabled: true` in its configuration)"
                    .to_owned()
            }
            Self::Image(error) => return error.hints(),
        };
        vec![hint]
    }
}

fn network_hint(host: &str, source: &NetError) -> String {
    match source {
        NetError::Certificate { source, .. } if source.to_string().contains("CaUsedAsEndEntity") => {
            "the certificate is an authority's own: have the authority sign one for the host (`basicConstraints=CA:FALSE`), and name the authority with `--ca FILE`".to_owned()
        }
        NetError::Certificate { source, .. } if source.to_string().contains("not valid for name") => {
            "name the registry as its certificate does, or look who answers in its place".to_owned()
        }
        NetError::Certificate { .. } => {
            "name the file of the authority that signed it: `--ca FILE`, or SSL_CERT_FILE"
                .to_owned()
        }
        NetError::NotTls { .. } => format!(
            "if `{host}` is in a network that you trust, go on without encryption: `--plain-http`"
        ),
        NetError::ProxyPassword { .. } => {
            "correct the proxy's address, in which `@` is written `%40`: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT".to_owned()
        }
        _ => "look for a slip in the host's name, and whether a proxy is needed (HTTPS_PROXY)"
            .to_owned(),
    }
}

/// The host of an origin: `auth.example` of `https://auth.example:443`.
fn host_of(origin: &str) -> &str {
    let rest = origin.split_once("://").map_or(origin, |(_, rest)| rest);
    rest.rsplit_once(':').map_or(rest, |(host, _)| host)
}

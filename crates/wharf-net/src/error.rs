//! Why there is no answer.

use crate::address::Origin;

/// One variant for each thing that a caller can do something about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetError {
    #[error("`{url}` is not an address that wharf can ask: write `http://HOST:PORT/PATH`")]
    Address { url: String },
    #[error("could not reach {url}")]
    Unreachable {
        url: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("{url} shows a certificate that is not trusted")]
    Certificate {
        url: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("{url} does not speak TLS")]
    NotTls { url: String },
    #[error("{origin} is not in the public network")]
    NotPublic {
        origin: Origin,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the proxy on the way to {url} wants another user or password")]
    ProxyPassword { url: String },
    #[error("{url} did not answer within {secs} s")]
    Timeout { url: String, secs: u64 },
    #[error("the answer of {url} is larger than {limit} bytes")]
    TooLarge { url: String, limit: usize },
    #[error("`{text}` holds no certificate in PEM form")]
    Roots { text: String },
    #[error("`{text}` is not the address of a proxy")]
    Proxy { text: String },
}

impl NetError {
    /// Says whether asking again may help: the connection broke, or nobody answered in time.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Timeout { .. })
    }
}

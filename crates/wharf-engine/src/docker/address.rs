//! The address of an engine: `unix://PATH` or `tcp://HOST:PORT`.

use std::{fmt, io, path::PathBuf, str::FromStr};

use tokio::net::{TcpStream, UnixStream};

use crate::error::{EngineError, Result};

/// Where an engine listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    Unix(PathBuf),
    Tcp {
        /// A name or an address; IPv6 in brackets.
        host: String,
        port: u16,
    },
}

/// What Docker's command takes for `tcp://HOST`.
const PLAIN_PORT: u16 = 2375;
/// By convention a daemon speaks TLS there.
const TLS_PORT: u16 = 2376;

impl FromStr for Address {
    type Err = EngineError;

    fn from_str(text: &str) -> Result<Self> {
        let fail =
            |why: &str| Err(EngineError::Host { host: text.to_owned(), why: why.to_owned() });
        let Some((scheme, rest)) = text.split_once("://") else {
            return fail("it has no scheme such as `unix://`");
        };
        match scheme {
            "unix" if rest.starts_with('/') => Ok(Self::Unix(rest.into())),
            "unix" => fail("a socket needs an absolute path: `unix:///PATH`"),
            "tcp" => tcp(rest).map_or_else(fail, Ok),
            "ssh" => fail(
                "wharf does not speak ssh; forward the socket: `ssh -L PATH:/var/run/docker.sock HOST`",
            ),
            "npipe" => fail("named pipes are Windows' own"),
            "https" => fail("wharf does not speak TLS with an engine; forward its socket over ssh"),
            _ => fail("wharf speaks `unix://` and `tcp://`"),
        }
    }
}

fn tcp(rest: &str) -> Result<Address, &'static str> {
    let rest = rest.trim_end_matches('/');
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            (host, port.parse().map_err(|_| "its port is not a number up to 65535")?)
        }
        _ => (rest, PLAIN_PORT),
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if bare.is_empty() || !bare.chars().all(allowed) || (bare == host && host.contains(':')) {
        return Err("it names no host: `tcp://HOST:PORT`");
    }
    if port == TLS_PORT {
        return Err("wharf does not speak TLS with an engine, and 2376 is the port for it");
    }
    Ok(Address::Tcp { host: host.to_owned(), port })
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { host, port } => write!(f, "tcp://{host}:{port}"),
        }
    }
}

impl Address {
    /// Returns the name under which published ports are reached.
    pub(crate) fn host(&self) -> &str {
        match self {
            Self::Unix(_) => "127.0.0.1",
            Self::Tcp { host, .. } => host,
        }
    }

    /// Opens a connection and closes it, to tell apart why one cannot be had. Returns the process that listens,
    /// where the kernel knows it.
    pub(crate) async fn knock(&self) -> Result<Option<i32>> {
        let opened = match self {
            Self::Unix(path) => {
                let stream = UnixStream::connect(path).await;
                stream.and_then(|stream| stream.peer_cred()).map(|peer| peer.pid())
            }
            Self::Tcp { host, port } => {
                TcpStream::connect(format!("{host}:{port}")).await.map(|_| None)
            }
        };
        let address = self.to_string();
        opened.map_err(|error| match (self, error.kind()) {
            (Self::Unix(_), io::ErrorKind::NotFound) => {
                EngineError::Missing { looked: vec![address] }
            }
            (_, io::ErrorKind::PermissionDenied) => {
                EngineError::Denied { address, source: error.into() }
            }
            _ => EngineError::Silent { address, source: error.into() },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_back() {
        for (text, expect) in [
            ("unix:///var/run/docker.sock", "unix:///var/run/docker.sock"),
            ("tcp://10.0.0.2:2375", "tcp://10.0.0.2:2375"),
            ("tcp://engine.example", "tcp://engine.example:2375"),
            ("tcp://[::1]:4243/", "tcp://[::1]:4243"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), expect);
        }
    }

    #[test]
    fn a_refused_address_says_why() {
        let why = |text: &str| text.parse::<Address>().unwrap_err().to_string();
        insta::assert_snapshot!(why("ssh://me@engine"), @"`ssh://me@engine` cannot be used as an engine's address: wharf does not speak ssh; forward the socket: `ssh -L PATH:/var/run/docker.sock HOST`");
        insta::assert_snapshot!(why("tcp://engine:2376"), @"`tcp://engine:2376` cannot be used as an engine's address: wharf does not speak TLS with an engine, and 2376 is the port for it");
        for text in [
            "",
            "docker",
            "unix://run",
            "tcp://",
            "tcp://:1",
            "tcp://a:99999",
            "tcp://a b:1",
            "tcp://::1:2",
            "npipe://x",
            "https://a",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text} passed");
        }
    }
}

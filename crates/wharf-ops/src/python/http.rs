//! Requests to indexes: signed with the credentials of their own origin only, through a few redirects.

use wharf_net::{
    address::{Address, Origin},
    client::{Client, Method, Request, Response},
    error::NetError,
    retry::{self, ATTEMPTS},
};
use wharf_spec::secret::Secret;

use super::index;

/// How many redirects are followed.
const REDIRECTS: usize = 5;

/// Why something was not had from an index.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error(transparent)]
    Net(#[from] NetError),
    #[error("{url} answers with status {status}")]
    Status { url: String, status: u16, retry_after: Option<String> },
    #[error("{url} leads on more than {REDIRECTS} times")]
    Redirects { url: String },
    #[error("{url} leads from encryption to plain HTTP")]
    Downgrade { url: String },
    #[error("the answer of {url} is larger than the {size} bytes that it should have")]
    TooLarge { url: String, size: u64 },
    #[error("could not write what was received")]
    Write(#[from] std::io::Error),
}

impl FetchError {
    /// Returns how long to wait before the next attempt; `None` where it would not help.
    pub(super) fn pause(&self, attempt: u32) -> Option<std::time::Duration> {
        let retry_after = match self {
            Self::Net(error) if error.is_passing() => None,
            Self::Status { status, retry_after, .. } if retry::is_passing(*status) => {
                retry_after.as_deref()
            }
            _ => return None,
        };
        (attempt < ATTEMPTS).then(|| retry::pause(attempt, retry_after))
    }

    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }
}

/// A client that knows whose credentials are whose.
pub(super) struct Http<'a> {
    client: &'a Client,
    credentials: Vec<(Origin, Secret<String>)>,
}

impl<'a> Http<'a> {
    /// Takes the credentials out of addresses; of one origin, the first ones hold.
    pub(super) fn new<'b>(client: &'a Client, addresses: impl Iterator<Item = &'b str>) -> Self {
        let signed = addresses.filter_map(index::signed);
        let credentials =
            signed.filter_map(|signed| Some((signed.address.origin(), signed.authorization?)));
        Self { client, credentials: credentials.collect() }
    }

    /// Asks once and follows redirects; an answer that is no success is an error.
    pub(super) async fn get(
        &self,
        address: &Address,
        headers: &[(&'static str, &str)],
    ) -> Result<Response, FetchError> {
        let mut at = address.clone();
        for _ in 0..=REDIRECTS {
            let mut request = Request::new(Method::Get, at.clone());
            for (name, value) in headers {
                request = request.header(name, value);
            }
            if let Some(authorization) = self.authorization(&at) {
                request = request.authorization(authorization);
            }
            let answer = self.client.send(request).await?;
            match (answer.status(), answer.header("location")) {
                (200..=299, _) => return Ok(answer),
                (301 | 302 | 303 | 307 | 308, Some(location)) => {
                    let next = at.join(location)?;
                    if at.is_https() && !next.is_https() {
                        return Err(FetchError::Downgrade { url: at.to_string() });
                    }
                    at = next;
                }
                (status, _) => {
                    let retry_after = answer.header("retry-after").map(str::to_owned);
                    return Err(FetchError::Status { url: at.to_string(), status, retry_after });
                }
            }
        }
        Err(FetchError::Redirects { url: address.to_string() })
    }

    fn authorization(&self, address: &Address) -> Option<&str> {
        let origin = address.origin();
        let found = self.credentials.iter().find(|(owner, _)| *owner == origin);
        found.map(|(_, authorization)| authorization.expose().as_str())
    }
}

//! The HTTP client of wharf: the one place that opens connections to servers other than an engine.
//!
//! So far it talks plain HTTP to model servers, one request to a connection; what is read is capped while it is read.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Method, Request, StatusCode, Uri, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// The largest answer that is read, in bytes.
const MAX_ANSWER: usize = 32 << 20;

/// An answer, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: Bytes,
}

impl Answer {
    /// Says whether the status is of the 200s.
    pub fn is_success(&self) -> bool {
        StatusCode::from_u16(self.status).is_ok_and(|status| status.is_success())
    }
}

/// Why there is no answer.
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
    #[error("{url} did not answer within {secs} s")]
    Timeout { url: String, secs: u64 },
}

/// Sends a JSON body and reads the answer.
///
/// # Errors
/// When the address is none, nobody is there, or the answer takes longer than `patience`.
pub async fn post_json(url: &str, body: Bytes, patience: Duration) -> Result<Answer, NetError> {
    match tokio::time::timeout(patience, post(url, body)).await {
        Ok(answer) => answer,
        Err(_) => Err(NetError::Timeout { url: url.to_owned(), secs: patience.as_secs() }),
    }
}

async fn post(url: &str, body: Bytes) -> Result<Answer, NetError> {
    let wrong = || NetError::Address { url: url.to_owned() };
    let uri: Uri = url.parse().map_err(|_| wrong())?;
    if uri.scheme_str() != Some("http") {
        return Err(wrong());
    }
    let host = uri.host().ok_or_else(wrong)?.trim_matches(['[', ']']).to_owned();
    let authority = uri.authority().ok_or_else(wrong)?.to_string();
    let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(header::HOST, authority)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(body))
        .map_err(|_| wrong())?;
    exchange(&host, uri.port_u16().unwrap_or(80), request)
        .await
        .map_err(|source| NetError::Unreachable { url: url.to_owned(), source })
}

async fn exchange(
    host: &str,
    port: u16,
    request: Request<Full<Bytes>>,
) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect((host, port)).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let asking = async move {
        let answer = sender.send_request(request).await?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await?.to_bytes();
        Ok(Answer { status, body })
    };
    // The connection must be driven while we ask; its own end says nothing new.
    let (answer, _) = tokio::join!(asking, connection);
    answer
}

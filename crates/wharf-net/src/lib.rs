//! The HTTP client of wharf: the one place that opens connections to servers other than an engine.
//!
//! It follows no redirect by itself and reads no answer without a limit: whoever asks decides where to go on, and how
//! much to read.
//!
//! - [`address`]: where to ask, and which addresses are of one origin;
//! - [`client`]: requests, answers, and the roots and proxy that they are made with;
//! - [`error`]: why there is no answer; [`retry`]: when to ask again; `public`: hosts that only others have named.

pub mod address;

pub mod client;

pub mod error;

pub mod retry;

mod tls;

mod public;

use std::time::Duration;

use bytes::Bytes;

use crate::{
    address::Address,
    client::{Body, Client, Method, Request, Settings},
    error::NetError,
};

/// The largest answer of a model server that is read, in bytes.
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
        (200..300).contains(&self.status)
    }
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
    let address: Address = url.parse()?;
    let client = Client::new(&Settings::default())?;
    let request = Request::new(Method::Post, address)
        .header("content-type", "application/json")
        .body(Body::Bytes(body));
    let response = client.send(request).await?;
    let status = response.status();
    Ok(Answer { status, body: response.bytes(MAX_ANSWER).await? })
}

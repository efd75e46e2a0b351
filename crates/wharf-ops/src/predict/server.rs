//! The model server that is asked.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde_json::Value;
use wharf_net::{
    client::{Body, Client, Method, Request, Response, Settings},
    error::NetError,
};
use wharf_spec::codes;

use crate::error::{Error, Result};

/// The largest answer that is read, in bytes.
const MAX_ANSWER: usize = 64 << 20;

/// Says how many bytes of a body are JSON; the rest are tensors.
const JSON_LENGTH: &str = "inference-header-content-length";

/// A model server, and how long its answers may take.
#[derive(Debug)]
pub struct Server {
    client: Client,
    /// Ends with `/`.
    base: String,
    patience: Duration,
    retries: AtomicU64,
}

/// The body of a request or an answer: JSON, and maybe tensors behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) body: Bytes,
    /// How many bytes of it are JSON, where not all of them are.
    pub(super) json_length: Option<usize>,
}

impl Server {
    /// Returns the server at an address.
    ///
    /// # Errors
    /// When there can be no client.
    pub fn new(address: &str, patience: Duration) -> Result<Self> {
        let client = Client::new(&Settings::default()).map_err(no_answer)?;
        let base = format!("{}/", address.trim_end_matches('/'));
        Ok(Self { client, base, patience, retries: AtomicU64::new(0) })
    }

    /// Calls a method with a JSON body, once.
    ///
    /// # Errors
    /// When nobody answers in time, or the server gives no prediction.
    pub async fn call(&self, method: &str, body: Bytes) -> Result<Bytes> {
        let message = Message { body, json_length: None };
        let answer = self.once(Method::Post, method, &message).await?;
        answer.prediction().map(|message| message.body)
    }

    /// Returns a document of the server.
    pub(super) async fn document(&self, method: Method, path: &str) -> Result<Bytes> {
        let nothing = Message { body: Bytes::new(), json_length: None };
        self.patiently(method, path, &nothing).await.map(|message| message.body)
    }

    /// Asks for a prediction; more than once where the server says that it has not begun with it.
    pub(super) async fn infer(&self, path: &str, message: &Message) -> Result<Message> {
        self.patiently(Method::Post, path, message).await
    }

    /// Returns how often the server was asked again.
    pub(super) fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }

    async fn patiently(&self, method: Method, path: &str, message: &Message) -> Result<Message> {
        let began = Instant::now();
        loop {
            let answer = self.once(method, path, message).await?;
            let Some(pause) = answer.pause.filter(|_| began.elapsed() < self.patience) else {
                return answer.prediction();
            };
            self.retries.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(pause).await;
        }
    }

    async fn once(&self, method: Method, path: &str, message: &Message) -> Result<Answer> {
        let url = format!("{}{path}", self.base);
        let asked = tokio::time::timeout(self.patience, self.ask(method, &url, message));
        let answer = asked.await.unwrap_or_else(|_| {
            Err(NetError::Timeout { url: url.clone(), secs: self.patience.as_secs() })
        });
        answer.map_err(no_answer)
    }

    async fn ask(&self, method: Method, url: &str, message: &Message) -> Result<Answer, NetError> {
        let mut request = Request::new(method, url.parse()?);
        if method == Method::Post {
            request = match message.json_length {
                Some(length) => request
                    .header("content-type", "application/octet-stream")
                    .header(JSON_LENGTH, &length.to_string()),
                None => request.header("content-type", "application/json"),
            };
            request = request.body(Body::Bytes(message.body.clone()));
        }
        let response = self.client.send(request).await?;
        Ok(Answer {
            url: url.to_owned(),
            status: response.status(),
            pause: pause(&response),
            json_length: response.header(JSON_LENGTH).and_then(|length| length.parse().ok()),
            body: response.bytes(MAX_ANSWER).await?,
        })
    }
}

/// Returns how long to wait before the same is asked again: a 503 that says when is of a server that did nothing yet.
fn pause(response: &Response) -> Option<Duration> {
    /// What a server may demand at most.
    const LONGEST: u64 = 10;
    let after = response.header("retry-after").filter(|_| response.status() == 503)?;
    Some(Duration::from_secs(after.parse().unwrap_or(1).min(LONGEST)))
}

/// An answer, whatever its status.
struct Answer {
    url: String,
    status: u16,
    pause: Option<Duration>,
    json_length: Option<usize>,
    body: Bytes,
}

impl Answer {
    /// Returns the body of a good answer, else why there is none, in the server's own words.
    fn prediction(self) -> Result<Message> {
        if (200..300).contains(&self.status) {
            return Ok(Message { body: self.body, json_length: self.json_length });
        }
        let body: Value = serde_json::from_slice(&self.body).unwrap_or(Value::Null);
        let word = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
        let why = word("error").unwrap_or_else(|| format!("HTTP status {}", self.status));
        let action = format!("{} gave no prediction", self.url);
        let error = Error::new(codes::PREDICT_REFUSED, action).because(why);
        Err(match word("hint") {
            Some(hint) => error.hint(hint),
            None => error,
        })
    }
}

fn no_answer(error: NetError) -> Error {
    let code = match &error {
        NetError::Address { .. } => codes::FLAGS,
        NetError::Timeout { .. } => codes::PREDICT_TIMEOUT,
        _ => codes::SERVICE_SILENT,
    };
    let action = error.to_string();
    let deeper = std::error::Error::source(&error).map(ToString::to_string);
    let own = Error::new(code, action).hint("see what runs with `wharf ps`");
    match deeper {
        Some(deeper) => own.because(deeper),
        None => own,
    }
}

//! One request to the engine over a connection of its own, for what the client library cannot read: the headers of
//! `/_ping`, and the stream of BuildKit.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::BoxStream};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Frame, Incoming},
    client::conn::http1,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    task::JoinSet,
};
use wharf_spec::error::Source;

use super::address::Address;

/// The most bytes of a refusal that are read.
const MOST_WORDS: usize = 64 << 10;

/// The most bytes of a line: engines send whole objects, each a few KiB.
const MOST_LINE: usize = 16 << 20;

/// An answer that is read as it comes. When it is dropped the connection closes, and the engine ends what it does.
pub(super) struct Answer {
    response: Response<Incoming>,
    _connection: JoinSet<()>,
}

/// Sends a request and returns the answer when its head is there.
///
/// Boxed, so that the client library's types are no part of the futures of whoever connects.
pub(super) fn send<'a>(
    address: &'a Address,
    method: Method,
    path: &'a str,
    body: BoxStream<'static, Bytes>,
) -> BoxFuture<'a, Result<Answer, Source>> {
    async move {
        match address {
            Address::Unix(socket) => {
                ask(UnixStream::connect(socket).await?, method, path, body).await
            }
            Address::Tcp { host, port } => {
                let stream = TcpStream::connect(format!("{host}:{port}")).await?;
                ask(stream, method, path, body).await
            }
        }
    }
    .boxed()
}

async fn ask(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    method: Method,
    path: &str,
    body: BoxStream<'static, Bytes>,
) -> Result<Answer, Source> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        // What went wrong is what the answer ends with.
        connection.await.ok();
    });
    let frames = body.map(|bytes| Ok::<_, Infallible>(Frame::data(bytes)));
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("Host", "docker")
        .header("Content-Type", "application/x-tar")
        .body(StreamBody::new(frames))?;
    let response = sender.send_request(request).await?;
    Ok(Answer { response, _connection: tasks })
}

impl Answer {
    /// Returns a header as text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name).and_then(|value| value.to_str().ok())
    }

    /// Returns the lines of a stream, or the engine's own words where it refused.
    pub(super) async fn lines(mut self) -> Result<LineReader, Source> {
        if self.response.status() == StatusCode::OK {
            return Ok(LineReader { answer: self, rest: Vec::new() });
        }
        let mut text = Vec::new();
        while let Some(piece) = self.piece().await? {
            text.extend_from_slice(&piece[..piece.len().min(MOST_WORDS - text.len())]);
        }
        let said: Option<Refused> = serde_json::from_slice(&text).ok();
        let words = said.map(|said| said.message);
        Err(words.unwrap_or_else(|| self.response.status().to_string()).into())
    }

    async fn piece(&mut self) -> Result<Option<Bytes>, Source> {
        while let Some(frame) = self.response.body_mut().frame().await {
            if let Ok(piece) = frame?.into_data() {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }
}

#[derive(serde::Deserialize)]
struct Refused {
    message: String,
}

/// Reads an answer line by line.
pub(super) struct LineReader {
    answer: Answer,
    rest: Vec<u8>,
}

impl LineReader {
    /// Returns the next line that says something; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<u8>>, Source> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let after = self.rest.split_off(end + 1);
                let line = std::mem::replace(&mut self.rest, after);
                if !line.trim_ascii().is_empty() {
                    return Ok(Some(line));
                }
                continue;
            }
            match self.answer.piece().await? {
                Some(piece) if self.rest.len() + piece.len() <= MOST_LINE => {
                    self.rest.extend_from_slice(&piece);
                }
                Some(_) => return Err("the engine sent a line without an end".into()),
                None => return Ok(Some(std::mem::take(&mut self.rest)).filter(|it| !it.is_empty())),
            }
        }
    }
}

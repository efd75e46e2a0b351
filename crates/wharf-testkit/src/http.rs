//! One request over a plain socket, so that a test says exactly what goes over the wire.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

/// An answer as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// The header block, lower-cased.
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    /// Returns the body as JSON.
    ///
    /// # Panics
    /// When it is none; the body is in the message.
    pub fn json(&self) -> serde_json::Value {
        let text = String::from_utf8_lossy(&self.body);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"))
    }
}

/// Sends a request with these header lines, and reads until the server closes the connection.
///
/// # Panics
/// When nobody answers; a test that needs an answer fails then.
pub fn request(port: u16, method: &str, path: &str, headers: &[&str], body: &[u8]) -> Answer {
    try_request(port, method, path, headers, body)
        .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
}

/// As [`request`], for servers that may not be there.
///
/// # Errors
/// When nobody answers.
pub fn try_request(
    port: u16,
    method: &str,
    path: &str,
    headers: &[&str],
    body: &[u8],
) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut lines = vec![format!("{method} {path} HTTP/1.1"), "connection: close".to_owned()];
    if !headers.iter().any(|line| line.to_ascii_lowercase().starts_with("host:")) {
        lines.push(format!("host: 127.0.0.1:{port}"));
    }
    lines.extend(headers.iter().map(|line| (*line).to_owned()));
    lines.push(format!("content-length: {}\r\n\r\n", body.len()));
    let head = lines.join("\r\n");
    stream.write_all(head.as_bytes())?;
    // A server may answer and close before it has read all of a refused body.
    stream.write_all(body).ok();
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    match split(&bytes) {
        Some(answer) => Ok(answer),
        None => Err(read.err().unwrap_or_else(|| std::io::Error::other("no HTTP answer"))),
    }
}

fn split(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let body = &bytes[end + 4..];
    let body =
        if head.contains("transfer-encoding: chunked") { unchunk(body)? } else { body.to_vec() };
    Some(Answer { status, head, body })
}

fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).ok()?, 16).ok()?;
        rest = &rest[end + 2..];
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size + 2..)?;
    }
}

//! Builds by BuildKit, which every Docker engine since 18.09 has: `RUN --mount`, `COPY --chmod`, here-documents.
//!
//! The context goes in the body of the request, as for the classic builder, so no session with the client is needed;
//! what a session is for (secrets, ssh, files that are fetched one by one) is not used. What BuildKit tells while
//! it works is Protocol Buffers in JSON; it is reported in the words of the classic builder.

use std::collections::{HashMap, HashSet, VecDeque};

use base64::Engine as _;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream, stream::BoxStream};
use hyper::Method;
use prost::Message;
use serde::Deserialize;
use tokio::sync::OnceCell;
use wharf_spec::error::Source;

use super::{address::Address, http, version::ApiVersion};
use crate::BuildRequest;

/// How many lines of a step are kept, to be told again when another step spoke last.
const KEPT_LINES: usize = 20;

/// How to reach the BuildKit of an engine.
#[derive(Debug, Clone)]
pub(super) struct BuildKit {
    address: Address,
    api: ApiVersion,
    is_there: OnceCell<bool>,
}

impl BuildKit {
    /// Returns the BuildKit of an engine that may have one.
    pub(super) fn at(address: &Address, api: ApiVersion) -> Self {
        Self { address: address.clone(), api, is_there: OnceCell::new() }
    }

    /// Says whether the engine has it, and does not say that it prefers its classic builder. Docker 20.10 says nothing
    /// where its settings say nothing, and has it. The engine is asked once.
    pub(super) async fn is_there(&self) -> bool {
        let ask = async || {
            let ping = http::send(&self.address, Method::GET, "/_ping", stream::empty().boxed());
            ping.await.is_ok_and(|answer| answer.header("Builder-Version") != Some("1"))
        };
        *self.is_there.get_or_init(ask).await
    }

    /// Builds a context. When it fails the last lines told are those of the step that failed.
    pub(super) async fn build(
        &self,
        context: BoxStream<'static, Bytes>,
        request: &BuildRequest<'_>,
    ) -> Result<(), Source> {
        let path = format!("/v{}/build?{}", self.api, query(request));
        let answer = http::send(&self.address, Method::POST, &path, context).await?;
        let mut lines = answer.lines().await?;
        let mut told = Told::default();
        let mut is_done = false;
        while let Some(line) = lines.next().await? {
            let entry: Entry = serde_json::from_slice(&line)?;
            if let Some(why) = entry.error {
                told.failed_step().into_iter().for_each(request.output);
                return Err(why.into());
            }
            match (entry.id.as_deref(), entry.aux) {
                (Some("moby.buildkit.trace"), Some(serde_json::Value::String(trace))) => {
                    let bytes = base64::engine::general_purpose::STANDARD.decode(trace)?;
                    told.take(Trace::decode(bytes.as_slice())?)
                        .into_iter()
                        .for_each(request.output);
                }
                (Some("moby.image.id"), _) => is_done = true,
                _ => {}
            }
        }
        if is_done {
            Ok(())
        } else {
            Err("the engine went quiet before the image was there".into())
        }
    }
}

/// One line of the stream.
#[derive(Deserialize)]
struct Entry {
    id: Option<String>,
    aux: Option<serde_json::Value>,
    error: Option<String>,
}

fn query(request: &BuildRequest<'_>) -> String {
    let labels: HashMap<&str, &str> =
        request.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let labels = serde_json::to_string(&labels).expect("labels are text");
    let mut pairs = vec![
        ("version", "2".to_owned()),
        ("t", request.reference.to_string()),
        ("dockerfile", request.dockerfile.to_owned()),
        ("labels", labels),
    ];
    if request.pull {
        pairs.push(("pull", "1".to_owned()));
    }
    if request.no_cache {
        pairs.push(("nocache", "1".to_owned()));
    }
    let pairs = pairs.into_iter().map(|(name, value)| format!("{name}={}", escaped(&value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn escaped(value: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let escape = |byte: u8| match is_plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    value.bytes().map(escape).collect()
}

/// BuildKit's `StatusResponse`, as far as it is told.
#[derive(Clone, PartialEq, Message)]
struct Trace {
    #[prost(message, repeated, tag = "1")]
    vertexes: Vec<Vertex>,
    #[prost(message, repeated, tag = "3")]
    logs: Vec<Log>,
}

/// A step, or something that BuildKit does of its own.
#[derive(Clone, PartialEq, Message)]
struct Vertex {
    #[prost(string, tag = "1")]
    digest: String,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(bool, tag = "4")]
    cached: bool,
    #[prost(message, optional, tag = "5")]
    started: Option<Time>,
    #[prost(message, optional, tag = "6")]
    completed: Option<Time>,
    #[prost(string, tag = "7")]
    error: String,
}

/// That there is a time is all that is asked.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
struct Time {}

/// What a step wrote.
#[derive(Clone, PartialEq, Message)]
struct Log {
    #[prost(string, tag = "1")]
    vertex: String,
    #[prost(bytes = "vec", tag = "4")]
    text: Vec<u8>,
}

/// What was told of a build so far.
#[derive(Debug, Default)]
struct Told {
    /// Steps by digest, in the classic builder's words.
    steps: HashMap<String, Step>,
    cached: HashSet<String>,
    failed: Option<String>,
    /// The step whose line was told last.
    last: Option<String>,
}

#[derive(Debug, Default)]
struct Step {
    line: String,
    /// The beginning of a line whose end is still to come.
    open: Vec<u8>,
    kept: VecDeque<String>,
}

impl Told {
    /// Returns the lines that a part of the stream comes to.
    fn take(&mut self, trace: Trace) -> Vec<String> {
        let mut lines = Vec::new();
        for vertex in &trace.vertexes {
            if vertex.started.is_some() && !self.steps.contains_key(&vertex.digest) {
                let line = step(&vertex.name);
                lines.extend(line.clone());
                if line.is_some() {
                    self.last = Some(vertex.digest.clone());
                }
                let line = line.unwrap_or_default();
                self.steps.insert(vertex.digest.clone(), Step { line, ..Step::default() });
            }
            if vertex.cached && self.cached.insert(vertex.digest.clone()) {
                lines.push(" ---> Using cache".to_owned());
            }
            // When a step fails those beside it are called off, which is no failure of theirs.
            let has_failed = !vertex.error.is_empty() && !vertex.error.contains("context canceled");
            if has_failed && self.failed.is_none() {
                self.failed = Some(vertex.digest.clone());
            }
        }
        for log in trace.logs {
            let step = self.steps.entry(log.vertex.clone()).or_default();
            let told = step.lines(&log.text);
            if !told.is_empty() {
                // Steps of several stages run at once: each line follows the name of its own.
                if self.last.as_ref() != Some(&log.vertex) && !step.line.is_empty() {
                    lines.push(step.line.clone());
                    self.last = Some(log.vertex.clone());
                }
                lines.extend(told);
            }
        }
        for vertex in trace.vertexes.iter().filter(|vertex| vertex.completed.is_some()) {
            if let Some(step) = self.steps.get_mut(&vertex.digest) {
                lines.extend(step.end());
            }
        }
        lines
    }

    /// Returns the lines of the step that failed once more, where another one spoke last.
    fn failed_step(&mut self) -> Vec<String> {
        let Some(step) = self.failed.as_ref().and_then(|failed| self.steps.get_mut(failed)) else {
            return Vec::new();
        };
        let mut lines: Vec<_> = step.end().into_iter().collect();
        if self.last != self.failed && !step.line.is_empty() {
            lines = std::iter::once(step.line.clone()).chain(step.kept.iter().cloned()).collect();
        }
        lines
    }
}

impl Step {
    /// Returns the whole lines that more text makes.
    fn lines(&mut self, text: &[u8]) -> Vec<String> {
        self.open.extend_from_slice(text);
        let mut lines = Vec::new();
        while let Some(end) = self.open.iter().position(|byte| *byte == b'\n') {
            let rest = self.open.split_off(end + 1);
            let line = std::mem::replace(&mut self.open, rest);
            lines.extend(self.keep(&line));
        }
        lines
    }

    /// Returns the line that has no end.
    fn end(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.open);
        self.keep(&line)
    }

    fn keep(&mut self, line: &[u8]) -> Option<String> {
        let text = String::from_utf8_lossy(line);
        // A bar that was drawn over and over: what it came to counts.
        let text = text.trim_end().rsplit('\r').next().unwrap_or_default().to_owned();
        if text.is_empty() {
            return None;
        }
        if self.kept.len() == KEPT_LINES {
            self.kept.pop_front();
        }
        self.kept.push_back(text.clone());
        Some(text)
    }
}

/// Returns a step in the classic builder's words: `[build 2/4] RUN make` is `Step 2/4 : RUN make`. What BuildKit does
/// of its own is not told.
fn step(name: &str) -> Option<String> {
    let (place, command) = name.strip_prefix('[')?.split_once("] ")?;
    let place = place.rsplit(' ').next()?;
    let (at, all) = place.split_once('/')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(at.trim()) && is_number(all)).then(|| format!("Step {at}/{all} : {command}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vertex(name: &str) -> Vertex {
        Vertex {
            digest: name.to_owned(),
            name: name.to_owned(),
            started: Some(Time {}),
            ..Vertex::default()
        }
    }

    fn log(name: &str, text: &str) -> Log {
        Log { vertex: name.to_owned(), text: text.as_bytes().to_vec() }
    }

    #[test]
    fn steps_are_told_in_the_words_of_the_classic_builder() {
        let cases = [
            ("[2/4] RUN make", Some("Step 2/4 : RUN make")),
            ("[stage-0 1/2] FROM x", Some("Step 1/2 : FROM x")),
            ("[build  1/12] COPY [a, b]", Some("Step 1/12 : COPY [a, b]")),
            ("[internal] load build context", None),
            ("exporting to image", None),
            ("copy /context /", None),
        ];
        for (name, line) in cases {
            assert_eq!(step(name).as_deref(), line, "{name}");
        }
    }

    #[test]
    fn lines_are_whole_and_follow_their_step() {
        let mut told = Told::default();
        let (one, two) = ("[a 1/2] RUN one", "[b 1/2] RUN two");
        let trace = |vertexes: Vec<Vertex>, logs: Vec<Log>| Trace { vertexes, logs };
        let mut lines = told.take(trace(vec![vertex(one), vertex(two)], vec![log(one, "hel")]));
        lines
            .extend(told.take(trace(vec![], vec![log(two, "x\n10%\r20%\n"), log(one, "lo\nend")])));
        let ended = Vertex { completed: Some(Time {}), ..vertex(one) };
        lines.extend(told.take(trace(vec![ended], vec![])));
        assert_eq!(
            lines,
            [
                "Step 1/2 : RUN one",
                "Step 1/2 : RUN two",
                "x",
                "20%",
                "Step 1/2 : RUN one",
                "hello",
                "end"
            ]
        );
    }

    #[test]
    fn the_step_that_failed_has_the_last_word() {
        let mut told = Told::default();
        let (one, two) = ("[a 1/2] RUN one", "[b 1/2] RUN two");
        let vertexes = vec![vertex(one), vertex(two)];
        told.take(Trace { vertexes, logs: vec![log(one, "why\n"), log(two, "well\n")] });
        let failed = Vertex { error: "exit code 1".to_owned(), ..vertex(one) };
        let called_off = Vertex { error: "x: context canceled".to_owned(), ..vertex(two) };
        told.take(Trace { vertexes: vec![failed, called_off], logs: Vec::new() });
        assert_eq!(told.failed_step(), ["Step 1/2 : RUN one", "why"]);
    }

    #[test]
    fn a_question_cannot_be_broken_out_of() {
        assert_eq!(escaped("a&b=c d/é"), "a%26b%3Dc%20d%2F%C3%A9");
    }
}

//! What a process wrote, line by line: frames are joined until a newline, and no line is longer than 64 KiB.

use std::collections::VecDeque;

use bollard::{container::LogOutput, query_parameters::LogsOptionsBuilder};
use bytes::Bytes;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use wharf_spec::workload::WorkloadId;

use super::connection::Connection;
use crate::{LogLine, LogOptions, LogStream, error::Result};

/// The longest line that is given on; the rest of it is dropped.
const LONGEST: usize = 64 * 1024;

/// Streams the log of a workload.
pub(super) fn read(
    connection: Connection,
    id: WorkloadId,
    options: LogOptions,
) -> BoxStream<'static, Result<LogLine>> {
    let opened = async move {
        match connection.get(&id).await {
            Ok(found) => lines(connection, &id, &found.handle, options),
            Err(error) => stream::once(std::future::ready(Err(error))).boxed(),
        }
    };
    stream::once(opened).flatten().boxed()
}

fn lines(
    connection: Connection,
    id: &WorkloadId,
    handle: &str,
    options: LogOptions,
) -> BoxStream<'static, Result<LogLine>> {
    let asked = LogsOptionsBuilder::new().stdout(true).stderr(true).timestamps(true);
    let tail = options.tail.map_or_else(|| "all".to_owned(), |lines| lines.to_string());
    // Whole seconds are all that the client sends; the rest is dropped below.
    let since =
        options.since_ms.map_or(0, |ms| i32::try_from(ms.div_euclid(1000)).unwrap_or(i32::MAX));
    let asked = asked.follow(options.follow).tail(&tail).since(since.max(0)).build();
    let frames = connection.patient.logs(handle, Some(asked));
    let action = format!("read the log of `{}`", id.name);
    let frames =
        frames.map(move |frame| frame.map_err(|error| connection.refused(action.clone(), error)));
    let is_wanted = move |line: &LogLine| match (options.since_ms, millis(line)) {
        (Some(since), Some(time)) => time >= since,
        _ => true,
    };
    joined(frames)
        .filter(move |line| {
            let keep = line.as_ref().map_or(true, &is_wanted);
            std::future::ready(keep)
        })
        .boxed()
}

fn millis(line: &LogLine) -> Option<i64> {
    let time: jiff::Timestamp = line.time.as_ref()?.parse().ok()?;
    Some(time.as_millisecond())
}

/// Joins frames to lines; at the end come the lines that have no newline.
fn joined(
    frames: impl futures_util::Stream<Item = Result<LogOutput>> + Send + 'static,
) -> impl futures_util::Stream<Item = Result<LogLine>> + Send {
    struct State<S> {
        frames: Option<S>,
        joiner: Joiner,
        ready: VecDeque<LogLine>,
    }
    let frames = Some(Box::pin(frames));
    let state = State { frames, joiner: Joiner::default(), ready: VecDeque::new() };
    stream::unfold(state, |mut state| async move {
        loop {
            if let Some(line) = state.ready.pop_front() {
                return Some((Ok(line), state));
            }
            match state.frames.as_mut()?.next().await {
                Some(Ok(frame)) => state.joiner.take(frame, &mut state.ready),
                Some(Err(error)) => {
                    state.frames = None;
                    return Some((Err(error), state));
                }
                None => {
                    state.frames = None;
                    state.ready = state.joiner.rest();
                }
            }
        }
    })
}

/// The lines that are not complete yet, one of each stream.
#[derive(Debug, Default)]
struct Joiner {
    out: Partial,
    err: Partial,
}

#[derive(Debug, Default)]
struct Partial {
    time: Option<String>,
    text: Vec<u8>,
    is_open: bool,
}

impl Joiner {
    fn take(&mut self, frame: LogOutput, ready: &mut VecDeque<LogLine>) {
        let (stream, partial, message): (_, _, Bytes) = match frame {
            LogOutput::StdErr { message } => (LogStream::Err, &mut self.err, message),
            LogOutput::StdOut { message }
            | LogOutput::StdIn { message }
            | LogOutput::Console { message } => (LogStream::Out, &mut self.out, message),
        };
        // Every frame of a long line has the time again.
        let (time, mut rest) = split_time(&message);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            partial.push(time, &rest[..end]);
            ready.extend(partial.close(stream));
            rest = &rest[end + 1..];
        }
        if !rest.is_empty() {
            partial.push(time, rest);
        }
    }

    fn rest(&mut self) -> VecDeque<LogLine> {
        let last = [self.out.close(LogStream::Out), self.err.close(LogStream::Err)];
        last.into_iter().flatten().collect()
    }
}

impl Partial {
    fn push(&mut self, time: Option<&str>, bytes: &[u8]) {
        if !self.is_open {
            self.is_open = true;
            self.time = time.map(str::to_owned);
        }
        let room = LONGEST.saturating_sub(self.text.len());
        self.text.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn close(&mut self, stream: LogStream) -> Option<LogLine> {
        let Self { time, text, is_open } = std::mem::take(self);
        let text = text.strip_suffix(b"\r").unwrap_or(&text);
        is_open.then(|| LogLine { stream, time, text: String::from_utf8_lossy(text).into_owned() })
    }
}

/// Splits off the RFC 3339 time that the engine puts before each message.
fn split_time(message: &[u8]) -> (Option<&str>, &[u8]) {
    let longest = message.len().min(48);
    let Some(end) = message[..longest].iter().position(|byte| *byte == b' ') else {
        return (None, message);
    };
    match std::str::from_utf8(&message[..end]) {
        Ok(time) if time.parse::<jiff::Timestamp>().is_ok() => (Some(time), &message[end + 1..]),
        _ => (None, message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: &str = "2026-11-24T12:43:12.454809527Z";

    fn out(text: &str) -> LogOutput {
        LogOutput::StdOut { message: Bytes::from(format!("{TIME} {text}")) }
    }

    fn err(text: &str) -> LogOutput {
        LogOutput::StdErr { message: Bytes::from(format!("{TIME} {text}")) }
    }

    async fn joined_lines(frames: Vec<LogOutput>) -> Vec<LogLine> {
        let frames = stream::iter(frames.into_iter().map(Ok));
        joined(frames).map(|line| line.expect("no frame is an error")).collect().await
    }

    async fn check(frames: Vec<LogOutput>, expect: &[(LogStream, &str)]) {
        let lines = joined_lines(frames).await;
        let found: Vec<_> = lines.iter().map(|line| (line.stream, line.text.as_str())).collect();
        assert_eq!(found, expect);
    }

    #[tokio::test]
    async fn frames_are_joined_until_a_newline() {
        let frames = vec![out("one "), out("line\n"), out("next\n"), out("last")];
        check(
            frames,
            &[(LogStream::Out, "one line"), (LogStream::Out, "next"), (LogStream::Out, "last")],
        )
        .await;
    }

    #[tokio::test]
    async fn streams_are_not_mixed() {
        let frames = vec![out("a"), err("x\n"), out("b\n"), err("y")];
        check(frames, &[(LogStream::Err, "x"), (LogStream::Out, "ab"), (LogStream::Err, "y")])
            .await;
    }

    #[tokio::test]
    async fn both_streams_may_end_without_a_newline() {
        check(vec![err("y"), out("a")], &[(LogStream::Out, "a"), (LogStream::Err, "y")]).await;
    }

    #[tokio::test]
    async fn an_empty_line_is_a_line_and_an_empty_frame_is_none() {
        check(vec![out("\n"), out("")], &[(LogStream::Out, "")]).await;
    }

    #[tokio::test]
    async fn raw_output_has_its_carriage_returns_taken_off() {
        let raw = LogOutput::Console { message: Bytes::from("no time\r\nsecond\r\n") };
        check(vec![raw], &[(LogStream::Out, "no time"), (LogStream::Out, "second")]).await;
    }

    #[tokio::test]
    async fn a_line_is_cut_at_64_kib() {
        let piece = "x".repeat(16 * 1024);
        let mut frames: Vec<_> = (0..6).map(|_| out(&piece)).collect();
        frames.extend([out("end\n"), out("next\n")]);
        let lines = joined_lines(frames).await;
        assert_eq!(lines[0].text.len(), LONGEST);
        assert_eq!(lines[1].text, "next");
    }

    #[tokio::test]
    async fn the_time_is_the_engines_and_bytes_that_are_no_text_are_replaced() {
        let message = Bytes::from([TIME.as_bytes(), b" a\xff\n"].concat());
        let lines = joined_lines(vec![LogOutput::StdOut { message }]).await;
        assert_eq!(lines[0].time.as_deref(), Some(TIME));
        assert_eq!(lines[0].text, "a\u{fffd}");
    }
}

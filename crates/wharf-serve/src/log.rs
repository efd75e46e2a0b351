//! The log on stderr: a line for each request, and what happens to the server. Never bodies.
//!
//! Lines of requests are handed to a thread that writes them in batches: a system call for each would cost as much
//! as the prediction of a small model. The thread comes with the first request, so that a start does not wait for it.

use std::{
    fmt,
    io::{self, Write},
    mem,
    str::FromStr,
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use jiff::Timestamp;
use serde::Serialize;

use crate::args::UsageError;

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogStyle {
    Text,
    Json,
}

impl FromStr for LogStyle {
    type Err = UsageError;

    fn from_str(word: &str) -> Result<Self, UsageError> {
        match word {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(UsageError(format!("the log is text or json, not `{other}`"))),
        }
    }
}

/// What is logged of a request. Labels are ours: never a path or name that somebody sent.
#[derive(Debug, Serialize)]
pub(crate) struct RequestLine<'a> {
    pub(crate) request_id: &'a str,
    pub(crate) method: &'a str,
    pub(crate) route: &'a str,
    pub(crate) status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rows: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model_ms: Option<f64>,
    pub(crate) total_ms: f64,
    pub(crate) bytes: u64,
}

impl fmt::Display for RequestLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.method, self.route, self.status)?;
        if let Some(rows) = self.rows {
            write!(f, " rows={rows}")?;
        }
        if let Some(model) = self.model_ms {
            write!(f, " model={model:.3}ms")?;
        }
        write!(f, " total={:.3}ms bytes={} id={}", self.total_ms, self.bytes, self.request_id)
    }
}

/// Where lines go. What is written last is written before the log goes away.
#[derive(Debug)]
pub(crate) struct Log {
    style: LogStyle,
    shared: Arc<Shared>,
    writer: OnceLock<Option<JoinHandle<()>>>,
}

struct Shared {
    pending: Mutex<Pending>,
    more: Condvar,
    /// Locked before `pending` is emptied, so that batches stay in order.
    sink: Mutex<Box<dyn Write + Send>>,
}

#[derive(Debug, Default)]
struct Pending {
    lines: Vec<u8>,
    lost: usize,
    idle: bool,
    closed: bool,
}

/// Most bytes that wait for a slow reader; then lines are counted and dropped.
const MAX_PENDING: usize = 1 << 20;

/// How long lines are gathered after some were written.
const GATHER: Duration = Duration::from_millis(5);

impl Log {
    /// Returns a log that writes to `sink`.
    pub(crate) fn new(style: LogStyle, sink: impl Write + Send + 'static) -> Self {
        let shared = Shared {
            pending: Mutex::default(),
            more: Condvar::new(),
            sink: Mutex::new(Box::new(sink)),
        };
        Self { style, shared: Arc::new(shared), writer: OnceLock::new() }
    }

    /// Returns a log that drops every line.
    pub(crate) fn silent() -> Self {
        let log = Self::new(LogStyle::Text, io::sink());
        log.close();
        log
    }

    /// Logs a request.
    pub(crate) fn request(&self, line: &RequestLine<'_>) {
        match self.style {
            LogStyle::Text => self.push(|out| writeln!(out, "{} {line}", now())),
            LogStyle::Json => self.push(|out| {
                let stamped = Stamped { time: now(), rest: line };
                serde_json::to_writer(&mut *out, &stamped)?;
                out.write_all(b"\n")
            }),
        }
        let writer = self.writer.get_or_init(|| {
            let shared = Arc::clone(&self.shared);
            thread::Builder::new().name("log".to_owned()).spawn(move || write_batches(&shared)).ok()
        });
        if writer.is_none() {
            // The system has no thread left: then each line is written by whoever logs it.
            self.shared.write();
        }
    }

    /// Logs a sentence, and everything before it, at once.
    pub(crate) fn say(&self, sentence: &str) {
        match self.style {
            LogStyle::Text => self.push(|out| writeln!(out, "{} {sentence}", now())),
            LogStyle::Json => self.push(|out| {
                let message = Message { message: sentence };
                serde_json::to_writer(&mut *out, &Stamped { time: now(), rest: message })?;
                out.write_all(b"\n")
            }),
        }
        self.shared.write();
    }

    /// Writes what waits and lets the thread end; lines that come later are dropped.
    pub(crate) fn close(&self) {
        lock(&self.shared.pending).closed = true;
        self.shared.more.notify_one();
        self.shared.write();
    }

    fn push(&self, write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) {
        let mut pending = lock(&self.shared.pending);
        if pending.closed {
            return;
        }
        if pending.lines.len() > MAX_PENDING {
            pending.lost += 1;
            return;
        }
        // Writing to memory does not fail.
        write(&mut pending.lines).ok();
        if mem::take(&mut pending.idle) {
            self.shared.more.notify_one();
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    /// Writes what waits.
    fn write(&self) {
        let mut sink = lock(&self.sink);
        let Pending { mut lines, lost, .. } = {
            let mut pending = lock(&self.pending);
            let Pending { idle, closed, .. } = *pending;
            mem::replace(&mut *pending, Pending { idle, closed, ..Pending::default() })
        };
        if lost > 0 {
            // Plain in both styles, rare, and better than silence.
            writeln!(lines, "{{\"message\":\"{lost} lines of the log were lost\"}}").ok();
        }
        // A closed stderr must not end the server.
        sink.write_all(&lines).and_then(|()| sink.flush()).ok();
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("pending", &self.pending).finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct Stamped<T> {
    time: String,
    #[serde(flatten)]
    rest: T,
}

#[derive(Serialize)]
struct Message<'a> {
    message: &'a str,
}

fn now() -> String {
    format!("{:.3}", Timestamp::now())
}

/// A line half written by a thread that panicked is still worth reading.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write_batches(shared: &Shared) {
    loop {
        let mut pending = lock(&shared.pending);
        while pending.lines.is_empty() && !pending.closed {
            pending.idle = true;
            pending = shared.more.wait(pending).unwrap_or_else(PoisonError::into_inner);
        }
        let closed = pending.closed;
        drop(pending);
        if closed {
            // Whoever closed the log writes what waits.
            return;
        }
        shared.write();
        // The first line went out at once; what comes now is gathered.
        thread::sleep(GATHER);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(style: LogStyle) -> String {
        let sink = Sink::default();
        let log = Log::new(style, sink.clone());
        log.say("ready");
        log.request(&RequestLine {
            request_id: "7",
            method: "POST",
            route: "/predict",
            status: 200,
            rows: Some(1),
            model_ms: Some(0.25),
            total_ms: 0.5,
            bytes: 3,
        });
        drop(log);
        String::from_utf8(sink.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn everything_is_written_before_the_log_goes_away() {
        let text = logged(LogStyle::Text);
        assert!(text.contains("Z ready\n"), "{text}");
        let line = "POST /predict 200 rows=1 model=0.250ms total=0.500ms bytes=3 id=7\n";
        assert!(text.ends_with(line), "{text}");
    }

    #[test]
    fn json_lines_are_json() {
        for line in logged(LogStyle::Json).lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(line["time"].as_str().unwrap().ends_with('Z'), "{line}");
        }
    }
}

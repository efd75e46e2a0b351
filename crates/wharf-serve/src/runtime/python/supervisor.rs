//! Keeps one worker running: starts it, gives it calls, and starts it again when it dies or hangs.

use std::{
    io,
    process::ExitStatus,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Launch,
    channel::{self, ChannelError, Kind, MAX_FRAME, Message, TICK},
    log::Log,
    pool::{End, Shared},
    process::Process,
    queue::{Job, Next, stopping},
    reply::Reply,
    requirement,
    wire::{self, Part},
};
use crate::runtime::{CallError, Payload, WorkerState};

/// Starts that may fail one after the other before the worker counts as failed. It is tried again even then, for
/// what was missing may come.
const FAILED_STARTS: u32 = 5;

/// The first wait before a new start, doubled each time until it is the second one.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// How long a worker whose socket is closed may take to end by itself, so that its exit status is its own.
const END_GRACE: Duration = Duration::from_millis(500);

/// The thread of one worker.
#[derive(Debug)]
pub(super) struct Supervisor {
    number: usize,
    launch: Arc<Launch>,
    shared: Arc<Shared>,
    log: Arc<Log>,
    backoff: Duration,
    failed_starts: u32,
    calls: u64,
}

/// Why a worker did not start.
#[derive(Debug)]
enum StartError {
    /// There is no interpreter: trying again does not help.
    Interpreter(io::Error),
    Worker(String),
    /// The server is being stopped.
    Stopped,
}

/// The header of a call.
#[derive(Debug, Serialize)]
struct CallHeader {
    method: String,
    inputs: Vec<Option<Part>>,
    /// Whether the caller takes pieces.
    stream: bool,
}

/// The header of a result or a piece.
#[derive(Debug, Deserialize)]
struct OutputHeader {
    /// Missing where all of the answer went in pieces.
    output: Option<Part>,
}

/// What a worker says of a call.
#[derive(Debug)]
enum Said {
    Piece(Payload),
    End(Result<Option<Payload>, CallError>),
}

/// The header of an error.
#[derive(Debug, Deserialize)]
struct ErrorHeader {
    class: String,
    text: String,
    /// While starting: what was being done.
    #[serde(default)]
    doing: String,
    /// While starting: the module that could not be imported.
    #[serde(default)]
    module: Option<String>,
}

impl Supervisor {
    pub(super) fn new(number: usize, launch: Arc<Launch>, shared: Arc<Shared>) -> Self {
        shared.enter();
        let log = Log::new(number);
        Self { number, launch, shared, log, backoff: BACKOFF.0, failed_starts: 0, calls: 0 }
    }

    /// Runs until the queue is closed.
    pub(super) fn run(mut self) {
        while self.shared.queue.closed().is_none() {
            match self.start() {
                Ok(process) => self.serve(process),
                Err(StartError::Stopped) => break,
                Err(error) => self.note_failed_start(&error),
            }
            self.shared.queue.sleep(self.backoff);
            self.backoff = BACKOFF.1.min(self.backoff * 2);
        }
    }

    /// Starts the process and waits until the model in it is loaded and warm.
    fn start(&self) -> Result<Process, StartError> {
        self.log.clear();
        let mut process = Process::spawn(&self.launch.python, self.number, &self.log)
            .map_err(StartError::Interpreter)?;
        let hello = json!({
            "card": *self.launch.card,
            "folder": self.launch.folder,
            "threads": self.launch.threads,
        });
        let hello = channel::frame(Kind::Hello, 0, &hello, &[])
            .ok_or_else(|| StartError::Worker("the model's card is too large".to_owned()))?;
        let until = Instant::now() + self.launch.load_limit;
        match process.start(&hello, until, &|| self.is_over()) {
            Ok(message) if message.kind == Kind::Ready => Ok(process),
            Ok(message) => {
                let reason = self.reason_of(&message);
                // It writes its last lines while it ends.
                process.bury(END_GRACE);
                Err(StartError::Worker(reason))
            }
            Err(ChannelError::Stopped) => Err(StartError::Stopped),
            Err(ChannelError::TimedOut) => {
                let limit = self.launch.load_limit.as_secs();
                Err(StartError::Worker(format!("loading the model took longer than {limit} s")))
            }
            Err(ChannelError::Closed) => {
                let end = how(process.bury(END_GRACE));
                Err(StartError::Worker(format!(
                    "the worker ended while it loaded the model ({end})"
                )))
            }
            Err(ChannelError::Protocol(text)) => Err(StartError::Worker(text)),
        }
    }

    fn reason_of(&self, message: &Message) -> String {
        let error = match message.header::<ErrorHeader>() {
            Ok(error) => error,
            Err(error) => return error.to_string(),
        };
        let reason = format!("{} raised {}: {}", error.doing, error.class, error.text);
        match (error.module, &self.launch.card.python) {
            (Some(module), Some(needs)) => {
                format!("{reason}; {}", requirement::advice(&module, &needs.requirements))
            }
            _ => reason,
        }
    }

    fn note_failed_start(&mut self, error: &StartError) {
        let reason = match error {
            StartError::Stopped => return,
            StartError::Worker(reason) => reason.clone(),
            StartError::Interpreter(source) => {
                self.failed_starts = FAILED_STARTS;
                format!("`{}` could not be started: {source}", self.launch.python.display())
            }
        };
        self.failed_starts += 1;
        self.shared.note_end(End::Start);
        self.log.write(&format!("did not start: {reason}"));
        if self.failed_starts >= FAILED_STARTS {
            let lines = self.log.last_lines();
            let state = if lines.is_empty() {
                reason
            } else {
                format!("{reason}\nthe last lines of its log:\n{}", lines.join("\n"))
            };
            self.shared.set(self.number, WorkerState::Failed(state));
        }
    }

    /// Gives calls to a worker until it ends or the queue is closed.
    fn serve(&mut self, mut process: Process) {
        self.failed_starts = 0;
        self.shared.set_ready(self.number, process.id());
        loop {
            match self.shared.queue.take(TICK) {
                Next::Job(job) => {
                    if let Err(error) = self.answer(&mut process, job) {
                        return self.note_end(process, &error);
                    }
                    self.backoff = BACKOFF.0;
                }
                Next::Nothing if process.has_ended() => {
                    self.shared.set(self.number, WorkerState::Starting);
                    return self.note_end(process, &ChannelError::Closed);
                }
                Next::Nothing => {}
                Next::Closed => return process.stop(),
            }
        }
    }

    /// Makes a call.
    ///
    /// # Errors
    /// When the worker cannot be used any more; the caller has its answer in any case.
    fn answer(&mut self, process: &mut Process, mut job: Job) -> Result<(), ChannelError> {
        self.calls += 1;
        let id = self.calls;
        let mut buffers = Vec::new();
        let inputs = std::mem::take(&mut job.inputs).into_iter();
        let inputs = inputs.map(|input| input.map(|input| wire::write(input, &mut buffers)));
        let header = CallHeader {
            method: job.method.clone(),
            inputs: inputs.collect(),
            stream: job.reply.takes_pieces(),
        };
        let Some(frame) = channel::frame(Kind::Call, id, &header, &buffers) else {
            let text = format!("the request is larger than {MAX_FRAME} bytes");
            job.reply.finish(Err(CallError::Internal(text)));
            return Ok(());
        };
        match self.converse(process, &frame, id, &job.reply) {
            Ok(answer) => {
                job.reply.finish(answer);
                Ok(())
            }
            Err(error) => {
                // First the state: whoever asks again at once is told that the worker starts.
                self.shared.set(self.number, WorkerState::Starting);
                job.reply.finish(Err(self.call_error(&error)));
                Err(error)
            }
        }
    }

    /// Hands on the pieces of an answer as they come, and returns its end. The limit of a call holds for each piece.
    fn converse(
        &self,
        process: &mut Process,
        frame: &[u8],
        id: u64,
        reply: &Reply,
    ) -> Result<Result<Option<Payload>, CallError>, ChannelError> {
        let limit = self.launch.call_limit;
        let stop = || self.is_over();
        let mut message = process.ask(frame, Instant::now() + limit, &stop)?;
        let mut cancelled = None;
        loop {
            let piece = match read_answer(message, id)? {
                Said::Piece(piece) => piece,
                Said::End(answer) => return Ok(cancelled.map_or(answer, Err)),
            };
            // The worker may have sent more before it sees that nobody wants it.
            if cancelled.is_none()
                && let Err(why) = reply.piece(piece, limit, &stop)
            {
                cancelled = Some(why);
                let cancel = channel::frame(Kind::Cancel, id, &json!({}), &[]);
                let cancel = cancel.expect("it is small");
                process.tell(&cancel, Instant::now() + limit, &stop)?;
            }
            message = process.hear(Instant::now() + limit, &stop)?;
        }
    }

    fn call_error(&self, error: &ChannelError) -> CallError {
        match error {
            ChannelError::Closed => CallError::Died,
            ChannelError::TimedOut => CallError::TimedOut(self.launch.call_limit.as_secs()),
            ChannelError::Stopped => stopping(),
            ChannelError::Protocol(_) => CallError::Internal(error.to_string()),
        }
    }

    fn note_end(&self, process: Process, error: &ChannelError) {
        let (end, patience) = match error {
            ChannelError::Closed => (Some(End::Died), END_GRACE),
            ChannelError::TimedOut => (Some(End::TimedOut), Duration::ZERO),
            ChannelError::Protocol(_) => (Some(End::Protocol), Duration::ZERO),
            ChannelError::Stopped => (None, Duration::ZERO),
        };
        if let Some(end) = end {
            self.shared.note_end(end);
        }
        let end = how(process.bury(patience));
        self.log.write(&format!("{error} ({end}); it is started again"));
    }

    /// Says whether what runs must end, because the server does.
    fn is_over(&self) -> bool {
        self.shared.queue.closed().is_some_and(|grace| Instant::now() >= grace)
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.shared.leave();
    }
}

fn read_answer(message: Message, id: u64) -> Result<Said, ChannelError> {
    if message.id != id {
        return Err(ChannelError::Protocol("an answer to another call".to_owned()));
    }
    match message.kind {
        Kind::Result => {
            let output = read_output(&message)?;
            Ok(Said::End(Ok(output)))
        }
        Kind::Chunk => {
            let piece = read_output(&message)?;
            let none = || ChannelError::Protocol("a piece with nothing in it".to_owned());
            Ok(Said::Piece(piece.ok_or_else(none)?))
        }
        Kind::Error => {
            let ErrorHeader { class, text, .. } = message.header()?;
            Ok(Said::End(Err(CallError::Raised { class, text })))
        }
        Kind::Hello | Kind::Ready | Kind::Call | Kind::Cancel | Kind::Bye => {
            Err(ChannelError::Protocol("a frame that answers nothing".to_owned()))
        }
    }
}

fn read_output(message: &Message) -> Result<Option<Payload>, ChannelError> {
    let OutputHeader { output } = message.header()?;
    let payload = output.map(|part| wire::read(part, &message.buffers)).transpose();
    payload.map_err(|error| ChannelError::Protocol(error.to_string()))
}

fn how(status: Option<ExitStatus>) -> String {
    status.map_or_else(|| "its exit status is unknown".to_owned(), |status| status.to_string())
}

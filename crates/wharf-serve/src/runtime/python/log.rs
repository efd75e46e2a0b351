//! What a worker prints, line by line, into the server's log; the last lines are kept for whoever asks why it failed.

use std::{
    collections::VecDeque,
    io::{self, BufRead, BufReader, PipeReader, Read, Write},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

/// A longer line is cut into pieces.
const MAX_LINE: u64 = 8 << 10;

/// How many lines are kept.
const KEPT_LINES: usize = 20;

/// The log of one worker, over all of its starts.
#[derive(Debug)]
pub(super) struct Log {
    number: usize,
    last: Mutex<VecDeque<String>>,
}

/// A pipe that is being read.
#[derive(Debug)]
pub(super) struct Capture {
    /// Its sender is dropped at the pipe's end.
    end: mpsc::Receiver<()>,
}

impl Log {
    pub(super) fn new(number: usize) -> Arc<Self> {
        Arc::new(Self { number, last: Mutex::default() })
    }

    /// Reads a pipe until its end, on a thread of its own: a worker whose pipe is full would stand still.
    pub(super) fn capture(self: &Arc<Self>, pipe: PipeReader) -> io::Result<Capture> {
        let log = Arc::clone(self);
        let (sender, end) = mpsc::channel::<()>();
        thread::Builder::new().name(format!("worker-{}-log", self.number)).spawn(move || {
            log.read(pipe, &mut io::stderr());
            drop(sender);
        })?;
        Ok(Capture { end })
    }

    fn read(&self, pipe: impl Read, out: &mut impl Write) {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while matches!((&mut pipe).take(MAX_LINE).read_until(b'\n', &mut line), Ok(1..)) {
            let text = String::from_utf8_lossy(&line);
            self.keep(text.trim_end());
            self.write_to(out, text.trim_end());
            line.clear();
        }
    }

    /// Writes a line to the server's log, with the worker's number.
    pub(super) fn write(&self, line: &str) {
        self.write_to(&mut io::stderr(), line);
    }

    fn write_to(&self, out: &mut impl Write, line: &str) {
        // Nobody can be told when stderr is gone.
        writeln!(out, "worker {}: {line}", self.number).ok();
    }

    fn keep(&self, line: &str) {
        let mut last = self.last.lock().expect("nothing panics while it holds the lock");
        if last.len() == KEPT_LINES {
            last.pop_front();
        }
        last.push_back(line.to_owned());
    }

    /// Forgets the lines of an earlier start.
    pub(super) fn clear(&self) {
        self.last.lock().expect("nothing panics while it holds the lock").clear();
    }

    /// Returns the last lines, oldest first.
    pub(super) fn last_lines(&self) -> Vec<String> {
        let last = self.last.lock().expect("nothing panics while it holds the lock");
        last.iter().cloned().collect()
    }
}

impl Capture {
    /// Waits for the pipe's end, which a process that outlives the worker may hold off.
    pub(super) fn wait(&self, limit: Duration) {
        self.end.recv_timeout(limit).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns what is written to the log, and the lines that are kept.
    fn read(text: &[u8]) -> (String, Vec<String>) {
        let log = Log::new(3);
        let mut out = Vec::new();
        log.read(text, &mut out);
        (String::from_utf8(out).unwrap(), log.last_lines())
    }

    #[test]
    fn lines_are_written_with_the_number_whatever_their_bytes_and_end() {
        let (out, last) = read(b"one\n\xff\r\n\nlast");
        assert_eq!(out, "worker 3: one\nworker 3: \u{fffd}\nworker 3: \nworker 3: last\n");
        assert_eq!(last, ["one", "\u{fffd}", "", "last"]);
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let text: String = (0..1000).map(|number| format!("{number}\n")).collect();
        let (_, last) = read(text.as_bytes());
        assert_eq!((last.len(), last[0].as_str()), (KEPT_LINES, "980"));
    }

    #[test]
    fn an_endless_line_is_cut() {
        let (_, last) = read(&vec![b'x'; 3 * MAX_LINE as usize]);
        assert_eq!(last.len(), 3);
    }
}

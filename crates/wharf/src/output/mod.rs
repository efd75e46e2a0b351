//! Events and values → text. Results go to stdout, everything else to stderr.

pub(crate) mod report;

pub(crate) mod signals;

pub(crate) mod style;

pub(crate) mod table;

pub(crate) mod text;

use std::{
    fmt,
    io::{self, IsTerminal as _, Write},
    sync::{Arc, Mutex},
};

pub(crate) use style::Style;

/// The two streams of a command, and what is known of them.
#[derive(Clone)]
pub struct Console {
    out: Shared,
    err: Shared,
    /// Whether stdout is a terminal.
    pub out_is_terminal: bool,
    /// Whether stderr is a terminal.
    pub err_is_terminal: bool,
    pub(crate) style: Style,
}

type Shared = Arc<Mutex<dyn Write + Send>>;

impl Console {
    /// Returns the process's own streams.
    pub fn of_process() -> Self {
        Self {
            out: Arc::new(Mutex::new(io::stdout())),
            err: Arc::new(Mutex::new(io::stderr())),
            out_is_terminal: io::stdout().is_terminal(),
            err_is_terminal: io::stderr().is_terminal(),
            style: Style::plain(),
        }
    }

    /// Returns streams that are no terminals, for tests.
    pub fn of(out: Arc<Mutex<dyn Write + Send>>, err: Arc<Mutex<dyn Write + Send>>) -> Self {
        Self { out, err, out_is_terminal: false, err_is_terminal: false, style: Style::plain() }
    }

    /// Returns how many columns the terminal has that shows the result; elsewhere nothing is cut.
    pub(crate) fn columns(&self) -> Option<usize> {
        let (width, _) = terminal_size::terminal_size().filter(|_| self.out_is_terminal)?;
        Some(width.0.into())
    }

    /// Writes a line of the result.
    pub(crate) fn out(&self, line: &str) {
        write_line(&self.out, line);
    }

    /// Returns the stream of the result, for what is written in large pieces and wants to know when its reader goes.
    pub(crate) fn answers(&self) -> impl Write + Send + 'static {
        Answers { stream: self.out.clone(), is_terminal: self.out_is_terminal }
    }

    /// Writes lines of the result.
    pub(crate) fn out_lines(&self, lines: &[String]) {
        for line in lines {
            self.out(line);
        }
    }

    /// Writes lines in place of what a terminal shows, without a flicker: each over the one that stood there.
    pub(crate) fn out_screen(&self, lines: &[String]) {
        const HOME: &str = "\x1b[H";
        const REST_OF_LINE: &str = "\x1b[K";
        const REST_OF_SCREEN: &str = "\x1b[J";
        let lines: String = lines.iter().map(|line| format!("{line}{REST_OF_LINE}\n")).collect();
        let mut stream = self.out.lock().expect("no writer panics");
        // As with `write_line`.
        let shown = format!("{HOME}{lines}{REST_OF_SCREEN}");
        stream.write_all(shown.as_bytes()).and_then(|()| stream.flush()).ok();
    }

    /// Writes a line of everything else.
    pub(crate) fn err(&self, line: &str) {
        write_line(&self.err, line);
    }

    /// Asks for something: what is typed stands on the same line.
    pub(crate) fn prompt(&self, text: &str) {
        let mut stream = self.err.lock().expect("no writer panics");
        // As with `write_line`.
        stream.write_all(text.as_bytes()).and_then(|()| stream.flush()).ok();
    }

    /// Writes one JSON document.
    pub(crate) fn json(&self, document: &impl serde::Serialize) {
        self.out(&serde_json::to_string(document).expect("documents are plain data"));
    }
}

/// The stream of the result; a terminal gets what others wrote as harmless text.
struct Answers {
    stream: Shared,
    is_terminal: bool,
}

impl Write for Answers {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut stream = self.stream.lock().expect("no writer panics");
        if !self.is_terminal {
            return stream.write(bytes);
        }
        for line in String::from_utf8_lossy(bytes).split_inclusive('\n') {
            let (shown, end) = line.strip_suffix('\n').map_or((line, ""), |shown| (shown, "\n"));
            stream.write_all(format!("{}{end}", text::line(shown)).as_bytes())?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.lock().expect("no writer panics").flush()
    }
}

fn write_line(stream: &Shared, line: &str) {
    let mut stream = stream.lock().expect("no writer panics");
    // A reader that has gone is no error of ours: the command ends with its own result.
    stream.write_all(format!("{line}\n").as_bytes()).and_then(|()| stream.flush()).ok();
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console")
            .field("out_is_terminal", &self.out_is_terminal)
            .field("err_is_terminal", &self.err_is_terminal)
            .finish_non_exhaustive()
    }
}

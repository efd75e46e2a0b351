//! What operations report, as lines of a terminal or a log.

use std::{fmt, sync::Mutex, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use wharf_ops::context::Reporter;
use wharf_spec::{event::Event, model::RiskLevel, quantity::ByteSize};

use super::{Console, style::Paint, text};

/// Writes events to stderr: with a spinner for what takes long on a terminal, as plain lines elsewhere.
pub(crate) struct Lines {
    console: Console,
    verbose: bool,
    quiet: bool,
    spinner: Mutex<Option<ProgressBar>>,
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("verbose", &self.verbose).finish_non_exhaustive()
    }
}

impl Lines {
    pub(crate) fn new(console: Console, verbose: bool, quiet: bool) -> Self {
        Self { console, verbose, quiet, spinner: Mutex::new(None) }
    }

    fn line(&self, line: &str) {
        self.stop_spinner();
        if !self.quiet {
            self.console.err(line);
        }
    }

    fn begin(&self, what: &str) {
        self.stop_spinner();
        if self.quiet {
            return;
        }
        if !self.console.err_is_terminal {
            self.console.err(&format!("  {what}"));
            return;
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.set_style(
            ProgressStyle::with_template("  {spinner} {msg} {elapsed}").expect("a valid template"),
        );
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        *self.spinner.lock().expect("no reporter panics") = Some(bar);
    }

    fn output(&self, line: &str) {
        let line = text::line(line);
        match &*self.spinner.lock().expect("no reporter panics") {
            _ if self.quiet => {}
            Some(bar) if self.verbose => bar.suspend(|| self.console.err(&format!("  | {line}"))),
            Some(_) => {}
            None if self.verbose => self.console.err(&format!("  | {line}")),
            None => {}
        }
    }

    /// Shows how much of an image has moved; in a pipe the lines of its layers are enough.
    fn moving(&self, how: &str, moved: u64, size: u64) {
        if self.quiet || !self.console.err_is_terminal || moved >= size {
            return;
        }
        let message = format!("{how} {} of {}", ByteSize(moved), ByteSize(size));
        if let Some(bar) = &*self.spinner.lock().expect("no reporter panics") {
            bar.set_message(message);
            return;
        }
        self.begin(&message);
    }

    fn fetching(&self, received: u64, size: u64) {
        if self.quiet || !self.console.err_is_terminal {
            return;
        }
        let message = match size {
            0 => format!("received {}", ByteSize(received)),
            size => format!("received {} of {}", ByteSize(received), ByteSize(size)),
        };
        if let Some(bar) = &*self.spinner.lock().expect("no reporter panics") {
            bar.set_message(message);
        }
    }

    /// Shows how many rows of a table have their answer, and how much of it that is, where its size is known.
    fn predicted(&self, rows: u64, read: u64, size: Option<u64>) {
        if self.quiet || !self.console.err_is_terminal {
            return;
        }
        let mut bar = self.spinner.lock().expect("no reporter panics");
        let bar = bar.get_or_insert_with(|| {
            let template = match size {
                Some(_) => "  {bar:30} {percent}%  {msg}  {elapsed}",
                None => "  {spinner}  {msg}  {elapsed}",
            };
            let bar = ProgressBar::with_draw_target(size, ProgressDrawTarget::stderr());
            bar.set_style(ProgressStyle::with_template(template).expect("a valid template"));
            bar
        });
        bar.set_position(read);
        bar.set_message(format!("{rows} rows"));
    }

    /// Takes the spinner away, before anything else is written.
    pub(crate) fn stop_spinner(&self) {
        if let Some(bar) = self.spinner.lock().expect("no reporter panics").take() {
            bar.finish_and_clear();
        }
    }

    fn faint(&self, text: &str) -> String {
        self.console.style.on_err(Paint::Faint, text)
    }

    fn risk(&self, level: RiskLevel, message: &str) {
        let (paint, word) = match level {
            RiskLevel::Note => (Paint::Faint, "note"),
            RiskLevel::Caution => (Paint::Warning, "caution"),
            RiskLevel::Danger => (Paint::Bad, "DANGER"),
        };
        let word = self.console.style.on_err(paint, word);
        self.line(&format!("  {word}  {}", text::line(message)));
    }
}

impl Reporter for Lines {
    fn report(&self, event: Event) {
        match event {
            Event::Recognised { file, kind, runtime: _, summary, size, hash } => {
                let (file, summary) = (text::line(&file), text::line(&summary));
                let (size, hash) = (ByteSize(size), self.faint(&hash.short()));
                self.line(&format!("  model    {file}  {kind}  {summary}  {size}  {hash}"));
            }
            Event::Risk { level, text } => self.risk(level, &text),
            Event::Started { what } => self.begin(&text::line(&what)),
            Event::Output { line } => self.output(&line),
            Event::ContextRead { folder, dockerfile, files, size } => {
                let (folder, dockerfile) = (text::line(&folder), text::line(&dockerfile));
                let (size, word) = (ByteSize(size), if files == 1 { "file" } else { "files" });
                self.line(&format!("  app      {folder}  {dockerfile}  {files} {word}  {size}"));
            }
            Event::ImageReady { reference, id, made_of, size, reused, took_ms } => {
                let how = if reused { "nothing to build".to_owned() } else { seconds(took_ms) };
                let id = self.faint(id.get(..19).unwrap_or(&id));
                let (size, made_of) = (ByteSize(size), text::line(&made_of));
                self.line(&format!("  image    {reference}  {made_of}  {size}  {id}  {how}"));
            }
            Event::ImageSent { sent, size } if sent < size => {
                let (sent, size) = (ByteSize(sent), ByteSize(size));
                self.line(&format!("  sent     {sent} of {size}; the engine had the rest"));
            }
            Event::ImageSent { .. } => {}
            Event::Pushing { sent, size } => self.moving("sending", sent, size),
            Event::Pulling { received, size } => self.moving("fetching", received, size),
            Event::Fetching { received, size } => self.fetching(received, size),
            Event::Predicted { rows, read, size } => self.predicted(rows, read, size),
            Event::LayerMoved { layer, size, how } => {
                let (layer, size) = (self.faint(&layer.short()), ByteSize(size));
                self.line(&format!("  layer    {layer}  {size}  {how}"));
            }
            Event::Hashed { bytes, not_kept } if self.verbose => {
                self.line(&format!("  hashed   {} of files", ByteSize(bytes)));
                if let Some(why) = not_kept {
                    self.line(&format!("  cache    nothing is kept: {}", text::line(&why)));
                }
            }
            Event::Starting { name, engine, project } => {
                self.line(&format!("  service  {name}  {engine}  project {project}"));
                if self.console.err_is_terminal {
                    self.begin("waiting until it is healthy");
                }
            }
            Event::Replaced { name, generation } => {
                self.line(&format!("  removed  generation {generation} of {name}"));
            }
            Event::Waiting { on, holder } => {
                self.line(&format!("  waiting for `{on}`: {holder}"));
            }
            Event::Note { text } => self.line(&format!("note: {}", text::line(&text))),
            // What a command's result says stands in its own line on stdout.
            Event::Healthy { .. } | Event::Unchanged { .. } | Event::Removed { .. } => {
                self.stop_spinner();
            }
            _ => {}
        }
    }
}

/// Shows milliseconds as people read them.
pub(crate) fn seconds(millis: u64) -> String {
    format!("{}.{}s", millis / 1000, millis % 1000 / 100)
}

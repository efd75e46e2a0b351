//! What an engine's builder says while it works, kept for the error when it fails.

use std::{collections::VecDeque, sync::Mutex};

use wharf_spec::{codes, error::Source};

use crate::error::Error;

/// How many lines are kept.
const KEPT_LINES: usize = 20;

/// The last lines, and the step that they belong to.
#[derive(Debug, Default)]
pub(super) struct Output(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// `3/6: RUN pip install flask`
    step: Option<String>,
    last: VecDeque<String>,
}

impl Output {
    pub(super) fn take(&self, line: &str) {
        let mut kept = self.0.lock().expect("nothing panics while holding it");
        if let Some(step) = step(line) {
            kept.step = Some(step);
            kept.last.clear();
            return;
        }
        if is_bookkeeping(line) {
            return;
        }
        if kept.last.len() == KEPT_LINES {
            kept.last.pop_front();
        }
        kept.last.push_back(format!("  | {line}"));
    }

    /// Returns the error of a build that the engine ended.
    pub(super) fn error(self, shown: &str, why: Source) -> Error {
        let kept = self.0.into_inner().expect("nothing panicked while holding it");
        let action = match &kept.step {
            Some(step) => format!("the build of `{shown}` failed at step {step}"),
            None => format!("the build of `{shown}` failed"),
        };
        let words = why.to_string();
        let needs_buildkit = words.to_lowercase().contains("buildkit");
        let needs_frontend = words.contains("frontend gateway");
        let error = Error::new(codes::BUILD_STEP, action).because(why);
        let error = match kept.last.is_empty() {
            true => error,
            false => error.with_excerpt(Vec::from(kept.last).join("\n")),
        };
        if needs_buildkit {
            return error.hint(
                "build it with an engine that has BuildKit, as Docker has (`--builder docker`); the classic builder is used where `.dockerignore` names the Dockerfile or itself, since BuildKit cannot hide them from `COPY`",
            );
        }
        if needs_frontend {
            return error
                .hint("leave the line `# syntax=` out where the engine's own BuildKit is new enough; else the engine must be able to pull that image");
        }
        error.hint(
            "mend the Dockerfile or what it names; `-v` shows everything that the builder says",
        )
    }
}

/// Reads the line with which the builder begins a step: `Step 3/6 : RUN pip install flask`.
fn step(line: &str) -> Option<String> {
    let (place, command) = line.strip_prefix("Step ")?.split_once(" : ")?;
    let (at, all) = place.split_once('/')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    (is_number(at) && is_number(all)).then(|| format!("{at}/{all}: {command}"))
}

/// Lines in which the builder names its own containers and images.
fn is_bookkeeping(line: &str) -> bool {
    line.starts_with(" ---> ") || line.starts_with("Removing intermediate container ")
}

#[cfg(test)]
mod tests {
    use wharf_spec::error::Explain as _;

    use super::*;

    fn error(lines: &[&str], why: &str) -> Error {
        let output = Output::default();
        for line in lines {
            output.take(line);
        }
        output.error("app", why.into())
    }

    #[test]
    fn the_step_and_its_last_lines_are_told() {
        let lines = [
            "Step 1/2 : FROM x",
            " ---> 1",
            "Step 2/2 : RUN false",
            " ---> Running in 2",
            "a",
            "b",
        ];
        let error = error(&lines, "exit 1");
        assert_eq!(error.to_string(), "the build of `app` failed at step 2/2: RUN false");
        assert_eq!(error.excerpt().unwrap(), "  | a\n  | b");
    }

    #[test]
    fn of_many_lines_the_last_twenty_are_kept() {
        let lines: Vec<String> = (1..=50).map(|number| number.to_string()).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let shown = error(&lines, "x").excerpt().unwrap();
        assert_eq!((shown.lines().count(), shown.lines().next()), (20, Some("  | 31")));
    }

    #[test]
    fn a_line_of_a_program_is_no_step() {
        let error = error(&["Step by step : x", "Step 1/x : y"], "x");
        assert_eq!(error.to_string(), "the build of `app` failed");
    }

    #[test]
    fn what_only_buildkit_can_do_has_a_way_out() {
        let hints = error(&[], "the --mount option requires BuildKit").hints();
        assert!(hints[0].contains("--builder docker"), "{hints:?}");
    }
}

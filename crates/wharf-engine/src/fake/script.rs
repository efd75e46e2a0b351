//! The shell of the engine in memory: `echo TEXT [>&2]`, `printf TEXT`, `seq FIRST LAST`, `sleep SECONDS`,
//! `exit CODE`, with `;` between them.

use wharf_spec::workload::{Command, Workload, WorkloadKind};

use super::line;
use crate::{LogLine, LogStream};

/// What a process did up to its end, or up to where it stays.
pub(super) struct Ran {
    pub(super) log: Vec<LogLine>,
    /// `None` while it runs.
    pub(super) code: Option<i64>,
}

/// Runs a workload's command. A service without a script stays; a job without one succeeds.
pub(super) fn run(workload: &Workload) -> Ran {
    let script = match &workload.command {
        Command::Args(words) if words.first().is_some_and(|program| program.ends_with("sh")) => {
            words.last().map(String::as_str).unwrap_or_default()
        }
        Command::Args(_) | Command::Image => "",
    };
    let mut log = Vec::new();
    for step in script.split(';').map(str::trim) {
        let (word, rest) = step.split_once(' ').unwrap_or((step, ""));
        match word {
            "echo" | "printf" => log.push(match rest.strip_suffix(">&2") {
                Some(text) => line(LogStream::Err, text.trim_end()),
                None => line(LogStream::Out, rest),
            }),
            "seq" => {
                let numbers = sequence(rest).map(|number| number.to_string());
                log.extend(numbers.map(|number| line(LogStream::Out, &number)));
            }
            "exit" => return Ran { log, code: Some(rest.parse().unwrap_or(2)) },
            // Nothing here takes time: who sleeps never wakes by himself.
            "sleep" => return Ran { log, code: None },
            _ => {}
        }
    }
    let code = match workload.kind {
        WorkloadKind::Job => Some(0),
        WorkloadKind::Service => None,
    };
    Ran { log, code }
}

fn sequence(bounds: &str) -> std::ops::RangeInclusive<u32> {
    let mut numbers = bounds.split(' ').map(|number| number.parse().unwrap_or(0));
    numbers.next().unwrap_or(1)..=numbers.next().unwrap_or(0)
}

//! What every error can say about itself, and how a chain of causes is shown.

use std::{error::Error, fmt};

use serde::Serialize;

use crate::codes::{self, Page};

/// Who has to act; picks the exit code and the HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It was tried and did not work.
    Failed,
    /// Wrong flags, an invalid file, or a field that an engine cannot honour.
    Usage,
    /// There is no such model, service, run or image.
    NotFound,
    /// No or wrong credentials, or no right.
    Denied,
    /// The name is taken, or somebody else changed it.
    Conflict,
    /// Engine, registry, network or disk are out of reach.
    Unreachable,
    /// It took longer than allowed.
    Timeout,
    /// Not enough CPU, memory, GPU or quota.
    Capacity,
    /// The user said stop.
    Cancelled,
    /// A fault of wharf's own.
    Bug,
}

impl Kind {
    /// Every kind, in the order of exit codes.
    pub const ALL: [Self; 10] = [
        Self::Failed,
        Self::Usage,
        Self::NotFound,
        Self::Denied,
        Self::Conflict,
        Self::Unreachable,
        Self::Timeout,
        Self::Capacity,
        Self::Bug,
        Self::Cancelled,
    ];

    /// Returns the exit code of a command that ends so.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Denied => 4,
            Self::Conflict => 5,
            Self::Unreachable => 6,
            Self::Timeout => 7,
            Self::Capacity => 8,
            Self::Bug => 101,
            Self::Cancelled => 130,
        }
    }

    /// Returns the HTTP status of an answer that says so (499, as nginx has it, for a client that left).
    pub const fn http_status(self) -> u16 {
        match self {
            Self::Failed | Self::Bug => 500,
            Self::Usage => 422,
            Self::NotFound => 404,
            Self::Denied => 403,
            Self::Conflict => 409,
            Self::Unreachable => 502,
            Self::Timeout => 504,
            Self::Capacity => 503,
            Self::Cancelled => 499,
        }
    }

    /// Returns the word for it in machine output.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::NotFound => "not_found",
            Self::Denied => "denied",
            Self::Conflict => "conflict",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Capacity => "capacity",
            Self::Cancelled => "cancelled",
            Self::Bug => "bug",
        }
    }
}

/// A stable number with a page of its own: `wharf explain W0203`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub u16);

impl Code {
    /// Returns the code's page.
    ///
    /// # Panics
    /// When the code is not in [`codes::PAGES`]; a test walks all of them.
    pub fn page(self) -> &'static Page {
        codes::page(self).expect("every code that is used has a page")
    }

    /// Returns who has to act.
    pub fn kind(self) -> Kind {
        self.page().kind
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "W{:04}", self.0)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An error that a person will read.
pub trait Explain: Error {
    /// The code under which `wharf explain` has a page.
    fn code(&self) -> Code;

    /// What to do next, with commands in backticks; one or two.
    fn hints(&self) -> Vec<String> {
        Vec::new()
    }

    /// Lines to show under the sentence as they are: a snippet of a file, the last lines of a log.
    fn excerpt(&self) -> Option<String> {
        None
    }
}

/// Shows an error as wharf prints it: code, sentence, one line for each cause, excerpt, hints.
#[derive(Debug)]
pub struct Report<'a>(pub &'a dyn Explain);

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error[{}]: {}", self.0.code(), self.0)?;
        for cause in causes(self.0) {
            write!(f, "\n  cause: {cause}")?;
        }
        if let Some(excerpt) = self.0.excerpt() {
            write!(f, "\n{}", excerpt.trim_end())?;
        }
        let hints = self.0.hints();
        if !hints.is_empty() {
            writeln!(f)?;
        }
        for hint in hints {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

/// Returns the sentences of all deeper reasons, outermost first.
pub fn causes(error: &dyn Explain) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        let sentence = deeper.to_string();
        // Some libraries repeat the deeper sentence in their own.
        if found.last().is_none_or(|last| !last.contains(&sentence)) {
            found.push(sentence);
        }
        cause = deeper.source();
    }
    found
}

/// An error of any library, kept as the cause of ours.
pub type Source = Box<dyn Error + Send + Sync>;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("could not reach docker at unix:///var/run/docker.sock")]
    struct Example(#[source] std::io::Error);

    impl Explain for Example {
        fn code(&self) -> Code {
            codes::ENGINE_DENIED
        }

        fn hints(&self) -> Vec<String> {
            vec!["run `wharf doctor engine`".to_owned()]
        }
    }

    #[test]
    fn a_report_has_code_sentence_causes_and_hints() {
        let error = Example(std::io::Error::other("permission denied"));
        insta::assert_snapshot!(Report(&error), @r"
        error[W0202]: could not reach docker at unix:///var/run/docker.sock
          cause: permission denied

        hint: run `wharf doctor engine`
        ");
    }

    #[test]
    fn exit_codes_are_unique() {
        let mut seen: Vec<u8> = Kind::ALL.iter().map(|kind| kind.exit_code()).collect();
        seen.dedup();
        assert_eq!(seen.len(), Kind::ALL.len());
    }
}

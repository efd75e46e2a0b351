//! Why an operation failed, for whoever asked for it: a code, a sentence, causes and advice.

use std::{error, fmt, io, path::Path};

use wharf_engine::error::EngineError;
use wharf_model::error::ModelError;
use wharf_spec::{
    codes,
    error::{Code, Explain, Source},
    name::ParseNameError,
    reference::ParseReferenceError,
};

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An operation that failed.
#[derive(Debug)]
pub struct Error {
    code: Code,
    action: String,
    hints: Vec<String>,
    excerpt: Option<String>,
    source: Option<Source>,
}

impl Error {
    /// Returns an error with a sentence of its own: what could not be done, with the name of the thing.
    pub fn new(code: Code, action: impl Into<String>) -> Self {
        Self { code, action: action.into(), hints: Vec::new(), excerpt: None, source: None }
    }

    /// Returns an error about an action that failed for a deeper reason, which also gives code and advice.
    pub fn wrap(action: impl Into<String>, error: impl Explain + Send + Sync + 'static) -> Self {
        Self {
            code: error.code(),
            action: action.into(),
            hints: error.hints(),
            excerpt: error.excerpt(),
            source: Some(Box::new(error)),
        }
    }

    /// Returns an error about a file: its code tells a full disk from other reasons.
    pub fn file(action: &str, path: &Path, source: io::Error) -> Self {
        let code = match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => codes::DISK_FULL,
            _ => codes::FILE_ACCESS,
        };
        Self::new(code, format!("could not {action} `{}`", path.display())).because(source)
    }

    /// Adds the deeper reason.
    #[must_use]
    pub fn because(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds advice, with commands in backticks.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds lines to show as they are.
    #[must_use]
    pub fn with_excerpt(mut self, excerpt: impl Into<String>) -> Self {
        self.excerpt = Some(excerpt.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.action)
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn error::Error + 'static))
    }
}

impl Explain for Error {
    fn code(&self) -> Code {
        self.code
    }

    fn hints(&self) -> Vec<String> {
        self.hints.clone()
    }

    fn excerpt(&self) -> Option<String> {
        self.excerpt.clone()
    }
}

/// Takes a deeper error's own sentence; its causes stay.
fn pass_on(error: impl Explain + Send + Sync + 'static) -> Error {
    let mut own = Error::wrap(error.to_string(), error);
    // The sentence would stand there twice: the causes begin one deeper.
    own.source = own.source.and_then(|source| deeper(source.as_ref()));
    own
}

/// Keeps a chain of causes as text, since a cause cannot be taken out of its error.
#[derive(Debug)]
struct Cause {
    sentence: String,
    source: Option<Box<Self>>,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl error::Error for Cause {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn error::Error + 'static))
    }
}

fn deeper(error: &(dyn error::Error + 'static)) -> Option<Source> {
    fn chain(error: &(dyn error::Error + 'static)) -> Option<Box<Cause>> {
        let source = error.source()?;
        Some(Box::new(Cause { sentence: source.to_string(), source: chain(source) }))
    }
    chain(error).map(|cause| cause as Source)
}

impl From<EngineError> for Error {
    fn from(error: EngineError) -> Self {
        pass_on(error)
    }
}

impl From<ModelError> for Error {
    fn from(error: ModelError) -> Self {
        pass_on(error)
    }
}

impl From<ParseNameError> for Error {
    fn from(error: ParseNameError) -> Self {
        Self::new(codes::NAME, error.to_string())
    }
}

impl From<ParseReferenceError> for Error {
    fn from(error: ParseReferenceError) -> Self {
        Self::new(codes::FLAGS, error.to_string())
    }
}

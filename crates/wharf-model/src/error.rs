//! What can be wrong with a model, for whoever asked for it.

use std::path::PathBuf;

use wharf_spec::{
    codes,
    dockerignore::IgnoreError,
    error::{Code, Explain},
    yaml::YamlError,
};

pub type Result<T, E = ModelError> = std::result::Result<T, E>;

/// Why bytes are no model that can be run. The reader does not know the file's name; [`ModelError`] adds it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The bytes are damaged: cut off, out of range, contradicting themselves.
    #[error("{0}")]
    Corrupt(String),
    /// The bytes are fine, and use something that wharf cannot run.
    #[error("{what}")]
    Unsupported { what: String, hint: Option<String> },
}

impl ReadError {
    /// Returns the error for damaged bytes.
    pub fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt(what.into())
    }

    /// Returns the error for something that wharf cannot run.
    pub fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported { what: what.into(), hint: None }
    }

    /// Names the file that was read.
    pub fn in_file(self, path: impl Into<PathBuf>) -> ModelError {
        let path = path.into();
        match self {
            Self::Corrupt(_) => ModelError::Corrupt { path, source: self },
            Self::Unsupported { .. } => ModelError::Unsupported { path, source: self },
        }
    }
}

/// Why a model's answer could not be computed, although its input had the right form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RunError(pub String);

/// One variant for each thing that a caller can do something about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    #[error("there is no model at `{}`", .path.display())]
    NotFound { path: PathBuf, hint: Option<String> },
    #[error("`{}` is not a model that wharf knows: {why}", .path.display())]
    Unknown { path: PathBuf, why: String, hint: Option<String> },
    #[error("`{}` is damaged", .path.display())]
    Corrupt {
        path: PathBuf,
        #[source]
        source: ReadError,
    },
    #[error("`{}` cannot be served", .path.display())]
    Unsupported {
        path: PathBuf,
        #[source]
        source: ReadError,
    },
    #[error("`{}` describes `{}`, which is not there", .card.display(), .artifact.display())]
    ArtifactMissing { card: PathBuf, artifact: PathBuf },
    #[error("`{}` is not the file that was saved: {why}", .artifact.display())]
    ArtifactChanged { artifact: PathBuf, why: String },
    #[error("`{}` changed while it was read", .path.display())]
    Changed { path: PathBuf },
    #[error("could not read `{}`", .path.display())]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("`{}` cannot be understood", .path.display())]
    Ignore {
        path: PathBuf,
        #[source]
        source: IgnoreError,
    },
    #[error(transparent)]
    Yaml(#[from] YamlError),
}

impl Explain for ModelError {
    fn code(&self) -> Code {
        match self {
            Self::NotFound { .. } => codes::NO_MODEL,
            Self::Unknown { .. } => codes::UNKNOWN_MODEL,
            Self::Corrupt { .. } => codes::CORRUPT_MODEL,
            Self::Unsupported { .. } => codes::UNSUPPORTED_MODEL,
            Self::ArtifactMissing { .. } => codes::ARTIFACT_MISSING,
            Self::ArtifactChanged { .. } => codes::ARTIFACT_CHANGED,
            Self::Changed { .. } => codes::CHANGED_MEANWHILE,
            Self::File { .. } => codes::FILE_ACCESS,
            Self::Ignore { .. } => codes::FILE_VALUE,
            Self::Yaml(error) => error.code(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::NotFound { hint, .. } | Self::Unknown { hint, .. } => {
                hint.iter().cloned().collect()
            }
            Self::Unsupported { source: ReadError::Unsupported { hint, .. }, .. } => {
                hint.iter().cloned().collect()
            }
            Self::ArtifactMissing { artifact, .. } => {
                vec![format!("copy `{}` to its place, or save the model again", artifact.display())]
            }
            Self::ArtifactChanged { .. } | Self::Corrupt { .. } => {
                vec!["save the model again, or restore the file".to_owned()]
            }
            Self::Changed { .. } => {
                vec!["wait until the model is saved, then run the command again".to_owned()]
            }
            Self::Ignore { .. } => {
                vec![
                    "mend or remove the line; `\\` before a character takes it as it is".to_owned(),
                ]
            }
            Self::Yaml(error) => error.hints(),
            Self::Unsupported { .. } | Self::File { .. } => Vec::new(),
        }
    }

    fn excerpt(&self) -> Option<String> {
        match self {
            Self::Yaml(error) => error.excerpt(),
            _ => None,
        }
    }
}

//! Why the server did not start, or could not go on.

use std::{io, path::PathBuf};

use wharf_spec::{
    codes,
    error::{Code, Explain, Source},
    model::RuntimeKind,
};

use crate::{args::UsageError, runtime::LoadError};

/// One variant for each thing that a caller can do something about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ServeError {
    #[error("the command line was not understood: {0}")]
    Usage(#[from] UsageError),
    #[error("there is no model in `{}`", .folder.display())]
    NoBundle {
        folder: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the model's card `{}` cannot be used", .path.display())]
    Card {
        path: PathBuf,
        #[source]
        source: Source,
    },
    #[error("this program cannot run models of runtime `{0}`")]
    NoRuntime(RuntimeKind),
    #[error("could not listen on {address}")]
    Listen {
        address: String,
        #[source]
        source: io::Error,
    },
    #[error("the mounted file `{}` is not the model that was deployed", .path.display())]
    Mounted {
        path: PathBuf,
        #[source]
        source: Source,
    },
    #[error(transparent)]
    Load(LoadError),
    #[error("the model does not answer its own example of `{method}`")]
    WarmUp {
        method: String,
        #[source]
        source: Source,
    },
    #[error("the server could not be set up")]
    System(#[source] io::Error),
}

impl Explain for ServeError {
    fn code(&self) -> Code {
        match self {
            Self::Usage(_) => codes::FLAGS,
            Self::NoBundle { .. } => codes::NO_MODEL,
            Self::Card { .. } => codes::CORRUPT_MODEL,
            Self::NoRuntime(_) => codes::UNSUPPORTED_MODEL,
            Self::Listen { source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
                codes::PORT_TAKEN
            }
            Self::Listen { .. } => codes::FLAGS,
            Self::Mounted { .. } | Self::Load(_) | Self::WarmUp { .. } => codes::MODEL_LOAD,
            Self::System(_) => codes::BUG,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Usage(_) => vec!["see `wharf-serve --help`".to_owned()],
            Self::NoBundle { .. } => {
                vec!["name the folder that holds `card.json`: `--bundle DIR`".to_owned()]
            }
            Self::NoRuntime(kind) => vec![format!("use the program `{}`", kind.program())],
            Self::Listen { .. } => {
                vec!["choose another port with `--port`; 0 takes a free one".to_owned()]
            }
            Self::Mounted { .. } => {
                vec!["put the file back, or deploy it as it is now: `wharf up MODEL`".to_owned()]
            }
            Self::WarmUp { .. } => {
                vec!["mend the example, or save the model again with its libraries".to_owned()]
            }
            Self::Card { .. } | Self::Load(_) | Self::System(_) => Vec::new(),
        }
    }
}

//! What can go wrong while an image is written.

use std::{io, path::PathBuf};

pub type Result<T, E = OciError> = std::result::Result<T, E>;

/// One variant for each thing that a caller can do something about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OciError {
    #[error("could not read `{}`", .path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{}` changed while it was read", .path.display())]
    Changed { path: PathBuf },
    #[error("could not write the image")]
    Write(#[source] io::Error),
}

//! What can go wrong while an image is read or written.

use std::{io, path::PathBuf};

use wharf_spec::{
    codes,
    digest::Digest,
    error::{Code, Explain},
};

use crate::{manifest::Platform, registry::error::RegistryError, wheel::error::WheelError};

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
    #[error("the blob {digest} is damaged: {why}")]
    Blob { digest: Digest, why: String },
    #[error("the {what} cannot be used: {why}")]
    Foreign { what: String, why: String },
    #[error("the layer {diff_id} is in an engine only, and cannot be sent from here")]
    OnlyInEngine { diff_id: Digest },
    #[error("there is no image for {platform}")]
    NoPlatform {
        platform: Platform,
        /// Those that there are images for.
        there: Vec<String>,
    },
    #[error("the layer of Python packages cannot be made")]
    Wheel(#[source] Box<WheelError>),
    #[error("the registry does not give a part of the image")]
    Fetch(#[source] Box<RegistryError>),
    /// Of a blob that somebody else brings, with what they say of it.
    #[error("a part of the image is not to be had")]
    Brought {
        code: Code,
        hints: Vec<String>,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl OciError {
    /// Returns the error of a blob whose bytes somebody else could not bring.
    pub fn brought(error: impl Explain + Send + Sync + 'static) -> Self {
        Self::Brought { code: error.code(), hints: error.hints(), source: Box::new(error) }
    }
}

impl Explain for OciError {
    fn code(&self) -> Code {
        match self {
            Self::Read { .. } => codes::FILE_ACCESS,
            Self::Write(source) if source.kind() == io::ErrorKind::StorageFull => codes::DISK_FULL,
            Self::Write(_) => codes::FILE_ACCESS,
            Self::Changed { .. } => codes::CHANGED_MEANWHILE,
            Self::Blob { .. } | Self::Foreign { .. } | Self::Wheel(_) => codes::IMAGE_UNUSABLE,
            Self::NoPlatform { .. } => codes::NO_PLATFORM,
            Self::OnlyInEngine { .. } => codes::NEEDS_ENGINE,
            Self::Fetch(error) => error.code(),
            Self::Brought { code, .. } => *code,
        }
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Read { .. } | Self::Write(_) => "look whether the path is there, and may be used".to_owned(),
            Self::Changed { .. } => "leave the model's files alone meanwhile".to_owned(),
            Self::Blob { .. } | Self::Foreign { .. } => {
                "the image was damaged on its way, or made by a tool with a bug: get it again from where it comes"
                    .to_owned()
            }
            Self::NoPlatform { there, .. } => {
                format!("name one that there is with `--platform`: {}", there.join(", "))
            }
            Self::Wheel(_) => "look where the wheel comes from: pin another version, or get it from another index".to_owned(),
            Self::OnlyInEngine { .. } => "push the image's base to a registry first".to_owned(),
            Self::Fetch(error) => return error.hints(),
            Self::Brought { hints, .. } => return hints.clone(),
        };
        vec![hint]
    }
}

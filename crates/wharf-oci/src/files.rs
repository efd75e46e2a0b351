//! Files of an image on this machine: of a folder, or in a tar, by the same paths.

use std::{
    fs, io,
    io::{Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    error::{OciError, Result},
    tarfile::TarFile,
};

/// A folder or a tar.
#[derive(Debug, Clone)]
pub(crate) enum Files {
    Folder(PathBuf),
    Tar(Arc<TarFile>),
}

/// The part of a file of this machine that holds one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    pub(crate) offset: u64,
    pub(crate) size: u64,
}

impl Files {
    /// Opens what is at a path: a folder as it is, a file as a tar. Blocks: call it on a thread of its own.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let read = |source| OciError::Read { path: path.to_owned(), source };
        if fs::metadata(path).map_err(read)?.is_dir() {
            return Ok(Self::Folder(path.to_owned()));
        }
        TarFile::open(path).map(|tar| Self::Tar(Arc::new(tar)))
    }

    /// Returns where it is, for people.
    pub(crate) fn shown(&self) -> String {
        let path = match self {
            Self::Folder(path) => path,
            Self::Tar(tar) => tar.path(),
        };
        path.display().to_string()
    }

    /// Returns where a file is.
    pub(crate) fn find(&self, name: &str) -> Result<Place> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(name);
                // A link could lead anywhere.
                let found = fs::symlink_metadata(&path);
                let size = match found {
                    Ok(meta) if meta.is_file() => Ok(meta.len()),
                    Ok(_) => Err(io::Error::other("it is not a plain file")),
                    Err(error) => Err(error),
                };
                let size = size.map_err(|source| OciError::Read { path: path.clone(), source })?;
                Ok(Place { path, offset: 0, size })
            }
            Self::Tar(tar) => {
                let span = tar.find(name).map_err(|why| self.wrong(why))?;
                let span = span.ok_or_else(|| {
                    self.wrong(format!("it has no `{}`", name.escape_debug().collect::<String>()))
                })?;
                Ok(Place { path: tar.path().to_owned(), offset: span.offset, size: span.size })
            }
        }
    }

    /// Reads a small file as a whole.
    pub(crate) fn read(&self, name: &str, limit: u64) -> Result<Vec<u8>> {
        let Place { path, offset, size } = self.find(name)?;
        if size > limit {
            return Err(self.wrong(format!("its `{name}` is larger than {limit} bytes")));
        }
        let failed = |source| OciError::Read { path: path.clone(), source };
        let mut file = fs::File::open(&path).map_err(failed)?;
        file.seek(SeekFrom::Start(offset)).map_err(failed)?;
        let mut bytes = Vec::new();
        file.take(size).read_to_end(&mut bytes).map_err(failed)?;
        Ok(bytes)
    }

    /// Says what is wrong with what they hold.
    pub(crate) fn wrong(&self, why: String) -> OciError {
        let kind = match self {
            Self::Folder(_) => "image in",
            Self::Tar(_) => "archive",
        };
        OciError::Foreign { what: format!("{kind} `{}`", self.shown()), why }
    }
}

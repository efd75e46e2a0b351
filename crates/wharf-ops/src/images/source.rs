//! Where an image comes from: a registry, or a file or folder that holds one.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use wharf_oci::{
    docker_archive,
    error::OciError,
    image::Image,
    store::{Layout, Store, Which},
    tree::Tree,
};
use wharf_spec::reference::{ParseReferenceError, Reference};

use super::{At, Transfer};
use crate::{
    error::{Error, Result},
    supply::signature::named,
};

/// A place that holds an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Registry(Reference),
    /// A folder or a file.
    Path {
        form: Form,
        path: PathBuf,
    },
}

/// How a folder or file holds an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    OciDir,
    OciArchive,
    DockerArchive,
}

impl Form {
    const ALL: [(&str, Self); 3] = [
        ("oci-dir", Self::OciDir),
        ("oci-archive", Self::OciArchive),
        ("docker-archive", Self::DockerArchive),
    ];
}

impl Source {
    /// Returns the same with a relative path taken from a folder.
    #[must_use]
    pub fn below(self, folder: &Path) -> Self {
        match self {
            Self::Registry(reference) => Self::Registry(reference),
            Self::Path { form, path } => Self::Path { form, path: folder.join(path) },
        }
    }

    /// Says whether a text names a folder or file in one of the forms: `oci-dir:PATH`.
    pub fn is_path(text: &str) -> bool {
        matches!(text.parse(), Ok(Self::Path { .. }))
    }

    /// Opens it: manifests are read and checked, layers stay where they are. `image` chooses among several of a path.
    ///
    /// # Errors
    /// When it is not there, or cannot be used.
    pub async fn open(
        &self,
        image: Option<&str>,
        which: &Which,
        transfer: &Transfer,
    ) -> Result<Tree> {
        let failed = |error: OciError| Error::wrap(format!("could not read `{self}`"), error);
        let opening = async {
            match self {
                Self::Registry(reference) => {
                    let fetching = |error| failed(OciError::Fetch(Box::new(error)));
                    let at = At::find(reference, &transfer.access).await.map_err(fetching)?;
                    let root = at.registry.document(&at.repository, &named(reference)).await;
                    let root = root.map_err(fetching)?;
                    let At { registry, repository } = at;
                    let store = Store::Registry { registry, repository };
                    store.tree(root, which).await.map_err(failed)
                }
                Self::Path { form: Form::DockerArchive, path } => {
                    let (path, image) = (path.clone(), image.map(str::to_owned));
                    let image = blocking(move || docker_archive::read(&path, image.as_deref()));
                    image.await.map(|image| Tree::from(&image)).map_err(failed)
                }
                Self::Path { path, .. } => {
                    let (path, image) = (path.clone(), image.map(str::to_owned));
                    let opening = blocking(move || {
                        let layout = Layout::open(&path)?;
                        let root = layout.document(&layout.find(image.as_deref())?)?;
                        Ok((layout, root))
                    });
                    let (layout, root) = opening.await.map_err(failed)?;
                    Store::Layout(layout).tree(root, which).await.map_err(failed)
                }
            }
        };
        transfer.unless_cancelled(opening).await
    }

    /// Opens it for one platform, and reads the image's config.
    ///
    /// # Errors
    /// As [`Source::open`], and when it is no image that can run.
    pub async fn image(&self, which: &Which, transfer: &Transfer) -> Result<Image> {
        let tree = self.open(None, which, transfer).await?;
        let reading = blocking(move || Image::read(tree));
        let failed = |error: OciError| Error::wrap(format!("could not read `{self}`"), error);
        transfer.unless_cancelled(async { reading.await.map_err(failed) }).await
    }
}

/// Runs what reads files, or waits for the network, on a thread of its own.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OciError> + Send + 'static,
) -> Result<T, OciError> {
    tokio::task::spawn_blocking(work).await.expect("reading an image does not panic")
}

impl FromStr for Source {
    type Err = ParseReferenceError;

    fn from_str(text: &str) -> Result<Self, ParseReferenceError> {
        let path = text.split_once(':').filter(|(_, path)| !path.is_empty());
        let form = path.and_then(|(word, path)| {
            let (_, form) = Form::ALL.into_iter().find(|(form, _)| *form == word)?;
            Some((form, path))
        });
        match form {
            Some((form, path)) => Ok(Self::Path { form, path: path.into() }),
            None => text.parse().map(Self::Registry),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(reference) => reference.fmt(f),
            Self::Path { form, path } => {
                let (word, _) =
                    Form::ALL.into_iter().find(|(_, own)| own == form).expect("all are listed");
                write!(f, "{word}:{}", path.display())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_references_are_told_apart() {
        for text in ["oci-dir:./x", "oci-archive:/a/b.tar", "docker-archive:x.tar"] {
            assert!(Source::is_path(text), "{text}");
            assert_eq!(text.parse::<Source>().unwrap().to_string(), text);
        }
        for text in ["localhost:5000/oci-dir:1", "oci-dir", "oci-dir:", "python:3.11"] {
            assert!(!Source::is_path(text), "{text}");
        }
    }
}

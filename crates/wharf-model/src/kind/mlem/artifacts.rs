//! The files that a `.mlem` file names: found inside its folder, and compared with what it records.

use std::{
    io::BufRead,
    path::{Component, Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};
use wharf_spec::mlem::{Artifact, ModelFile};

use crate::{
    error::{ModelError, ReadError, Result},
    kind::bundle::{Fingerprint, Reader},
};

/// A file of a model that is what was saved.
#[derive(Debug)]
pub(super) struct Checked<T> {
    pub(super) path: PathBuf,
    pub(super) fingerprint: Fingerprint,
    /// What was seen of its content on the way.
    pub(super) seen: T,
}

/// Returns the only artifact of a processor, read once: `look` sees its bytes while they are hashed.
pub(super) fn of_processor<T: Serialize + DeserializeOwned>(
    card: &Path,
    file: &ModelFile,
    processor: &str,
    reader: Reader<'_>,
    look: impl FnOnce(&mut dyn BufRead) -> Result<T, ReadError>,
) -> Result<Checked<T>> {
    let artifact = only(card, file, processor)?;
    let path = place(card, artifact)?;
    if !path.is_file() {
        return Err(ModelError::ArtifactMissing { card: card.to_owned(), artifact: path });
    }
    let (seen, read) = reader.read(&path, look)?;
    let (size, hash) = recorded(artifact);
    let changed = |why| ModelError::ArtifactChanged { artifact: path.clone(), why };
    if let Some(size) = size
        && size != read.fingerprint.size
    {
        return Err(changed(format!("it has {} bytes, not {size}", read.fingerprint.size)));
    }
    if let (Some(hash), Some(md5)) = (hash, &read.md5)
        && !hash.eq_ignore_ascii_case(md5)
    {
        return Err(changed(format!("its MD5 is {md5}, not {hash}")));
    }
    let seen = seen.map_err(|error| error.in_file(&path))?;
    Ok(Checked { path, fingerprint: read.fingerprint, seen })
}

/// Artifacts of one processor are named `data…`, those of several `<processor>/data…`.
fn only<'a>(card: &Path, file: &'a ModelFile, processor: &str) -> Result<&'a Artifact> {
    let prefix = format!("{processor}/");
    let is_alone = file.processors.len() == 1;
    let mut own = file.artifacts.iter().filter(|(name, _)| is_alone || name.starts_with(&prefix));
    match (own.next(), own.next()) {
        (Some((_, artifact)), None) => Ok(artifact),
        (None, _) => {
            let why = format!("it names no file for `{processor}`");
            Err(ReadError::corrupt(why).in_file(card))
        }
        (Some(_), Some(_)) => Err(ReadError::Unsupported {
            what: format!("`{processor}` holds a model of another framework inside a callable"),
            hint: Some("save that model itself, or write a `predict.py`".to_owned()),
        }
        .in_file(card)),
    }
}

/// Returns where an artifact lies: inside the folder of the `.mlem` file.
fn place(card: &Path, artifact: &Artifact) -> Result<PathBuf> {
    let uri = match artifact {
        Artifact::Local(local) => &local.uri,
        Artifact::Fsspec(remote) | Artifact::Dvc(remote) => {
            return Err(ReadError::Unsupported {
                what: format!("its data lies in a remote store, at `{}`", remote.uri),
                hint: Some("bring it here first: `mlem clone`, or `dvc pull`".to_owned()),
            }
            .in_file(card));
        }
    };
    let relative = Path::new(uri);
    let is_inside = relative.components().all(|part| matches!(part, Component::Normal(_)));
    if !is_inside || uri.is_empty() {
        let what = format!("it names the file `{uri}`, which is outside its own folder");
        return Err(ReadError::unsupported(what).in_file(card));
    }
    Ok(card.parent().unwrap_or(Path::new("")).join(relative))
}

fn recorded(artifact: &Artifact) -> (Option<u64>, Option<&str>) {
    match artifact {
        Artifact::Local(local) => (local.size, local.hash.as_deref()),
        Artifact::Fsspec(remote) | Artifact::Dvc(remote) => (remote.size, remote.hash.as_deref()),
    }
}

//! Where a build goes: the engine, a folder or a file. Folders and files appear whole or not at all.

pub(crate) mod sibling;

use std::{
    fmt, fs,
    io::{self, Read as _, Write},
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::{Deserialize, Serialize};
use wharf_spec::codes;

use crate::error::{Error, Result};

/// A place for what was built: `engine`, or a form and a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// The engine's image store.
    Engine,
    /// A folder that `docker build` takes.
    Context(PathBuf),
    /// A file that `docker load` takes.
    DockerArchive(PathBuf),
    /// A folder as an OCI layout.
    OciDir(PathBuf),
    /// An OCI layout in one file.
    OciArchive(PathBuf),
}

/// Why a text is no output.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not an output: there is `engine`, `context:PATH`, `docker-archive:PATH`, `oci-dir:PATH` and `oci-archive:PATH`"
)]
pub struct ParseOutputError {
    text: String,
}

impl Output {
    /// Returns the form alone: `engine`, `context`, `docker-archive`, `oci-dir` or `oci-archive`.
    pub const fn form(&self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::Context(_) => "context",
            Self::DockerArchive(_) => "docker-archive",
            Self::OciDir(_) => "oci-dir",
            Self::OciArchive(_) => "oci-archive",
        }
    }

    /// Returns the path of a folder or file.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Engine => None,
            Self::Context(path)
            | Self::DockerArchive(path)
            | Self::OciDir(path)
            | Self::OciArchive(path) => Some(path),
        }
    }

    /// Returns the same with a relative path taken from a folder.
    #[must_use]
    pub fn below(self, folder: &Path) -> Self {
        match self {
            Self::Engine => Self::Engine,
            Self::Context(path) => Self::Context(folder.join(path)),
            Self::DockerArchive(path) => Self::DockerArchive(folder.join(path)),
            Self::OciDir(path) => Self::OciDir(folder.join(path)),
            Self::OciArchive(path) => Self::OciArchive(folder.join(path)),
        }
    }

    /// Says whether wharf must assemble the image itself for it.
    pub(super) const fn is_assembled(&self) -> bool {
        matches!(self, Self::DockerArchive(_) | Self::OciDir(_) | Self::OciArchive(_))
    }
}

impl FromStr for Output {
    type Err = ParseOutputError;

    fn from_str(text: &str) -> Result<Self, ParseOutputError> {
        if text == "engine" {
            return Ok(Self::Engine);
        }
        let path = text.split_once(':').filter(|(_, path)| !path.is_empty());
        match path {
            Some(("context", path)) => Ok(Self::Context(path.into())),
            Some(("docker-archive", path)) => Ok(Self::DockerArchive(path.into())),
            Some(("oci-dir", path)) => Ok(Self::OciDir(path.into())),
            Some(("oci-archive", path)) => Ok(Self::OciArchive(path.into())),
            _ => Err(ParseOutputError { text: text.to_owned() }),
        }
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.form())?;
        match self.path() {
            Some(path) => write!(f, ":{}", path.display()),
            None => Ok(()),
        }
    }
}

/// What happens to a target that holds something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    Refuse,
    /// It is replaced, unless one of these lies in it.
    Replace {
        except: Vec<PathBuf>,
    },
}

/// The file that says that a folder is wharf's, and which files it may hold.
const MARKER: &str = ".wharf-made.json";

/// The version of [`Marker`] that this wharf writes and reads.
const MARKER_SCHEMA: &str = "wharf.made/v1";

/// The most bytes of a marker.
const MOST_MARKER: u64 = 16 << 20;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Marker {
    schema: String,
    files: Vec<PathBuf>,
}

/// Refuses a folder that holds anything but what wharf wrote there, and a path that is no folder.
pub(crate) fn check_folder(folder: &Path, taken: &Taken) -> Result<()> {
    sibling::tidy(folder);
    let found = match fs::symlink_metadata(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::file("look at", folder, error)),
        Ok(found) => found,
    };
    if !found.is_dir() {
        return Err(target_taken(folder, "it is not a folder").hint("name another path"));
    }
    let files = files(folder)?;
    let foreign = match marker(folder) {
        Some(ours) => {
            files.into_iter().find(|file| file != Path::new(MARKER) && !ours.files.contains(file))
        }
        None => files.into_iter().next(),
    };
    let Some(foreign) = foreign else { return Ok(()) };
    let why = format!("it holds `{}`, which wharf did not write", foreign.display());
    match taken {
        Taken::Refuse => Err(target_taken(folder, &why)
            .hint("name another path, or replace everything in it with `--force`")),
        Taken::Replace { except } => {
            let whole =
                fs::canonicalize(folder).map_err(|error| Error::file("look at", folder, error))?;
            match except.iter().find(|kept| kept.starts_with(&whole)) {
                None => Ok(()),
                Some(kept) => {
                    let why = format!("`{}` lies in it", kept.display());
                    Err(target_taken(folder, &why).hint("name another path"))
                }
            }
        }
    }
}

/// Refuses a file that is not an image's archive, and a path that is no file.
pub(crate) fn check_file(file: &Path, taken: &Taken) -> Result<()> {
    sibling::tidy(file);
    let found = match fs::metadata(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::file("look at", file, error)),
        Ok(found) => found,
    };
    if !found.is_file() {
        return Err(target_taken(file, "it is not a file").hint("name another path"));
    }
    if *taken == Taken::Refuse && found.len() > 0 && !is_archive(file)? {
        return Err(target_taken(file, "it is not an image's archive")
            .hint("name another path, or replace it with `--force`"));
    }
    Ok(())
}

/// Says whether a tar begins as archives of images do: with `oci-layout`, or a config named by its digest.
fn is_archive(file: &Path) -> Result<bool> {
    let mut head = Vec::with_capacity(100);
    fs::File::open(file)
        .and_then(|file| file.take(100).read_to_end(&mut head))
        .map_err(|error| Error::file("read", file, error))?;
    let name = String::from_utf8_lossy(&head);
    let name = name.trim_end_matches('\0');
    let is_config = name.strip_suffix(".json").is_some_and(|hex| hex.len() == 64);
    Ok(is_config || name == "oci-layout")
}

fn target_taken(path: &Path, why: &str) -> Error {
    Error::new(codes::TARGET_TAKEN, format!("`{}` is not overwritten: {why}", path.display()))
}

/// Fills a new folder and puts it in the place of another. Until then, and after a failure, the other one stays.
pub(crate) fn replace_folder(target: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let failed = |error| Error::file("write", target, error);
    let parent = parent(target)?;
    let new = sibling::Folder::of_new(&parent).map_err(failed)?;
    fill(new.path())?;
    let marker = Marker { schema: MARKER_SCHEMA.to_owned(), files: files(new.path())? };
    let marker = serde_json::to_vec_pretty(&marker).expect("a marker is plain data");
    write_file(&new.path().join(MARKER), &mut marker.as_slice(), 0o644).map_err(failed)?;
    fs::set_permissions(new.path(), mode(0o755)).map_err(failed)?;
    if fs::symlink_metadata(target).is_ok() {
        let old = sibling::Folder::of_old(&parent).map_err(failed)?;
        // Under its own name: a command that finds it there knows where it belongs.
        let before = old.path().join(target.file_name().unwrap_or_default());
        fs::rename(target, &before).map_err(failed)?;
        if let Err(error) = fs::rename(new.path(), target) {
            fs::rename(&before, target).map_err(failed)?;
            return Err(failed(error));
        }
    } else {
        fs::rename(new.path(), target).map_err(failed)?;
    }
    // It has its own name now, and must not be removed under the first one.
    new.keep();
    Ok(())
}

/// Writes a new file and puts it in the place of another. Until then, and after a failure, the other one stays.
pub(crate) fn replace_file(
    target: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<()>,
) -> Result<()> {
    let failed = |error| Error::file("write", target, error);
    let new = sibling::new_file(&parent(target)?, mode(0o644)).map_err(failed)?;
    let mut buffered = io::BufWriter::with_capacity(1 << 20, new);
    write(&mut buffered)?;
    let new = buffered.into_inner().map_err(|error| failed(error.into_error()))?;
    new.persist(target).map_err(|error| failed(error.error))?;
    Ok(())
}

/// 1980-01-01T00:00:00Z, as in layers.
const TIME: std::time::Duration = std::time::Duration::from_secs(315_532_800);

/// Writes a file whose mode and time do not depend on the day and the umask.
///
/// Returns the number of bytes.
pub(super) fn write_file(path: &Path, content: &mut dyn io::Read, bits: u32) -> io::Result<u64> {
    let mut file = fs::File::create(path)?;
    let size = io::copy(content, &mut file)?;
    file.set_permissions(mode(bits))?;
    file.set_modified(std::time::UNIX_EPOCH + TIME)?;
    Ok(size)
}

/// Makes the folders from `top` down to one below it, with a mode that does not depend on the umask.
pub(super) fn make_folders(top: &Path, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut between = folder.ancestors().take_while(|one| *one != top);
    between.try_for_each(|one| fs::set_permissions(one, mode(0o755)))
}

fn mode(bits: u32) -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(bits)
}

/// Returns the folder that a target lies in, made where it is missing.
fn parent(target: &Path) -> Result<PathBuf> {
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(|error| Error::file("make", parent, error))?;
    Ok(parent.to_owned())
}

fn marker(folder: &Path) -> Option<Marker> {
    let mut text = String::new();
    fs::File::open(folder.join(MARKER)).ok()?.take(MOST_MARKER).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok().filter(|marker: &Marker| marker.schema == MARKER_SCHEMA)
}

/// Returns everything below a folder but folders, relative to it and sorted. Links are not followed.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error| Error::file("look at", folder, error);
    let mut found = Vec::new();
    let mut open = vec![PathBuf::new()];
    while let Some(inner) = open.pop() {
        for entry in fs::read_dir(folder.join(&inner)).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = inner.join(entry.file_name());
            if entry.file_type().map_err(failed)?.is_dir() {
                open.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(folder: &Path) -> Result<()> {
        fs::write(folder.join("Dockerfile"), "FROM scratch\n").unwrap();
        Ok(())
    }

    #[test]
    fn an_output_reads_what_it_writes() {
        for text in
            ["engine", "context:a", "docker-archive:a/b.tar", "oci-dir:a:b", "oci-archive:x"]
        {
            assert_eq!(text.parse::<Output>().unwrap().to_string(), text);
        }
        for text in ["", "registry", "context", "context:", "oci:x"] {
            assert!(text.parse::<Output>().is_err(), "{text} passed");
        }
    }

    #[test]
    fn only_what_wharf_wrote_is_replaced() {
        let home = tempfile::tempdir().unwrap();
        let target = home.path().join("deep/out");
        for _ in 0..2 {
            check_folder(&target, &Taken::Refuse).unwrap();
            replace_folder(&target, fill).unwrap();
        }
        fs::write(target.join("notes.txt"), "mine").unwrap();
        let refused = check_folder(&target, &Taken::Refuse).unwrap_err().to_string();
        assert!(refused.contains("it holds `notes.txt`"), "{refused}");
        check_folder(&target, &Taken::Replace { except: Vec::new() }).unwrap();
        let except = vec![fs::canonicalize(&target).unwrap().join("model.json")];
        assert!(check_folder(&target, &Taken::Replace { except }).is_err(), "a model lies in it");
    }

    #[test]
    fn a_failure_leaves_what_was_there_and_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        let target = home.path().join("out");
        replace_folder(&target, fill).unwrap();
        let failed = replace_folder(&target, |folder| {
            fs::write(folder.join("half"), "").unwrap();
            Err(crate::context::cancelled())
        });
        assert!(failed.is_err());
        assert_eq!(
            files(home.path()).unwrap(),
            ["out/.wharf-made.json", "out/Dockerfile"].map(PathBuf::from)
        );
        let file = home.path().join("x.tar");
        assert!(replace_file(&file, |_| Err(crate::context::cancelled())).is_err());
        assert!(!file.exists());
    }

    #[test]
    fn a_file_that_is_no_archive_is_kept() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("thesis.pdf");
        fs::write(&file, "%PDF").unwrap();
        assert!(check_file(&file, &Taken::Refuse).is_err());
        let mut archive = b"oci-layout".to_vec();
        archive.resize(512, 0);
        fs::write(&file, archive).unwrap();
        check_file(&file, &Taken::Refuse).unwrap();
        assert!(check_file(home.path(), &Taken::Refuse).is_err(), "a folder is no file");
    }
}

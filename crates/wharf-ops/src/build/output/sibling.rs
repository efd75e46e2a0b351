//! Hidden files and folders beside a target, while it is made: locked for as long as their command lives, so that the
//! next one can tell what a dead one left.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
    path::Path,
};

use tempfile::{NamedTempFile, TempDir};

/// How something begins that is being written.
const NEW: &str = ".wharf-new-";

/// How a folder begins that holds what a target held before, under the target's own name.
const OLD: &str = ".wharf-old-";

/// A folder beside a target, which goes when this value does.
#[derive(Debug)]
pub(super) struct Folder {
    folder: TempDir,
    _lock: File,
}

impl Folder {
    /// Makes a folder for what is to come.
    pub(super) fn of_new(parent: &Path) -> io::Result<Self> {
        Self::make(parent, NEW)
    }

    /// Makes a folder for what was there before.
    pub(super) fn of_old(parent: &Path) -> io::Result<Self> {
        Self::make(parent, OLD)
    }

    fn make(parent: &Path, prefix: &str) -> io::Result<Self> {
        loop {
            let folder = tempfile::Builder::new().prefix(prefix).tempdir_in(parent)?;
            let lock = File::open(folder.path())?;
            if is_locked_in_place(&lock, folder.path()) {
                return Ok(Self { folder, _lock: lock });
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Leaves it alone from now on: it has got another name.
    pub(super) fn keep(self) {
        let _path = self.folder.keep();
    }
}

/// Makes a file beside a target, which goes when the value does, unless it gets another name.
pub(crate) fn new_file(parent: &Path, mode: fs::Permissions) -> io::Result<NamedTempFile> {
    loop {
        let file =
            tempfile::Builder::new().prefix(NEW).permissions(mode.clone()).tempfile_in(parent)?;
        if is_locked_in_place(file.as_file(), file.path()) {
            return Ok(file);
        }
    }
}

/// Locks what was just made; `false` when another command took it for something left over and removed it.
fn is_locked_in_place(lock: &File, path: &Path) -> bool {
    match lock.lock() {
        Ok(()) => is_same(lock, path),
        // A file system without locks: nobody can take one there, so nobody removes it either.
        Err(_) => true,
    }
}

fn is_same(open: &File, path: &Path) -> bool {
    let id = |meta: fs::Metadata| (meta.dev(), meta.ino());
    let there = fs::symlink_metadata(path).ok().map(id);
    there.is_some() && open.metadata().ok().map(id) == there
}

/// Removes what dead commands left beside a target, and puts back what they had moved away from it.
///
/// Whatever cannot be removed stays: it is in nobody's way.
pub(crate) fn tidy(target: &Path) {
    let (Some(parent), Some(name)) = (target.parent(), target.file_name()) else { return };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let begins =
            |prefix: &str| entry.file_name().as_encoded_bytes().starts_with(prefix.as_bytes());
        if begins(NEW) {
            remove_dead(&path);
        } else if begins(OLD) {
            put_back(&path, name, target);
        }
    }
}

fn remove_dead(path: &Path) {
    let Some((_lock, is_folder)) = take(path) else { return };
    let removed = if is_folder { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    removed.ok();
}

/// Puts back what a folder holds of a target that is missing; where it is there, its new version had come already.
fn put_back(folder: &Path, name: &OsStr, target: &Path) {
    let Some((_lock, true)) = take(folder) else { return };
    let before = folder.join(name);
    if fs::symlink_metadata(&before).is_err() {
        // Of another target, or empty: a folder with something in it is not removed.
        fs::remove_dir(folder).ok();
    } else if fs::symlink_metadata(target).is_err() {
        fs::rename(&before, target).and_then(|()| fs::remove_dir(folder)).ok();
    } else {
        fs::remove_dir_all(folder).ok();
    }
}

/// Locks what nobody holds; says whether it is a folder.
fn take(path: &Path) -> Option<(File, bool)> {
    let kind = fs::symlink_metadata(path).ok()?.file_type();
    // A link or a pipe is not wharf's.
    if !kind.is_dir() && !kind.is_file() {
        return None;
    }
    let lock = File::open(path).ok()?;
    lock.try_lock().ok()?;
    is_same(&lock, path).then_some((lock, kind.is_dir()))
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::fs::PermissionsExt as _,
        process::{Child, Command, Stdio},
        time::{Duration, Instant},
    };

    use super::*;

    /// A process that holds a folder, as a command does that fills it.
    fn holder(folder: &Path) -> Child {
        // `--no-fork`: the process that holds the lock is the one that is killed.
        let process = Command::new("flock")
            .arg("--no-fork")
            .arg(folder)
            .args(["sleep", "60"])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let start = Instant::now();
        while File::open(folder).unwrap().try_lock().is_ok() {
            assert!(start.elapsed() < Duration::from_secs(10), "it never took the lock");
            std::thread::sleep(Duration::from_millis(5));
        }
        process
    }

    #[test]
    fn what_a_killed_command_left_goes_and_what_a_living_one_writes_stays() {
        let home = tempfile::tempdir().unwrap();
        let left = home.path().join(".wharf-new-left");
        fs::create_dir_all(left.join("deep")).unwrap();
        fs::write(left.join("deep/half"), "half").unwrap();
        let mut holder = holder(&left);
        tidy(&home.path().join("out"));
        let stayed = left.join("deep/half").exists();
        holder.kill().unwrap();
        holder.wait().unwrap();
        tidy(&home.path().join("out"));
        assert!(stayed, "it was taken from a living process");
        assert!(!left.exists(), "it was left though its process is dead");
    }

    #[test]
    fn what_is_being_written_stays() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::of_new(home.path()).unwrap();
        let old = Folder::of_old(home.path()).unwrap();
        let file = new_file(home.path(), fs::Permissions::from_mode(0o644)).unwrap();
        tidy(&home.path().join("out"));
        assert!(folder.path().exists() && old.path().exists() && file.path().exists());
    }

    #[test]
    fn a_folder_that_was_moved_away_comes_back() {
        let home = tempfile::tempdir().unwrap();
        let (target, old) = (home.path().join("out"), home.path().join(".wharf-old-x"));
        fs::create_dir_all(old.join("out")).unwrap();
        fs::write(old.join("out/Dockerfile"), "FROM scratch").unwrap();
        tidy(&home.path().join("other"));
        assert!(old.join("out/Dockerfile").exists(), "it is no business of another target");
        tidy(&target);
        assert!(target.join("Dockerfile").exists() && !old.exists());
        fs::create_dir_all(old.join("out")).unwrap();
        tidy(&target);
        assert!(target.join("Dockerfile").exists() && !old.exists(), "the new one had come");
    }

    #[test]
    fn what_only_has_such_a_name_stays() {
        let home = tempfile::tempdir().unwrap();
        let (precious, link) = (home.path().join("precious"), home.path().join(".wharf-new-link"));
        fs::create_dir(&precious).unwrap();
        std::os::unix::fs::symlink(&precious, &link).unwrap();
        tidy(&home.path().join("out"));
        assert!(precious.exists() && link.is_symlink());
    }
}

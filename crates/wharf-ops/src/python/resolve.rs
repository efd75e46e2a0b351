//! Requirements → `wharf.lock`: read where it fits, made by `uv` where it is missing or was made for others.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use wharf_spec::{codes, digest::Digest, event::Event, model::PythonNeeds, secret::Secret};

use super::{
    Packages, index,
    lock::{LARGEST, Lock, Place},
    target::Python,
};
use crate::error::{Error, Result};

/// Which lock of a model, and what is to happen with one that does not fit.
#[derive(Debug, Clone)]
pub struct LockRequest<'a> {
    pub needs: &'a PythonNeeds,
    /// The oldest Python that a new lock is for.
    pub python: Python,
    pub place: &'a LockPlace,
    pub update: Update,
}

/// Where a lock lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockPlace {
    /// With the model.
    pub beside: PathBuf,
    /// In the user's data, where the model's folder cannot be written.
    pub fallback: PathBuf,
}

/// What may happen with a lock that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Update {
    /// It must fit as it is.
    Never,
    /// It is made anew when the requirements have changed; versions that still fit stay.
    WhenChanged,
    /// It is made anew, with the newest versions.
    Always,
}

/// A lock, and where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locked {
    pub lock: Lock,
    pub path: PathBuf,
    /// Whether the file was written.
    pub changed: bool,
}

impl Locked {
    /// Returns the folder that paths in the lock begin in.
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }
}

impl LockPlace {
    /// Reads the lock that is there.
    ///
    /// # Errors
    /// `LOCK_DAMAGED` when it is none, with the line.
    pub fn read(&self) -> Result<Option<Locked>> {
        for path in [&self.beside, &self.fallback] {
            let mut text = String::new();
            let read = fs::File::open(path)
                .and_then(|file| file.take(LARGEST as u64 + 1).read_to_string(&mut text));
            match read {
                Ok(_) => {
                    let lock = Lock::parse(&text).map_err(|error| error.in_file(path))?;
                    return Ok(Some(Locked { lock, path: path.clone(), changed: false }));
                }
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                    ) => {}
                Err(error) => return Err(Error::file("read", path, error)),
            }
        }
        Ok(None)
    }

    /// Writes a lock, whole or not at all.
    fn write(&self, lock: &Lock) -> Result<PathBuf> {
        let text = lock.render();
        match write(&self.beside, &text) {
            Ok(()) => return Ok(self.beside.clone()),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
                ) => {}
            Err(error) => return Err(Error::file("write", &self.beside, error)),
        }
        let folder = self.fallback.parent().expect("a file in a folder");
        fs::create_dir_all(folder)
            .and_then(|()| write(&self.fallback, &text))
            .map_err(|error| Error::file("write", &self.fallback, error))?;
        Ok(self.fallback.clone())
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = path.parent().expect("a file in a folder");
    let mut file = tempfile::Builder::new().prefix(".wharf.lock.").tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Returns the digest of what a lock is made from: the lines, without passwords and in any order.
pub fn inputs(needs: &PythonNeeds) -> Digest {
    let mut lines: Vec<_> =
        needs.requirements.iter().map(|line| index::scrub(line.trim()).into_owned()).collect();
    lines.sort();
    lines.dedup();
    let indexes =
        needs.extra_indexes.iter().map(|index| format!("index {}", index::without_secrets(index)));
    let python = needs.version.iter().map(|version| format!("python {version}"));
    let all: Vec<_> =
        ["wharf.lock 1".to_owned()].into_iter().chain(lines).chain(indexes).chain(python).collect();
    Digest::blake3(all.join("\n").as_bytes())
}

impl Packages {
    /// Returns the lock of a model: the one that is there where it fits, else a new one.
    ///
    /// # Errors
    /// `LOCK_MISFIT` when it must not be changed and does not fit, `LOCK_DAMAGED` when it cannot be read, `REQUIREMENTS`
    /// when there is no solution.
    pub async fn lock(&self, request: &LockRequest<'_>) -> Result<Locked> {
        let inputs = inputs(request.needs);
        let found = request.place.read()?;
        let fits = |locked: &Locked| {
            locked.lock.inputs == Some(inputs)
                && locked
                    .lock
                    .requires_python
                    .is_none_or(|oldest| request.python.is_at_least(oldest))
        };
        match (found, request.update) {
            (Some(locked), Update::Never | Update::WhenChanged) if fits(&locked) => Ok(locked),
            (found, Update::Never) => Err(misfit(found.as_ref(), request)),
            (found, update) => {
                if let (Some(locked), Update::WhenChanged) = (&found, update) {
                    let text = format!(
                        "`{}` was made from other requirements: locking again",
                        locked.path.display()
                    );
                    self.reporter.report(Event::Note { text });
                }
                let seed = found
                    .as_ref()
                    .map(|locked| &locked.lock)
                    .filter(|_| update == Update::WhenChanged);
                let lock = Lock {
                    inputs: Some(inputs),
                    ..self.with_needs(request.needs).resolve(request, seed).await?
                };
                if found.as_ref().is_some_and(|found| found.lock == lock) {
                    return Ok(found.expect("it is the same"));
                }
                let path = request.place.write(&lock)?;
                if path == request.place.fallback {
                    let text = format!(
                        "the model's folder cannot be written, so its lock is `{}`",
                        path.display()
                    );
                    self.reporter.report(Event::Note { text });
                }
                Ok(Locked { lock, path, changed: true })
            }
        }
    }

    /// Returns the same with what a model itself names: its indexes, and credentials in its requirements.
    pub fn with_needs(&self, needs: &PythonNeeds) -> Self {
        let mut own = self.clone();
        own.indexes.extra.extend(needs.extra_indexes.iter().cloned().map(Secret::new));
        let words = needs.requirements.iter().flat_map(|line| line.split_whitespace());
        own.signed.extend(words.filter(|word| word.contains("://")).map(|word| {
            Secret::new(word.trim_start_matches(|c: char| !c.is_ascii_alphabetic()).to_owned())
        }));
        own
    }

    /// Asks `uv` for a solution; versions of `seed` are kept where they fit.
    async fn resolve(&self, request: &LockRequest<'_>, seed: Option<&Lock>) -> Result<Lock> {
        let uv = self.uv().await?;
        let requirements = &request.needs.requirements;
        self.reporter.report(Event::Started {
            what: format!("locking {} Python requirements", requirements.len()),
        });
        fs::create_dir_all(&self.cache).map_err(|error| Error::file("make", &self.cache, error))?;
        let folder = tempfile::Builder::new()
            .prefix("lock-")
            .tempdir_in(&self.cache)
            .map_err(|error| Error::file("make a folder in", &self.cache, error))?;
        let output = folder.path().join("pylock.toml");
        let failed = |error| Error::file("write into", folder.path(), error);
        // The folder is the user's alone (0700): lines may hold passwords.
        fs::write(folder.path().join("requirements.in"), requirements.join("\n") + "\n")
            .map_err(failed)?;
        if let Some(seed) = seed {
            fs::write(&output, seed.render()).map_err(failed)?;
        }
        let python = request.python.minor_text();
        let mut args = vec![
            "pip",
            "compile",
            "requirements.in",
            "-o",
            "pylock.toml",
            "--format",
            "pylock.toml",
        ];
        args.extend(["--universal", "--python-version", &python, "--only-binary", ":all:"]);
        args.extend(["--no-header", "--no-annotate"]);
        if self.indexes.no_index {
            args.push("--no-index");
        }
        let hint = format!(
            "mend the requirement that the lines name, or pick another Python; a package without wheels: \
             `pip wheel PACKAGE -w wheels`, and name the folder in PIP_FIND_LINKS (locked for Python {python})"
        );
        let ran = self.run_uv(&uv, folder.path(), &args).await;
        ran.map_err(|failed| failed.doing("the requirements cannot be locked", &hint))?;
        let text =
            fs::read_to_string(&output).map_err(|error| Error::file("read", &output, error))?;
        let mut lock = Lock::parse(&text).map_err(|error| {
            Error::new(codes::BUG, "what uv wrote cannot be read as a lock").because(error)
        })?;
        self.without_own_folders(&mut lock);
        Ok(lock)
    }

    /// Names wheels of this machine's folders by their file names alone: other machines have them elsewhere.
    fn without_own_folders(&self, lock: &mut Lock) {
        let folders = self.indexes.folders();
        for wheel in lock.packages.iter_mut().flat_map(|package| &mut package.wheels) {
            let Place::Url(url) = &wheel.place else { continue };
            let folder = index::local_path(url).and_then(|path| path.parent().map(Path::to_owned));
            if folder.is_some_and(|folder| folders.contains(&folder)) {
                wheel.place = Place::Path(wheel.name.as_str().to_owned());
            }
        }
    }
}

fn misfit(found: Option<&Locked>, request: &LockRequest<'_>) -> Error {
    let action = match found {
        Some(locked) => format!(
            "`{}` was made from other requirements, or for a newer Python",
            locked.path.display()
        ),
        None => format!("there is no lock `{}`", request.place.beside.display()),
    };
    Error::new(codes::LOCK_MISFIT, action).hint("lock again: `wharf lock MODEL`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(lines: &[&str]) -> PythonNeeds {
        let requirements = lines.iter().map(|line| (*line).to_owned()).collect();
        PythonNeeds { requirements, ..PythonNeeds::default() }
    }

    #[test]
    fn inputs_are_the_lines_in_any_order_without_passwords() {
        let one = inputs(&needs(&["a==1", "b @ https://me:old@h/b-1-py3-none-any.whl"]));
        assert_eq!(one, inputs(&needs(&["b @ https://me:new@h/b-1-py3-none-any.whl", " a==1"])));
        assert_ne!(one, inputs(&needs(&["a==2", "b @ https://h/b-1-py3-none-any.whl"])));
        assert_ne!(
            inputs(&needs(&["a"])),
            inputs(&PythonNeeds { version: Some("3.12".into()), ..needs(&["a"]) })
        );
    }

    #[test]
    fn a_folder_that_cannot_be_written_has_its_lock_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let lock = Lock { inputs: None, requires_python: None, packages: Vec::new() };
        let place = LockPlace {
            beside: PathBuf::from("/proc/self/wharf.lock"),
            fallback: folder.path().join("locks/x.lock"),
        };
        // `/proc` refuses new files to root as well, though in words of its own.
        match place.write(&lock) {
            Ok(path) => assert_eq!(path, place.fallback),
            Err(error) => assert!(error.to_string().contains("/proc/self/wharf.lock"), "{error}"),
        }
        let place = LockPlace { beside: folder.path().join("wharf.lock"), ..place };
        assert_eq!(place.write(&lock).unwrap(), place.beside);
        assert_eq!(place.read().unwrap().unwrap().lock, lock);
    }
}

//! What of a folder goes to the builder: everything that `.dockerignore` does not name, in a form that is the same on
//! any machine and day.

use std::{
    fs::{self, FileType},
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use wharf_oci::layer::{Content, Entry, Layer, Mode};
use wharf_spec::{
    codes,
    digest::Digest,
    dockerignore::{Ignore, IgnoreError},
};

use super::DOCKERFILE;
use crate::{
    build::native::assembling,
    error::{Error, Result},
};

const IGNORE_FILE: &str = ".dockerignore";

/// The name inside the context of a Dockerfile that lies outside of it, or is not copied from there.
const ASIDE: &str = ".dockerfile.wharf";

/// Our own state; it holds a key.
const OWN_FOLDER: &str = ".wharf";

/// The context of a build.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) layer: Layer,
    /// Of the uncompressed tar.
    pub(super) digest: Digest,
    /// The Dockerfile's path inside the context.
    pub(super) dockerfile: String,
    /// Whether `.dockerignore` names the Dockerfile, or itself.
    pub(super) hides_files: bool,
    /// For people.
    pub(super) shown_dockerfile: String,
    pub(super) files: usize,
    /// Bytes of the tar.
    pub(super) size: u64,
}

impl Tree {
    /// Lists a folder and reads everything that is sent.
    pub(super) fn read(folder: &Path, dockerfile: Option<&Path>) -> Result<Self> {
        let root =
            fs::canonicalize(folder).map_err(|source| Error::file("read", folder, source))?;
        let dockerfile = Dockerfile::find(&root, dockerfile)?;
        let ignore_file = IgnoreFile::find(&root, &dockerfile.path)?;
        let mut walk = Walk { root: &root, ignore: &ignore_file.rules, entries: Vec::new() };
        walk.all()?;
        let mut entries = walk.entries;
        let inside = dockerfile.inside.filter(|_| ignore_file.is_dockers);
        let kept = entries.len();
        let (name, hides_files) = match inside {
            Some(inside) => {
                // The engine reads both itself, and leaves them out of `COPY` where they are listed.
                for file in [inside.as_str(), IGNORE_FILE] {
                    add(&mut entries, &root, file)?;
                }
                (inside, entries.len() > kept)
            }
            None => {
                put_aside(&mut entries, &dockerfile.path)?;
                (ASIDE.to_owned(), true)
            }
        };
        let files = entries.iter().filter(|entry| entry.content != Content::Folder).count();
        let layer = Layer::new(entries);
        let (digest, size) = layer.digest().map_err(assembling)?;
        let shown_dockerfile = dockerfile.shown;
        Ok(Self { layer, digest, dockerfile: name, hides_files, shown_dockerfile, files, size })
    }
}

/// Where the steps of the build stand.
struct Dockerfile {
    path: PathBuf,
    /// Its path inside the context, if it lies there.
    inside: Option<String>,
    shown: String,
}

impl Dockerfile {
    fn find(root: &Path, named: Option<&Path>) -> Result<Self> {
        let shown = named.unwrap_or(Path::new(DOCKERFILE));
        let asked = root.join(shown);
        let path = fs::canonicalize(&asked).and_then(|path| match path.is_file() {
            true => Ok(path),
            false => Err(io::Error::other("it is no file")),
        });
        let path = path.map_err(|source| {
            Error::file("read", &asked, source).hint("name the Dockerfile with `--dockerfile FILE`")
        })?;
        let inside = path.strip_prefix(root).ok().and_then(Path::to_str).map(str::to_owned);
        Ok(Self { path, inside, shown: shown.display().to_string() })
    }
}

/// What the context leaves out, and who says so.
struct IgnoreFile {
    rules: Ignore,
    /// Whether the engine knows the file as well: `.dockerignore`, or none.
    is_dockers: bool,
}

impl IgnoreFile {
    fn find(root: &Path, dockerfile: &Path) -> Result<Self> {
        let mut beside = dockerfile.as_os_str().to_owned();
        beside.push(IGNORE_FILE);
        let candidates = [
            (PathBuf::from(beside), false),
            (root.join(".containerignore"), false),
            (root.join(IGNORE_FILE), true),
        ];
        for (path, is_dockers) in candidates {
            match fs::read(&path) {
                Ok(text) => {
                    let rules = Ignore::parse(&String::from_utf8_lossy(&text));
                    let rules = rules.map_err(|error| wrong_line(&path, error))?;
                    return Ok(Self { rules, is_dockers });
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(Error::file("read", &path, source)),
            }
        }
        Ok(Self { rules: Ignore::default(), is_dockers: true })
    }
}

fn wrong_line(path: &Path, error: IgnoreError) -> Error {
    Error::new(codes::FILE_VALUE, format!("`{}` cannot be understood", path.display()))
        .because(error)
        .hint("mend or remove the line; `\\` before a character takes it as it is")
}

/// Lists what is not ignored.
struct Walk<'a> {
    root: &'a Path,
    ignore: &'a Ignore,
    entries: Vec<Entry>,
}

impl Walk<'_> {
    fn all(&mut self) -> Result<()> {
        // No recursion: folders may be nested deeper than a stack is.
        let mut open = vec![String::new()];
        while let Some(folder) = open.pop() {
            let path = self.root.join(&folder);
            let failed = |source| unreadable(&path, source);
            for entry in fs::read_dir(&path).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let kind = entry.file_type().map_err(failed)?;
                let name = entry.file_name().into_string().map_err(|_| no_text(&entry.path()))?;
                let inside = if folder.is_empty() { name } else { format!("{folder}/{name}") };
                if inside == OWN_FOLDER {
                    continue;
                }
                let is_excluded = self.ignore.excludes(&inside);
                if kind.is_dir() && (!is_excluded || self.ignore.may_bring_back_beneath(&inside)) {
                    open.push(inside.clone());
                }
                if !is_excluded {
                    self.entries.push(self::entry(&entry.path(), inside, kind)?);
                }
            }
        }
        Ok(())
    }
}

fn entry(path: &Path, inside: String, kind: FileType) -> Result<Entry> {
    let failed = |source| unreadable(path, source);
    let mut mode = Mode::Plain;
    let content = if kind.is_dir() {
        Content::Folder
    } else if kind.is_symlink() {
        // Kept as a link, wherever it leads: what it leads to is never read.
        Content::Link { target: fs::read_link(path).map_err(failed)? }
    } else if kind.is_file() {
        let meta = fs::symlink_metadata(path).map_err(failed)?;
        if meta.permissions().mode() & 0o111 != 0 {
            mode = Mode::Executable;
        }
        Content::File { path: path.to_owned(), size: meta.len() }
    } else {
        let action = format!("`{}` is no file, folder or link", path.display());
        return Err(Error::new(codes::FILE_ACCESS, action).hint(leave_out(path)));
    };
    Ok(Entry { path: inside, mode, content })
}

/// Adds a file that may have been left out, if it is there.
fn add(entries: &mut Vec<Entry>, root: &Path, file: &str) -> Result<()> {
    let path = root.join(file);
    let Ok(meta) = fs::symlink_metadata(&path) else { return Ok(()) };
    if entries.iter().all(|entry| entry.path != file) {
        entries.push(entry(&path, file.to_owned(), meta.file_type())?);
    }
    Ok(())
}

/// Adds a Dockerfile under a name of our own, which no `COPY` sees.
fn put_aside(entries: &mut Vec<Entry>, dockerfile: &Path) -> Result<()> {
    let read = |path: &Path| fs::read(path).map_err(|source| unreadable(path, source));
    let steps = read(dockerfile)?;
    let kept = entries.iter().position(|entry| entry.path == IGNORE_FILE);
    let mut ignore = match kept.map(|at| entries.swap_remove(at).content) {
        Some(Content::File { path, .. }) => read(&path)?,
        Some(_) | None => IGNORE_FILE.as_bytes().to_vec(),
    };
    ignore.extend_from_slice(format!("\n{ASIDE}\n").as_bytes());
    entries.retain(|entry| entry.path != ASIDE);
    for (path, bytes) in [(ASIDE, steps), (IGNORE_FILE, ignore)] {
        let content = Content::Bytes(bytes);
        entries.push(Entry { path: path.to_owned(), mode: Mode::Plain, content });
    }
    Ok(())
}

fn unreadable(path: &Path, source: io::Error) -> Error {
    Error::file("read", path, source).hint(leave_out(path))
}

fn no_text(path: &Path) -> Error {
    Error::new(codes::FILE_ACCESS, format!("the name `{}` is not UTF-8", path.display()))
        .hint("rename it, or leave its folder out by a line in `.dockerignore`")
}

fn leave_out(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!("if the build does not need it, leave it out by a line in `.dockerignore`: `**/{name}`")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A folder with these files; `/` at the end makes a folder.
    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    fn sent(folder: &Path, dockerfile: Option<&str>) -> Vec<String> {
        let tree = Tree::read(folder, dockerfile.map(Path::new)).unwrap();
        let mut bytes = Vec::new();
        tree.layer.write(&mut bytes).unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect()
    }

    #[test]
    fn what_is_ignored_is_neither_sent_nor_read() {
        let folder = folder(&[
            ("Dockerfile", "FROM x"),
            (".dockerignore", "data\n*\n!app\n!data/keep.txt"),
            ("app/main.py", ""),
            ("data/keep.txt", ""),
            (".wharf/state/key", "secret"),
        ]);
        let big = fs::File::create(folder.path().join("data/big.bin")).unwrap();
        big.set_len(100 << 20).unwrap();
        let names = sent(folder.path(), None);
        let expect = [".dockerignore", "Dockerfile", "app/", "app/main.py", "data/keep.txt"];
        assert_eq!(names, expect);
        assert!(Tree::read(folder.path(), None).unwrap().size < 100_000);
    }

    #[test]
    fn links_are_kept_wherever_they_lead() {
        let folder = folder(&[("Dockerfile", "FROM x")]);
        symlink("/etc/passwd", folder.path().join("out")).unwrap();
        symlink("gone", folder.path().join("broken")).unwrap();
        symlink("..", folder.path().join("up")).unwrap();
        assert_eq!(sent(folder.path(), None), ["Dockerfile", "broken", "out", "up"]);
    }

    #[test]
    fn age_and_umask_make_no_difference_and_the_execute_bit_does() {
        let digest = |mode: u32| {
            let folder = folder(&[("Dockerfile", "FROM x"), ("run.sh", "exit")]);
            let path = folder.path().join("run.sh");
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
            Tree::read(folder.path(), None).unwrap().digest
        };
        assert_eq!(digest(0o644), digest(0o660));
        assert_eq!(digest(0o755), digest(0o711));
        assert_ne!(digest(0o644), digest(0o755));
    }

    #[test]
    fn a_dockerfile_from_outside_is_put_aside() {
        let outside = folder(&[("other", "FROM y")]);
        let folder = folder(&[("Dockerfile", "FROM x"), ("a", "")]);
        let other = outside.path().join("other");
        let names = sent(folder.path(), other.to_str());
        assert_eq!(names, [".dockerfile.wharf", ".dockerignore", "Dockerfile", "a"]);
    }

    #[test]
    fn a_dockerfile_has_an_ignore_file_of_its_own() {
        let folder = folder(&[
            ("docker/prod", "FROM x"),
            ("docker/prod.dockerignore", "b"),
            (".dockerignore", "a"),
            ("a", ""),
            ("b", ""),
        ]);
        let names = sent(folder.path(), Some("docker/prod"));
        assert!(names.contains(&"a".to_owned()) && !names.contains(&"b".to_owned()), "{names:?}");
    }

    #[test]
    fn what_is_neither_file_nor_folder_is_refused_by_name() {
        let folder = folder(&[("Dockerfile", "FROM x")]);
        let _socket =
            std::os::unix::net::UnixListener::bind(folder.path().join("app.sock")).unwrap();
        let error = Tree::read(folder.path(), None).unwrap_err();
        assert!(error.to_string().contains("app.sock"), "{error}");
        fs::write(folder.path().join(IGNORE_FILE), "**/app.sock").unwrap();
        Tree::read(folder.path(), None).unwrap();
    }
}

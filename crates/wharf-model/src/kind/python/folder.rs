//! What goes with a `predict.py`: the files of its folder, since it may import or open any of them, but for what
//! [`ignore`](super::ignore) leaves behind.

use std::{
    fs,
    path::{Path, PathBuf},
};

use wharf_spec::model::{Risk, RiskLevel};

use super::ignore::Rules;
use crate::{
    error::{ModelError, ReadError, Result},
    kind::bundle::{Bundle, CODE},
    known::KnownFiles,
};

/// How many files may lie in the folder of a Python model.
const MAX_FILES: usize = 10_000;

/// How deep its folders may go.
const MAX_DEPTH: usize = 32;

/// Takes the folder of a Python file into a bundle, and says what was left out.
pub(super) fn bundle(file: &Path, known: &dyn KnownFiles) -> Result<(Bundle, Vec<Risk>)> {
    let folder = file.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    let root = fs::canonicalize(folder)
        .map_err(|source| ModelError::File { path: folder.to_owned(), source })?;
    let rules = Rules::of(&root)?;
    let mut walk = Walk { root: root.clone(), rules, files: Vec::new(), outside: Vec::new() };
    walk.visit(&root, 0)?;
    // Whatever the rules say: without it there is no model.
    let own = root.join(file.file_name().unwrap_or_default());
    if let Err(place) = walk.files.binary_search(&own) {
        walk.files.insert(place, own);
    }
    let mut bundle = Bundle::default();
    for path in &walk.files {
        let relative = path.strip_prefix(&root).expect("the walk stays below its root");
        let Some(relative) = relative.to_str() else {
            let what = format!("the name of `{}` is no UTF-8", path.display());
            return Err(ReadError::unsupported(what).in_file(file));
        };
        bundle.add_file(&format!("{CODE}/{relative}"), path, known)?;
    }
    let note = |path: &PathBuf| {
        let shown = path.strip_prefix(&root).unwrap_or(path).display();
        let text = format!("`{shown}` is a link that leads out of the folder; it is left out");
        Risk { level: RiskLevel::Note, text }
    };
    Ok((bundle, walk.outside.iter().map(note).collect()))
}

struct Walk {
    root: PathBuf,
    rules: Rules,
    files: Vec<PathBuf>,
    outside: Vec<PathBuf>,
}

impl Walk {
    fn visit(&mut self, folder: &Path, depth: usize) -> Result<()> {
        let failed = |source| ModelError::File { path: folder.to_owned(), source };
        let too_large = |what: String| {
            let hint = Some("give the model a folder of its own, or name what it does not need in `.wharfignore`".to_owned());
            ReadError::Unsupported { what, hint }.in_file(&self.root)
        };
        if depth > MAX_DEPTH {
            return Err(too_large(format!("its folders go deeper than {MAX_DEPTH}")));
        }
        let mut entries = Vec::new();
        for entry in fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let (path, kind) = (entry.path(), entry.file_type().map_err(failed)?);
            if !self.stays_behind(&path, kind) {
                entries.push((path, kind));
            }
        }
        if self.files.len() + entries.len() > MAX_FILES {
            return Err(too_large(format!("its folder has more than {MAX_FILES} files")));
        }
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        for (path, kind) in entries {
            if kind.is_dir() {
                self.visit(&path, depth + 1)?;
            } else if kind.is_file() {
                self.files.push(path);
            } else if kind.is_symlink() {
                self.link(path);
            }
        }
        Ok(())
    }

    fn stays_behind(&self, path: &Path, kind: fs::FileType) -> bool {
        let relative = path.strip_prefix(&self.root).expect("the walk stays below its root");
        let relative = relative.to_string_lossy();
        if kind.is_dir() {
            self.rules.leave_all_of(path, &relative)
        } else {
            self.rules.leave(&relative)
        }
    }

    /// A link to a file of the folder is that file; links to folders could go round in circles.
    fn link(&mut self, path: PathBuf) {
        match fs::canonicalize(&path) {
            Ok(real) if real.starts_with(&self.root) && real.is_file() => self.files.push(path),
            _ => self.outside.push(path),
        }
    }
}

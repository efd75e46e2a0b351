//! What goes with a `predict.py`: the files of its folder, since it may import or open any of them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use wharf_spec::{
    model::{Risk, RiskLevel},
    project_file::PROJECT_FILE,
};

use crate::{
    error::{ModelError, ReadError, Result},
    kind::bundle::{Bundle, CODE},
};

/// How many files may lie in the folder of a Python model.
const MAX_FILES: usize = 10_000;

/// How deep its folders may go.
const MAX_DEPTH: usize = 32;

/// Folders that belong to tools.
const TOOLS: &[&str] = &["__pycache__", "node_modules", "venv", "env", "site-packages"];

/// Takes the folder of a Python file into a bundle, and says what was left out.
pub(super) fn bundle(file: &Path) -> Result<(Bundle, Vec<Risk>)> {
    let folder = file.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    let root = fs::canonicalize(folder)
        .map_err(|source| ModelError::File { path: folder.to_owned(), source })?;
    let mut walk = Walk { root: root.clone(), files: Vec::new(), outside: Vec::new() };
    walk.visit(&root, 0)?;
    let mut bundle = Bundle::default();
    for path in &walk.files {
        let relative = path.strip_prefix(&root).expect("the walk stays below its root");
        let Some(relative) = relative.to_str() else {
            let what = format!("the name of `{}` is no UTF-8", path.display());
            return Err(ReadError::unsupported(what).in_file(file));
        };
        bundle.add_file(&format!("{CODE}/{relative}"), path)?;
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
    files: Vec<PathBuf>,
    outside: Vec<PathBuf>,
}

impl Walk {
    fn visit(&mut self, folder: &Path, depth: usize) -> Result<()> {
        let failed = |source| ModelError::File { path: folder.to_owned(), source };
        let too_large = |what: String| {
            let hint = Some("give the model a folder of its own".to_owned());
            ReadError::Unsupported { what, hint }.in_file(&self.root)
        };
        if depth > MAX_DEPTH {
            return Err(too_large(format!("its folders go deeper than {MAX_DEPTH}")));
        }
        let mut entries = Vec::new();
        for entry in fs::read_dir(folder).map_err(failed)? {
            entries.push(entry.map_err(failed)?.path());
        }
        if self.files.len() + entries.len() > MAX_FILES {
            return Err(too_large(format!("its folder has more than {MAX_FILES} files")));
        }
        entries.sort();
        for path in entries.into_iter().filter(|path| is_wanted(path)) {
            let kind = fs::symlink_metadata(&path).map_err(failed)?.file_type();
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

    /// A link to a file of the folder is that file; links to folders could go round in circles.
    fn link(&mut self, path: PathBuf) {
        match fs::canonicalize(&path) {
            Ok(real) if real.starts_with(&self.root) && real.is_file() => self.files.push(path),
            _ => self.outside.push(path),
        }
    }
}

fn is_wanted(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_compiled = name.ends_with(".pyc");
    let is_environment = path.join("pyvenv.cfg").exists();
    !(name.starts_with('.')
        || is_compiled
        || is_environment
        || name == PROJECT_FILE
        || TOOLS.contains(&name.as_ref()))
}

//! What of a folder stays behind: what belongs to tools, and what `.wharfignore` names.
//!
//! The file is written as a `.dockerignore` is. The last line that matches decides, so that a line with `!` brings
//! back what would stay behind by itself.

use std::{fs, io, path::Path};

use wharf_spec::dockerignore::Ignore;

use crate::error::{ModelError, Result};

/// The file that says what stays behind.
const IGNORE_FILE: &str = ".wharfignore";

/// What stays behind by itself: what is hidden, what tools make, the declaration, which the card replaces, and the
/// lock, from which packages are installed: a model is the same before and after it is locked.
const BY_ITSELF: &str = "\
**/.*
**/__pycache__
**/*.pyc
**/node_modules
**/venv
**/env
**/site-packages
**/wharf.yaml
*wharf.lock
";

/// Our own state; it holds a key, and no line brings it back.
const STATE: &str = ".wharf";

/// What makes a folder a virtual environment, whatever it is called.
const ENVIRONMENT_FILE: &str = "pyvenv.cfg";

/// What of a folder stays behind.
#[derive(Debug)]
pub(super) struct Rules {
    rules: Ignore,
    /// The same for virtual environments, which stay behind under any name.
    environments: Ignore,
}

impl Rules {
    /// Reads a folder's own file, if it has one.
    pub(super) fn of(folder: &Path) -> Result<Self> {
        let path = folder.join(IGNORE_FILE);
        match fs::read(&path) {
            Ok(text) => Self::parse(&path, &String::from_utf8_lossy(&text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::parse(&path, ""),
            Err(source) => Err(ModelError::File { path, source }),
        }
    }

    fn parse(path: &Path, text: &str) -> Result<Self> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let after = |front: &str| {
            let rules = Ignore::parse(&format!("{front}{text}"));
            rules.map_err(|source| ModelError::Ignore { path: path.to_owned(), source })
        };
        // Alone first, so that an error counts the lines of the file.
        after("")?;
        Ok(Self { rules: after(BY_ITSELF)?, environments: after("**\n")? })
    }

    /// Says whether a file stays behind; the path is relative to the folder.
    pub(super) fn leave(&self, relative: &str) -> bool {
        is_state(relative) || self.rules.excludes(relative)
    }

    /// Says whether everything in a folder stays behind.
    pub(super) fn leave_all_of(&self, folder: &Path, relative: &str) -> bool {
        if is_state(relative) {
            return true;
        }
        let is_excluded =
            self.rules.excludes(relative) && !self.rules.may_bring_back_beneath(relative);
        let is_environment = folder.join(ENVIRONMENT_FILE).exists();
        is_excluded || (is_environment && self.environments.excludes(relative))
    }
}

fn is_state(relative: &str) -> bool {
    relative.split('/').any(|part| part == STATE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn left(text: &str, paths: &[&str]) -> Vec<String> {
        let rules = Rules::parse(Path::new(IGNORE_FILE), text).unwrap();
        paths.iter().filter(|path| rules.leave(path)).map(|path| (*path).to_owned()).collect()
    }

    const SOME: &[&str] = &[
        "predict.py",
        "lib/a.py",
        ".env",
        "lib/.git/HEAD",
        "lib/__pycache__/a.pyc",
        "venv/bin/python",
        "data/big.csv",
        ".wharf/state/key",
    ];

    #[test]
    fn what_belongs_to_tools_stays_behind_by_itself() {
        let expect = [
            ".env",
            "lib/.git/HEAD",
            "lib/__pycache__/a.pyc",
            "venv/bin/python",
            ".wharf/state/key",
        ];
        assert_eq!(left("", SOME), expect);
    }

    #[test]
    fn the_file_adds_and_brings_back() {
        let left = left("# big\ndata\n!.env\n!venv\n", SOME);
        let expect = ["lib/.git/HEAD", "lib/__pycache__/a.pyc", "data/big.csv", ".wharf/state/key"];
        assert_eq!(left, expect);
    }

    #[test]
    fn the_state_never_goes() {
        assert_eq!(left("!**\n", SOME), [".wharf/state/key"]);
    }

    #[test]
    fn a_line_that_is_no_pattern_is_told() {
        let error = Rules::parse(Path::new(IGNORE_FILE), "ok\n[\n").unwrap_err();
        let ModelError::Ignore { source, .. } = error else { panic!("{error:?}") };
        assert_eq!((source.line, source.text.as_str()), (2, "["));
    }
}

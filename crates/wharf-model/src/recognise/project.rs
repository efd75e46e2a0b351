//! `wharf.yaml`: found, read, and quoted where it contradicts the model.

use std::{
    fs,
    path::{Path, PathBuf},
};

use wharf_spec::{
    codes,
    project_file::{PROJECT_FILE, ProjectFile},
    yaml::{self, YamlError},
};

use crate::error::{ModelError, ReadError, Result};

/// A `wharf.yaml` and where it lies.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Project {
    pub(crate) folder: PathBuf,
    pub(crate) content: ProjectFile,
    text: String,
}

impl Project {
    /// Reads the nearest file from this folder upward, but not beyond the folder that has `.git`.
    pub(crate) fn nearest(folder: &Path) -> Result<Option<Self>> {
        for folder in folder.ancestors() {
            if let Some(found) = Self::of(folder)? {
                return Ok(Some(found));
            }
            if folder.join(".git").exists() {
                break;
            }
        }
        Ok(None)
    }

    /// Reads the file of this folder.
    pub(crate) fn of(folder: &Path) -> Result<Option<Self>> {
        let file = folder.join(PROJECT_FILE);
        file.is_file().then(|| Self::read(folder, &file)).transpose()
    }

    fn read(folder: &Path, file: &Path) -> Result<Self> {
        let text = read_text(file)?;
        // An empty file, or one of comments only, says nothing; YAML has it as null.
        let says_nothing = text.lines().all(|line| {
            let line = line.trim();
            line.is_empty() || line.starts_with('#')
        });
        let content = if says_nothing {
            ProjectFile::default()
        } else {
            yaml::read(&file.display().to_string(), &text)?
        };
        Ok(Self { folder: folder.to_owned(), content, text })
    }

    /// Returns the error for a value that does not fit the model, at the line of its key.
    pub(crate) fn mistake(&self, key: &str, message: String, hint: Option<String>) -> ModelError {
        let found = self.text.lines().enumerate().find_map(|(index, line)| {
            let rest = line.trim_start().strip_prefix(key)?;
            let column = line.len() - line.trim_start().len() + 1;
            rest.starts_with(':').then_some((index + 1, column, line))
        });
        let (line, column, shown) = found.unwrap_or((1, 1, ""));
        let (margin, indent) = (" ".repeat(line.to_string().len()), " ".repeat(column - 1));
        ModelError::Yaml(YamlError {
            file: self.folder.join(PROJECT_FILE).display().to_string(),
            line: line as u64,
            column: column as u64,
            message,
            snippet: format!("{margin} |\n{line} | {shown}\n{margin} | {indent}^"),
            hint,
            code: codes::FILE_VALUE,
        })
    }
}

/// Reads a text file that a person or MLEM wrote.
pub(crate) fn read_text(file: &Path) -> Result<String> {
    let failed = |source| ModelError::File { path: file.to_owned(), source };
    let size = fs::metadata(file).map_err(failed)?.len();
    if size > yaml::MAX_BYTES as u64 {
        let most = yaml::MAX_BYTES;
        let what = format!("it has {size} bytes; a file of this kind may have {most}");
        return Err(ReadError::unsupported(what).in_file(file));
    }
    fs::read_to_string(file).map_err(failed)
}

//! From what a person pointed at to one file of a model, and what `wharf.yaml` says of it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use wharf_spec::{
    name::WorkloadName,
    project_file::ModelSection,
    tagged::{OneOf, nearest},
};

use super::{
    project::Project,
    sniff::{self, Form},
};
use crate::error::{ModelError, Result};

/// How many files of a folder are looked at.
const MAX_ENTRIES: usize = 10_000;

/// A model's file, and what is said of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Target {
    /// What the person pointed at.
    pub(crate) shown: PathBuf,
    /// The model's file.
    pub(crate) path: PathBuf,
    pub(crate) form: Form,
    pub(crate) name: WorkloadName,
    /// The folder of `wharf.yaml`, else that of the target.
    pub(crate) folder: PathBuf,
    pub(crate) project: Option<Project>,
    /// `model:` of `wharf.yaml`; empty where it speaks of another model.
    pub(crate) section: ModelSection,
}

impl Target {
    /// Finds the model at a path.
    pub(crate) fn find(shown: &Path) -> Result<Self> {
        let mlem = with_mlem_suffix(shown);
        match fs::metadata(shown) {
            Ok(found) if found.is_dir() => match mlem {
                Some(mlem) if !shown.join(wharf_spec::project_file::PROJECT_FILE).exists() => {
                    Self::of_file(shown, mlem)
                }
                _ => Self::of_folder(shown),
            },
            Ok(found) if found.is_file() => {
                Self::of_file(shown, mlem.unwrap_or_else(|| shown.to_owned()))
            }
            Ok(_) => Err(ModelError::Unknown {
                path: shown.to_owned(),
                why: "it is neither a file nor a folder".to_owned(),
                hint: None,
            }),
            Err(error) => match (mlem, error.kind()) {
                (Some(mlem), _) => Self::of_file(shown, mlem),
                (None, io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                    Err(ModelError::NotFound {
                        path: shown.to_owned(),
                        hint: misspelt(shown, shown),
                    })
                }
                (None, _) => Err(ModelError::File { path: shown.to_owned(), source: error }),
            },
        }
    }

    /// Returns the error for something in `wharf.yaml` that does not fit the model.
    pub(crate) fn mistake(&self, key: &str, message: String, hint: Option<String>) -> ModelError {
        match &self.project {
            Some(project) => project.mistake(key, message, hint),
            None => ModelError::Unknown { path: self.path.clone(), why: message, hint },
        }
    }

    fn of_file(shown: &Path, path: PathBuf) -> Result<Self> {
        let parent = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let folder = canonical(parent)?;
        let project = Project::nearest(&folder)?;
        let section = match &project {
            Some(project) => section_for(project, &path)?,
            None => None,
        };
        // A file that has a folder of its own is called as the folder is.
        let own = match &section {
            Some(_) => None,
            None => path.file_stem().and_then(|stem| stem.to_str()),
        };
        let own = own.filter(|stem| !matches!(*stem, "model" | "predict"));
        let named = project.as_ref().filter(|_| section.is_some()).map(|project| &project.folder);
        let name = own.and_then(WorkloadName::from_text);
        let name = name.unwrap_or_else(|| folder_name(named.unwrap_or(&folder)));
        Self::new(shown, path, folder, name, project, section)
    }

    fn of_folder(shown: &Path) -> Result<Self> {
        let folder = canonical(shown)?;
        let project = Project::nearest(&folder)?;
        let named = match &project {
            Some(project) => model_path(project)?.filter(|path| path.starts_with(&folder)),
            None => None,
        };
        let path = match named {
            Some(path) => path,
            None => only_model(shown, &folder, project.as_ref())?,
        };
        let section = match &project {
            Some(project) => section_for(project, &path)?,
            None => None,
        };
        let name = folder_name(&folder);
        Self::new(shown, path, folder, name, project, section)
    }

    fn new(
        shown: &Path,
        path: PathBuf,
        folder: PathBuf,
        default_name: WorkloadName,
        project: Option<Project>,
        section: Option<ModelSection>,
    ) -> Result<Self> {
        let section = section.unwrap_or_default();
        let kind = section.kind.filter(|_| sniff::extension(&path) != "mlem");
        Ok(Self {
            shown: shown.to_owned(),
            form: sniff::named(&path, kind)?,
            path,
            name: section.name.clone().unwrap_or(default_name),
            folder: project.as_ref().map_or(folder, |project| project.folder.clone()),
            project,
            section,
        })
    }
}

/// Returns `model:` where it speaks of this file: it names it, or names none.
fn section_for(project: &Project, path: &Path) -> Result<Option<ModelSection>> {
    let Some(section) = &project.content.model else { return Ok(None) };
    let speaks_of_it = match model_path(project)? {
        Some(named) => canonical(&named)? == canonical(path)?,
        None => true,
    };
    Ok(speaks_of_it.then(|| section.clone()))
}

/// Returns the file that `wharf.yaml` names, by `path` or by the file of `entry`.
fn model_path(project: &Project) -> Result<Option<PathBuf>> {
    let Some(section) = &project.content.model else { return Ok(None) };
    let entry = section.entry.as_ref().and_then(|entry| entry.split_once(':'));
    let (key, named) = match (&section.path, entry) {
        (Some(path), _) => ("path", path.as_str()),
        (None, Some((file, _))) => ("entry", file),
        (None, None) => return Ok(None),
    };
    let path = project.folder.join(named);
    if path.is_file() {
        return Ok(Some(path));
    }
    if let Some(mlem) = with_mlem_suffix(&path) {
        return Ok(Some(mlem));
    }
    Err(project.mistake(
        key,
        format!("there is no file `{named}`"),
        misspelt(&path, Path::new(named)),
    ))
}

/// Returns the only model file of a folder.
fn only_model(shown: &Path, folder: &Path, project: Option<&Project>) -> Result<PathBuf> {
    let files = files_of(folder)?;
    let takes_pickles = project
        .and_then(|project| project.content.model.as_ref())
        .is_some_and(|section| section.kind.is_some_and(|kind| !kind_is_native(kind)));
    let pickles: Vec<&PathBuf> = files.iter().filter(|file| sniff::is_pickle_name(file)).collect();
    let mut models: Vec<&PathBuf> = files
        .iter()
        .filter(|file| with_mlem_suffix(file).is_none() && sniff::found(file).is_some())
        .collect();
    if models.is_empty() && takes_pickles {
        models.clone_from(&pickles);
    }
    match models.as_slice() {
        [only] => Ok((*only).clone()),
        [] => {
            let hint = match pickles.first() {
                Some(pickle) => format!(
                    "name `{0}` itself, or write `model: {{path: {0}, requirements: [scikit-learn==…]}}` \
                     into `wharf.yaml`",
                    file_name(pickle)
                ),
                None => "name the file; wharf looks for `.json`, `.ubj`, `.txt`, `.cbm`, `.onnx`, `.mlem` \
                         and `predict.py`"
                    .to_owned(),
            };
            Err(ModelError::NotFound { path: shown.to_owned(), hint: Some(hint) })
        }
        several => {
            let names: Vec<String> = several.iter().map(|file| file_name(file)).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            Err(ModelError::Unknown {
                path: shown.to_owned(),
                why: format!("it has several models: {}", names.join(", ")),
                hint: Some(format!(
                    "name one of {}, or write `model: {{path: {}}}` into `wharf.yaml`",
                    OneOf(&names),
                    names[0]
                )),
            })
        }
    }
}

const fn kind_is_native(kind: wharf_spec::model::ModelKind) -> bool {
    use wharf_spec::model::ModelKind;
    matches!(kind, ModelKind::Xgboost | ModelKind::Lightgbm | ModelKind::Catboost | ModelKind::Onnx)
}

/// Returns the files of a folder, sorted; links that lead out of it are left out.
fn files_of(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |source| ModelError::File { path: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)?.take(MAX_ENTRIES) {
        let path = entry.map_err(failed)?.path();
        let is_hidden = file_name(&path).starts_with('.');
        let is_inside = fs::canonicalize(&path).is_ok_and(|real| real.starts_with(folder));
        if !is_hidden && is_inside && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Returns the `.mlem` file of a path without the suffix, as MLEM names its models.
fn with_mlem_suffix(path: &Path) -> Option<PathBuf> {
    let mut name = path.file_name()?.to_owned();
    name.push(".mlem");
    let mlem = path.with_file_name(name);
    mlem.is_file().then_some(mlem)
}

/// Returns a hint with the nearest name in the same folder, in the form in which the path was written.
fn misspelt(path: &Path, written: &Path) -> Option<String> {
    let wanted = path.file_name()?.to_str()?;
    let folder = match path.parent()? {
        parent if parent == Path::new("") => Path::new("."),
        parent => parent,
    };
    let entries = fs::read_dir(folder).ok()?.take(MAX_ENTRIES);
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let near = nearest(wanted, &names)?;
    Some(format!("did you mean `{}`?", written.with_file_name(near).display()))
}

fn canonical(path: &Path) -> Result<PathBuf> {
    fs::canonicalize(path).map_err(|source| ModelError::File { path: path.to_owned(), source })
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn folder_name(folder: &Path) -> WorkloadName {
    let fallback = || "model".parse().expect("`model` is a name");
    WorkloadName::from_text(&file_name(folder)).unwrap_or_else(fallback)
}

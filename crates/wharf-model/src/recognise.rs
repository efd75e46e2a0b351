//! A path → what the model there is, how it is called, and the files that its server needs.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use wharf_spec::{
    model::{CARD_FILE, CARD_SCHEMA, ModelCard},
    project_file::BuildSection,
};

use crate::{
    error::{ModelError, Result},
    kind::{self, Draft},
    known::{KnownFiles, NothingKnown},
};

pub(crate) mod project;

pub(crate) mod sniff;

pub(crate) mod target;

use target::Target;

/// A recognised model: its card, and where the files of its bundle come from.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    pub card: ModelCard,
    /// One entry for each of [`ModelCard::files`], in the same order.
    pub sources: Vec<FileSource>,
    /// The folder that `wharf.yaml` and the state belong to.
    pub folder: PathBuf,
    /// What the person pointed at, for messages.
    pub shown: PathBuf,
    /// `build:` of `wharf.yaml`.
    pub build: BuildSection,
}

/// Where the content of a bundle's file comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileSource {
    File(PathBuf),
    Bytes(Vec<u8>),
}

impl FileSource {
    /// Opens the content for reading.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(&self) -> Result<Box<dyn io::Read + Send + '_>> {
        match self {
            Self::Bytes(bytes) => Ok(Box::new(bytes.as_slice())),
            Self::File(path) => match fs::File::open(path) {
                Ok(file) => Ok(Box::new(file)),
                Err(source) => Err(ModelError::File { path: path.clone(), source }),
            },
        }
    }
}

impl Model {
    /// Writes the bundle into an existing folder: the card, and every file (as a link where the system allows it).
    ///
    /// # Errors
    /// When something cannot be written.
    pub fn write_bundle(&self, folder: &Path) -> Result<()> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| ModelError::File { path, source }
        };
        for (file, source) in self.card.files.iter().zip(&self.sources) {
            let target = folder.join(&file.path);
            let parent = target.parent().unwrap_or(folder);
            fs::create_dir_all(parent).map_err(failed(parent))?;
            match source {
                FileSource::Bytes(bytes) => fs::write(&target, bytes).map_err(failed(&target))?,
                FileSource::File(path) => {
                    let path = fs::canonicalize(path).map_err(failed(path))?;
                    std::os::unix::fs::symlink(path, &target).map_err(failed(&target))?;
                }
            }
        }
        let card = serde_json::to_vec_pretty(&self.card).expect("a card is plain data");
        let target = folder.join(CARD_FILE);
        fs::write(&target, card).map_err(failed(&target))
    }
}

/// Recognises the model at a path: a model's file, a `.mlem` file, a `predict.py`, or a folder with one of them.
///
/// # Errors
/// When there is none, when it is damaged, or when wharf cannot serve it.
pub fn recognise(path: &Path) -> Result<Model> {
    recognise_with(path, &NothingKnown)
}

/// As [`recognise`], but for what is known of unchanged files: these are not read again.
///
/// # Errors
/// As [`recognise`].
pub fn recognise_with(path: &Path, known: &dyn KnownFiles) -> Result<Model> {
    let target = Target::find(path)?;
    let draft = kind::describe(&target, known)?;
    Ok(model(target, draft))
}

/// Says whether a folder's own `wharf.yaml` has a `model:`.
///
/// # Errors
/// When the file cannot be read or understood.
pub fn is_declared(folder: &Path) -> Result<bool> {
    Ok(project::Project::of(folder)?.is_some_and(|project| project.content.model.is_some()))
}

fn model(target: Target, draft: Draft) -> Model {
    let mut meta = draft.meta;
    meta.extend(target.section.meta);
    let (files, sources) = draft.bundle.into_parts();
    let card = ModelCard {
        schema: CARD_SCHEMA.to_owned(),
        name: target.name,
        kind: draft.kind,
        runtime: draft.runtime,
        reason: draft.reason,
        entry: draft.entry,
        files,
        methods: draft.methods,
        classes: draft.classes,
        python: draft.python,
        risks: draft.risks,
        meta,
        compat: target.section.compat,
        options: draft.options,
    };
    let build = target.project.and_then(|project| project.content.build).unwrap_or_default();
    Model { card, sources, folder: target.folder, shown: target.shown, build }
}

//! Models saved by MLEM: the `.mlem` file says what there is, and wharf checks that it is still so.
//!
//! - `artifacts`: the files that it names, their size and hash, and what a pickle among them imports;
//! - `methods`: its call orders become routes;
//! - `requirements`: what Python needs, and the user's own modules;
//! - `python`, `native`: the two ways to serve it.

use std::path::Path;

use wharf_spec::{
    mlem::{ModelFile, Processor},
    model::ModelKind,
    tagged::nearest,
    yaml,
};

use super::Draft;
use crate::{
    error::{ModelError, ReadError, Result},
    known::KnownFiles,
    recognise::{project::read_text, sniff::not_served, target::Target},
};

mod artifacts;

mod methods;

mod native;

mod python;

mod requirements;

mod source;

/// The processor that is the model itself.
const MAIN: &str = "model";

/// Every framework that MLEM could save, as its files name it.
const FRAMEWORKS: &[&str] = &[
    "callable",
    "catboost",
    "lightgbm",
    "onnx",
    "sklearn",
    "sklearn_pipeline",
    "sklearn_transformer",
    "tf_keras",
    "torch",
    "xgboost",
];

/// Describes a `.mlem` file.
pub(super) fn describe(target: &Target, known: &dyn KnownFiles) -> Result<Draft> {
    let path = &target.path;
    let file = read(path)?;
    let main = file.processors.get(MAIN).ok_or_else(|| {
        let processors: Vec<&str> = file.processors.keys().map(String::as_str).collect();
        let why = format!("it has no processor `{MAIN}`, only: {}", processors.join(", "));
        ReadError::corrupt(why).in_file(path)
    })?;
    let kind = kind(path, main)?;
    let mut draft = match kind {
        ModelKind::Xgboost => native::trees(target, &file, crate::tree::Format::Xgboost, known),
        ModelKind::Lightgbm => native::trees(target, &file, crate::tree::Format::Lightgbm, known),
        ModelKind::Catboost => native::trees(target, &file, crate::tree::Format::Catboost, known),
        ModelKind::Onnx => native::onnx(target, &file, known),
        ModelKind::Sklearn
        | ModelKind::SklearnPipeline
        | ModelKind::SklearnTransformer
        | ModelKind::Callable => python::describe(target, &file, kind, known),
        ModelKind::Torch | ModelKind::TfKeras | ModelKind::Pickle | ModelKind::Python => {
            Err(not_served(kind.word()).in_file(path))
        }
    }?;
    draft.meta = file.params;
    Ok(draft)
}

fn read(path: &Path) -> Result<ModelFile> {
    let text = read_text(path)?;
    let shown = path.display().to_string();
    let says_model = text.lines().any(|line| line.trim_end() == "object_type: model");
    if let Some(other) = text.lines().find_map(|line| line.strip_prefix("object_type:"))
        && !says_model
        && other.trim().trim_matches(['\'', '"']) != "model"
    {
        return Err(ModelError::Unknown {
            path: path.to_owned(),
            why: format!("it holds `{}`, not a model", other.trim()),
            hint: Some("name the `.mlem` file of a model".to_owned()),
        });
    }
    Ok(yaml::read::<ModelFile>(&shown, &text)?.modernised())
}

/// Returns which framework a processor is of.
fn kind(path: &Path, processor: &Processor) -> Result<ModelKind> {
    let word = processor.kind.as_str();
    match word {
        "callable" => Ok(ModelKind::Callable),
        "catboost" => Ok(ModelKind::Catboost),
        "lightgbm" => Ok(ModelKind::Lightgbm),
        "onnx" => Ok(ModelKind::Onnx),
        "sklearn" => Ok(ModelKind::Sklearn),
        "sklearn_pipeline" => Ok(ModelKind::SklearnPipeline),
        "sklearn_transformer" => Ok(ModelKind::SklearnTransformer),
        "tf_keras" => Ok(ModelKind::TfKeras),
        "torch" => Ok(ModelKind::Torch),
        "xgboost" => Ok(ModelKind::Xgboost),
        _ => Err(ModelError::Unknown {
            path: path.to_owned(),
            why: format!("its framework `{word}` is not one of MLEM's"),
            hint: Some(match nearest(word, FRAMEWORKS) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("MLEM has {}", FRAMEWORKS.join(", ")),
            }),
        }),
    }
}

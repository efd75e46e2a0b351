//! What a file is, by its first bytes; its name decides only where the bytes cannot.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use wharf_spec::model::ModelKind;

use crate::{
    error::{ModelError, ReadError, Result},
    tree,
};

/// How many bytes are looked at.
const HEAD: u64 = 64 << 10;

/// How a model's file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Tree(tree::Format),
    Onnx,
    Mlem,
    Pickle,
    PythonSource,
}

/// Says what a file is that a person named; a file that wharf does not serve is an error that says why.
pub(crate) fn named(path: &Path, kind: Option<ModelKind>) -> Result<Form> {
    if let Some(kind) = kind {
        return of_kind(path, kind);
    }
    let head = head(path)?;
    if let Some(form) = known(path, &head) {
        return Ok(form);
    }
    Err(refusal(path, &head))
}

/// Says what a file of a folder is; `None` when it is no model.
pub(crate) fn found(path: &Path) -> Option<Form> {
    let could_be = matches!(
        extension(path).as_str(),
        "json" | "ubj" | "bin" | "txt" | "cbm" | "onnx" | "mlem" | "model"
    );
    let is_predict = path.file_name().is_some_and(|name| name == "predict.py");
    if is_predict {
        return Some(Form::PythonSource);
    }
    if !could_be {
        return None;
    }
    let head = head(path).ok()?;
    match known(path, &head)? {
        Form::Mlem if !describes_model(&head) => None,
        form => Some(form),
    }
}

/// Says whether the name is one that pickles have.
pub(crate) fn is_pickle_name(path: &Path) -> bool {
    matches!(extension(path).as_str(), "pkl" | "pickle" | "joblib")
}

/// Returns the extension in lower case; empty when there is none.
pub(crate) fn extension(path: &Path) -> String {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.unwrap_or_default().to_ascii_lowercase()
}

fn of_kind(path: &Path, kind: ModelKind) -> Result<Form> {
    match kind {
        ModelKind::Xgboost => Ok(Form::Tree(tree::Format::Xgboost)),
        ModelKind::Lightgbm => Ok(Form::Tree(tree::Format::Lightgbm)),
        ModelKind::Catboost => Ok(Form::Tree(tree::Format::Catboost)),
        ModelKind::Onnx => Ok(Form::Onnx),
        ModelKind::Python => Ok(Form::PythonSource),
        ModelKind::Pickle
        | ModelKind::Sklearn
        | ModelKind::SklearnPipeline
        | ModelKind::SklearnTransformer
        | ModelKind::Callable => Ok(Form::Pickle),
        ModelKind::Torch | ModelKind::TfKeras => Err(not_served(kind.word()).in_file(path)),
    }
}

fn known(path: &Path, head: &[u8]) -> Option<Form> {
    match extension(path).as_str() {
        "mlem" => return Some(Form::Mlem),
        "py" => return Some(Form::PythonSource),
        "onnx" => return Some(Form::Onnx),
        "pkl" | "pickle" | "joblib" => return Some(Form::Pickle),
        _ => {}
    }
    if let Some(format) = tree::looks_like(head) {
        return Some(Form::Tree(format));
    }
    matches!(head, [0x80, 2..=5, ..]).then_some(Form::Pickle)
}

/// Of all `.mlem` files only those of models count; others describe data and deployments.
fn describes_model(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.lines();
    // A long file may have the line behind what was read.
    lines.any(|line| line.trim_end() == "object_type: model") || head.len() as u64 == HEAD
}

/// Returns the error for a file of no known form.
fn refusal(path: &Path, head: &[u8]) -> ModelError {
    let corrupt = |why: &str| ReadError::corrupt(why).in_file(path);
    let unknown = |why: &str, hint: &str| ModelError::Unknown {
        path: path.to_owned(),
        why: why.to_owned(),
        hint: Some(hint.to_owned()),
    };
    let other = "save it as XGBoost `.ubj`, LightGBM text, CatBoost `.cbm` or ONNX, save it with MLEM, or write a `predict.py`";
    match head {
        [] => corrupt("the file is empty"),
        [0x89, b'H', b'D', b'F', ..] => not_served("tf_keras").in_file(path),
        [b'P', b'K', 3, 4, ..] => not_served("torch").in_file(path),
        _ => match extension(path).as_str() {
            "ubj" => corrupt("it is not the UBJSON of an XGBoost model"),
            "json" => unknown("it is JSON, but not of an XGBoost model", other),
            "txt" => unknown("it is text, but not of a LightGBM model", other),
            _ => unknown("its first bytes are those of no format that wharf reads", other),
        },
    }
}

/// Returns the error for a framework that is known and not served.
pub(crate) fn not_served(framework: &str) -> ReadError {
    let hint = match framework {
        "torch" | "tf_keras" => "export the model to ONNX, or write a `predict.py` that loads it",
        _ => "write a `predict.py` that loads it",
    };
    ReadError::Unsupported {
        what: format!("models of `{framework}` are not served yet"),
        hint: Some(hint.to_owned()),
    }
}

fn head(path: &Path) -> Result<Vec<u8>> {
    let failed = |source| ModelError::File { path: PathBuf::from(path), source };
    let mut head = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(HEAD).read_to_end(&mut head).map_err(failed)?;
    Ok(head)
}

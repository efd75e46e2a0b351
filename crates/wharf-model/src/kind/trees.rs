//! Files of gradient-boosted trees: XGBoost and LightGBM.

use std::{fs, path::Path};

use serde_json::Value;
use wharf_spec::{
    data_type::{DataType, Shape},
    model::{Answer, Argument, Field, Method, ModelKind, NativeOptions, RuntimeKind, Step},
};

use super::{
    Draft,
    bundle::{Bundle, Fingerprint},
    said,
};
use crate::{
    error::{ModelError, Result},
    recognise::{FileSource, sniff, target::Target},
    tree::{Ensemble, Facts, Format},
};

/// Describes a bare file.
pub(super) fn describe(target: &Target, format: Format) -> Result<Draft> {
    let path = &target.path;
    let bytes = fs::read(path).map_err(|source| ModelError::File { path: path.clone(), source })?;
    let options = NativeOptions { best_iteration: target.section.best_iteration };
    let (mut draft, facts) = read(path, &bytes, format, options)?;
    draft.classes = classes(target, &facts)?;
    draft.methods = methods(&facts, format, &draft.classes);
    Ok(draft)
}

/// Reads an ensemble and takes it into a bundle; the methods are left to the caller.
pub(super) fn read(
    path: &Path,
    bytes: &[u8],
    format: Format,
    options: NativeOptions,
) -> Result<(Draft, Facts)> {
    let ensemble = Ensemble::read(format, bytes, &options).map_err(|error| error.in_file(path))?;
    let facts = ensemble.facts().clone();
    let extension = match (format, sniff::extension(path).as_str()) {
        (Format::Xgboost, "json") => "json",
        (Format::Xgboost, _) => "ubj",
        (Format::Lightgbm, _) => "txt",
    };
    let entry = format!("model.{extension}");
    let mut bundle = Bundle::default();
    bundle.add(&entry, Fingerprint::of(bytes), FileSource::File(path.to_owned()));
    let draft = Draft {
        kind: kind(format),
        runtime: RuntimeKind::Trees,
        reason: format!("wharf evaluates the trees of {} itself", library(format)),
        entry,
        methods: Vec::new(),
        classes: Vec::new(),
        python: None,
        risks: Vec::new(),
        meta: serde_json::Map::new(),
        options,
        bundle,
    };
    Ok((draft, facts))
}

const fn kind(format: Format) -> ModelKind {
    match format {
        Format::Xgboost => ModelKind::Xgboost,
        Format::Lightgbm => ModelKind::Lightgbm,
    }
}

const fn library(format: Format) -> &'static str {
    match format {
        Format::Xgboost => "XGBoost",
        Format::Lightgbm => "LightGBM",
    }
}

/// Returns the names of the classes that `wharf.yaml` lists.
fn classes(target: &Target, facts: &Facts) -> Result<Vec<Value>> {
    let named = &target.section.classes;
    if named.is_empty() {
        return Ok(Vec::new());
    }
    match class_count(facts) {
        Some(count) if count == named.len() => Ok(named.clone()),
        Some(count) => {
            let said = said::count(named.len(), "class", "classes");
            let message = format!("`classes` names {said}; the model has {count}");
            Err(target.mistake("classes", message, None))
        }
        None => {
            let message =
                format!("the model has no classes: its objective is `{}`", facts.objective);
            Err(target.mistake("classes", message, Some("remove `classes`".to_owned())))
        }
    }
}

fn methods(facts: &Facts, format: Format, classes: &[Value]) -> Vec<Method> {
    let dtype = dtype(format);
    let method = |name: &str, returns, answer| Method {
        name: name.to_owned(),
        steps: vec![Step { processor: "model".to_owned(), method: name.to_owned() }],
        args: vec![argument(facts)],
        returns,
        answer,
        examples: Vec::new(),
    };
    match class_count(facts) {
        Some(count) => {
            let label = DataType::ndarray(vec![None], class_dtype(classes, "int64"));
            let probabilities = DataType::ndarray(vec![None, Some(count as u64)], dtype);
            vec![
                method("predict", label, Answer::Class),
                method("predict_proba", probabilities, Answer::Probabilities),
            ]
        }
        None => {
            let returns = DataType::ndarray(value_shape(facts), dtype);
            vec![method("predict", returns, Answer::Value)]
        }
    }
}

/// Returns the only argument: a table of numbers.
pub(super) fn argument(facts: &Facts) -> Argument {
    let field = |name: &String| Field { name: name.clone(), ..Field::default() };
    Argument {
        name: "data".to_owned(),
        keyword: None,
        data_type: DataType::ndarray(vec![None, Some(facts.features as u64)], "float64"),
        required: true,
        default: None,
        fields: facts.feature_names.iter().map(field).collect(),
        allows_missing: true,
    }
}

fn class_count(facts: &Facts) -> Option<usize> {
    (facts.classes > 0).then_some(facts.classes)
}

fn value_shape(facts: &Facts) -> Shape {
    if facts.outputs == 1 { vec![None] } else { vec![None, Some(facts.outputs as u64)] }
}

/// Returns NumPy's name of the answers' type: what the library itself gives.
const fn dtype(format: Format) -> &'static str {
    match format {
        Format::Xgboost => "float32",
        Format::Lightgbm => "float64",
    }
}

/// Returns NumPy's name of the type of class labels: that of their names, else of their numbers.
pub(super) fn class_dtype<'a>(classes: &[Value], numbers: &'a str) -> &'a str {
    if classes.is_empty() {
        numbers
    } else if classes.iter().all(Value::is_i64) {
        "int64"
    } else if classes.iter().all(Value::is_boolean) {
        "bool"
    } else if classes.iter().all(Value::is_number) {
        "float64"
    } else {
        "str"
    }
}

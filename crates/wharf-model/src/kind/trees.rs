//! Files of gradient-boosted trees: XGBoost, LightGBM and CatBoost.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use wharf_spec::{
    data_type::{DataType, Frame, Shape},
    model::{Answer, Argument, Field, Method, ModelKind, NativeOptions, RuntimeKind, Step},
};

use super::{
    Draft,
    bundle::{Bundle, Fingerprint, Md5Wanted, Reader, whole},
    said,
};
use crate::{
    error::{ReadError, Result},
    known::KnownFiles,
    recognise::{FileSource, sniff, target::Target},
    tree::{self, Ensemble, Format},
};

/// What a card says of an ensemble.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Facts {
    objective: String,
    /// Columns of the input.
    pub(super) features: usize,
    feature_names: Vec<String>,
    /// The names of categories, column by column; empty when there are none.
    categories: Vec<Vec<Value>>,
    outputs: usize,
    /// Zero when it is no classifier.
    classes: usize,
    /// What the file calls them.
    pub(super) class_names: Vec<Value>,
}

impl Facts {
    pub(super) fn has_named_categories(&self) -> bool {
        !self.categories.is_empty()
    }

    pub(super) fn is_classifier(&self) -> bool {
        self.classes > 0
    }
}

/// Describes a bare file.
pub(super) fn describe(target: &Target, format: Format, known: &dyn KnownFiles) -> Result<Draft> {
    let path = &target.path;
    let options = NativeOptions { best_iteration: target.section.best_iteration };
    let name = reader_name(format, options);
    let reader = Reader { known, name: &name, place: None, md5: Md5Wanted::No };
    let (facts, read) = reader.read(path, |bytes| facts(&whole(bytes)?, format, options))?;
    let facts = facts.map_err(|error| error.in_file(path))?;
    let mut draft = draft(path, read.fingerprint, format, options);
    draft.classes = classes(target, &facts)?;
    draft.methods = methods(&facts, format, &draft.classes);
    Ok(draft)
}

/// Names the reader of ensembles; what it sees depends on format and options.
pub(super) fn reader_name(format: Format, options: NativeOptions) -> String {
    let options = serde_json::to_string(&options).expect("options are plain data");
    format!("{} {options}", kind(format))
}

/// Reads an ensemble for what is said of it.
pub(super) fn facts(
    bytes: &[u8],
    format: Format,
    options: NativeOptions,
) -> Result<Facts, ReadError> {
    let ensemble = Ensemble::read(format, bytes, &options)?;
    let tree::Facts {
        objective,
        features,
        feature_names,
        categories,
        outputs,
        classes,
        class_names,
        ..
    } = ensemble.facts().clone();
    Ok(Facts { objective, features, feature_names, categories, outputs, classes, class_names })
}

/// Takes an ensemble into a bundle; methods and classes are left to the caller.
pub(super) fn draft(
    path: &Path,
    fingerprint: Fingerprint,
    format: Format,
    options: NativeOptions,
) -> Draft {
    let extension = match (format, sniff::extension(path).as_str()) {
        (Format::Xgboost | Format::Catboost, "json") => "json",
        (Format::Xgboost, "bin" | "model") => "bin",
        (Format::Xgboost, _) => "ubj",
        (Format::Lightgbm, _) => "txt",
        (Format::Catboost, _) => "cbm",
    };
    let entry = format!("model.{extension}");
    let mut bundle = Bundle::default();
    bundle.add(&entry, fingerprint, FileSource::File(path.to_owned()));
    Draft {
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
    }
}

const fn kind(format: Format) -> ModelKind {
    match format {
        Format::Xgboost => ModelKind::Xgboost,
        Format::Lightgbm => ModelKind::Lightgbm,
        Format::Catboost => ModelKind::Catboost,
    }
}

const fn library(format: Format) -> &'static str {
    match format {
        Format::Xgboost => "XGBoost",
        Format::Lightgbm => "LightGBM",
        Format::Catboost => "CatBoost",
    }
}

/// Returns the names of the classes: those that `wharf.yaml` lists, else the file's own.
fn classes(target: &Target, facts: &Facts) -> Result<Vec<Value>> {
    let named = &target.section.classes;
    if named.is_empty() {
        return Ok(facts.class_names.clone());
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

/// Returns the only argument: a table of numbers, with columns of texts where categories have names.
pub(super) fn argument(facts: &Facts) -> Argument {
    if facts.has_named_categories() {
        return table(facts);
    }
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

fn table(facts: &Facts) -> Argument {
    let name = |column: usize| {
        facts.feature_names.get(column).cloned().unwrap_or_else(|| format!("Column_{column}"))
    };
    let columns: Vec<String> = (0..facts.categories.len()).map(name).collect();
    let dtype =
        |names: &Vec<Value>| if names.is_empty() { "float64" } else { class_dtype(names, "") };
    let dtypes = facts.categories.iter().map(|names| match dtype(names) {
        "str" => "object".to_owned(),
        dtype => dtype.to_owned(),
    });
    let fields = columns.iter().zip(&facts.categories).map(|(name, choices)| Field {
        name: name.clone(),
        choices: choices.clone(),
        ..Field::default()
    });
    Argument {
        name: "data".to_owned(),
        keyword: None,
        fields: fields.collect(),
        data_type: DataType::DataFrame(Frame {
            dtypes: dtypes.collect(),
            columns,
            index_cols: Vec::new(),
        }),
        required: true,
        default: None,
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
        Format::Lightgbm | Format::Catboost => "float64",
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

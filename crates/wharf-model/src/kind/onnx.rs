//! ONNX files: which runtime has their operators, and how graph inputs become arguments.

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

use serde_json::Value;
use wharf_spec::{
    data_type::{DataType, Tensor},
    model::{Answer, Argument, Method, ModelKind, NativeOptions, RuntimeKind, Step},
};

use super::{
    Draft,
    bundle::{Bundle, Fingerprint, Md5Wanted, Reader, whole},
    said,
};
use crate::{
    error::{ModelError, ReadError, Result},
    known::KnownFiles,
    onnx::{self, Facts, Port},
    recognise::{FileSource, target::Target},
};

/// The bundle's file that holds the graph; its constants lie beside it under their own names.
pub(super) const ENTRY: &str = "model.onnx";

/// The name of the reader of graphs.
pub(super) const READER: &str = "onnx";

/// Describes a bare file.
pub(super) fn describe(target: &Target, known: &dyn KnownFiles) -> Result<Draft> {
    let path = &target.path;
    let reader = Reader { known, name: READER, place: Some(ENTRY), md5: Md5Wanted::No };
    let (facts, read) = reader.read(path, |bytes| onnx::facts(&whole(bytes)?))?;
    let facts = facts.map_err(|error| error.in_file(path))?;
    let mut draft = draft(path, read.fingerprint, &facts, known)?;
    draft.classes = classes(target, &facts)?;
    draft.methods = methods(&facts, &draft.classes);
    Ok(draft)
}

/// Takes a graph and its files into the bundle; the methods are left to the caller.
pub(super) fn draft(
    path: &Path,
    fingerprint: Fingerprint,
    facts: &Facts,
    known: &dyn KnownFiles,
) -> Result<Draft> {
    let (runtime, reason) = runtime(facts).map_err(|error| error.in_file(path))?;
    let mut bundle = Bundle::default();
    bundle.add(ENTRY, fingerprint, FileSource::File(path.to_owned()));
    for file in &facts.external_files {
        let source = external(path, file)?;
        if bundle.has(file) || file == wharf_spec::model::CARD_FILE {
            let what = format!("its constants lie in `{file}`, a name that wharf uses itself");
            return Err(ReadError::unsupported(what).in_file(path));
        }
        bundle.add_file(file, &source, known)?;
    }
    Ok(Draft {
        kind: ModelKind::Onnx,
        runtime,
        reason,
        entry: ENTRY.to_owned(),
        methods: Vec::new(),
        classes: Vec::new(),
        python: None,
        risks: Vec::new(),
        meta: serde_json::Map::new(),
        options: NativeOptions::default(),
        bundle,
    })
}

/// Returns the file with constants, which has to lie in the model's own folder.
fn external(path: &Path, file: &str) -> Result<PathBuf> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let inside = Path::new(file).components().all(|part| matches!(part, Component::Normal(_)));
    let refused = || {
        let what = format!("its constants lie in `{file}`, which is outside the model's folder");
        ReadError::unsupported(what).in_file(path)
    };
    if !inside || file.is_empty() {
        return Err(refused());
    }
    let artifact = folder.join(file);
    if !artifact.is_file() {
        return Err(ModelError::ArtifactMissing { card: path.to_owned(), artifact });
    }
    let failed = |source| ModelError::File { path: artifact.clone(), source };
    let real = fs::canonicalize(&artifact).map_err(failed)?;
    let home = fs::canonicalize(folder).map_err(failed)?;
    if real.starts_with(home) { Ok(artifact) } else { Err(refused()) }
}

fn runtime(facts: &Facts) -> Result<(RuntimeKind, String), ReadError> {
    let operators = said::count(facts.operators.len(), "operator", "operators");
    let not_interpreted = facts.not_interpreted();
    if not_interpreted.is_empty() {
        let reason = format!("wharf interprets its {operators} itself");
        return Ok((RuntimeKind::OnnxMl, reason));
    }
    let not_neural = facts.not_neural();
    if not_neural.is_empty() {
        let reason = format!(
            "wharf does not interpret {} itself; the runtime for neural networks has its {operators}",
            some(&not_interpreted)
        );
        return Ok((RuntimeKind::Neural, reason));
    }
    let nowhere: Vec<String> =
        not_interpreted.iter().filter(|name| not_neural.contains(name)).cloned().collect();
    let what = if nowhere.is_empty() {
        format!(
            "it mixes {} with {}, which no one runtime has",
            some(&not_neural),
            some(&not_interpreted)
        )
    } else {
        format!("no runtime has its operators {}", some(&nowhere))
    };
    let hint = "write a `predict.py` that runs it with `onnxruntime`".to_owned();
    Err(ReadError::Unsupported { what, hint: Some(hint) })
}

fn some(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = names.iter().take(SHOWN).map(|name| format!("`{name}`"));
    let shown = shown.collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Returns the names of the classes: those of `wharf.yaml`, else those in the graph.
fn classes(target: &Target, facts: &Facts) -> Result<Vec<Value>> {
    let named = &target.section.classes;
    if named.is_empty() {
        return Ok(facts.classes.clone());
    }
    if !facts.classes.is_empty() && facts.classes.len() != named.len() {
        let (said, has) = (said::count(named.len(), "class", "classes"), facts.classes.len());
        let message = format!("`classes` names {said}; the model has {has}");
        return Err(target.mistake("classes", message, None));
    }
    Ok(named.clone())
}

fn methods(facts: &Facts, classes: &[Value]) -> Vec<Method> {
    let args = arguments(facts);
    let method = |name: &str, returns, answer| Method {
        name: name.to_owned(),
        steps: vec![Step { processor: "model".to_owned(), method: name.to_owned() }],
        args: args.clone(),
        returns,
        answer,
        examples: Vec::new(),
    };
    if let Some((label, probabilities)) = classifier(facts, classes) {
        let label = DataType::ndarray(vec![None], super::trees::class_dtype(classes, &label.dtype));
        return vec![
            method("predict", label, Answer::Class),
            method("predict_proba", array(probabilities), Answer::Probabilities),
        ];
    }
    match facts.outputs.as_slice() {
        [only] => vec![method("predict", array(only), Answer::Value)],
        several => {
            let items = several.iter().map(array).collect();
            let returns = DataType::List(wharf_spec::data_type::Items { items });
            vec![method("predict", returns, Answer::Outputs)]
        }
    }
}

/// Returns label and probabilities where the graph's two outputs are these: labels alone do not tell, since
/// clusters come with their distances in the same form.
fn classifier<'a>(facts: &'a Facts, classes: &[Value]) -> Option<(&'a Port, &'a Port)> {
    let [label, probabilities] = facts.outputs.as_slice() else { return None };
    if classes.is_empty() && !probabilities.is_class_map && !probabilities.name.contains("prob") {
        return None;
    }
    let is_label = matches!(label.dtype.as_str(), "int64" | "int32" | "str")
        && label.shape.as_ref().is_none_or(|shape| shape.len() == 1);
    let is_table = probabilities.is_class_map
        || probabilities.shape.as_ref().is_none_or(|shape| shape.len() == 2);
    (is_label && is_table && probabilities.dtype.starts_with("float"))
        .then_some((label, probabilities))
}

fn arguments(facts: &Facts) -> Vec<Argument> {
    let has_trees = facts
        .operators
        .iter()
        .any(|operator| operator.name.starts_with("TreeEnsemble") || operator.name == "Imputer");
    let argument = |port: &Port, name: &str| Argument {
        name: name.to_owned(),
        keyword: None,
        data_type: array(port),
        required: true,
        default: None,
        fields: Vec::new(),
        allows_missing: has_trees && port.dtype.starts_with("float"),
    };
    match facts.inputs.as_slice() {
        [only] => vec![argument(only, "data")],
        several => several.iter().map(|port| argument(port, &port.name)).collect(),
    }
}

fn array(port: &Port) -> DataType {
    DataType::Ndarray(Tensor { shape: port.shape.clone(), dtype: port.dtype.clone() })
}

//! MLEM models of XGBoost, LightGBM, CatBoost and ONNX: the file that it saved, with the signature that it recorded.

use serde::{Deserialize, Serialize};
use wharf_spec::{
    data_type::DataType,
    mlem::ModelFile,
    model::{Answer, Argument, NativeOptions},
};

use super::{
    MAIN, artifacts,
    methods::{self, Options},
    python,
};
use crate::{
    error::{ReadError, Result},
    kind::{
        self, Draft,
        bundle::{Md5Wanted, Reader, whole},
    },
    known::KnownFiles,
    onnx,
    recognise::target::Target,
    tree::Format,
};

/// What a booster's file is.
#[derive(Debug, Serialize, Deserialize)]
enum Booster {
    /// XGBoost's old binary form.
    Old,
    Trees(kind::trees::Facts),
}

/// Describes a booster; its `predict` gives what the library's does, CatBoost's classifier therefore classes.
pub(super) fn trees(
    target: &Target,
    file: &ModelFile,
    format: Format,
    known: &dyn KnownFiles,
) -> Result<Draft> {
    refuse_other_steps(target, file)?;
    let options = NativeOptions { best_iteration: target.section.best_iteration };
    let name = format!("mlem {}", kind::trees::reader_name(format, options));
    let reader = Reader { known, name: &name, place: None, md5: Md5Wanted::Yes };
    let artifact = artifacts::of_processor(&target.path, file, MAIN, reader, |bytes| {
        let bytes = whole(bytes)?;
        if bytes.starts_with(b"binf") {
            return Ok(Booster::Old);
        }
        kind::trees::facts(&bytes, format, options).map(Booster::Trees)
    })?;
    let facts = match artifact.seen {
        Booster::Old => {
            return python::old_booster(target, file, artifact.path, artifact.fingerprint);
        }
        Booster::Trees(facts) => facts,
    };
    let mut draft = kind::trees::draft(&artifact.path, artifact.fingerprint, format, options);
    draft.methods = methods::of(&target.path, file, Options::LeftOut)?;
    for method in &mut draft.methods {
        if format == Format::Catboost && facts.is_classifier() {
            method.answer = answer_of_classifier(&method.name);
        }
        for argument in &mut method.args {
            check_columns(argument, facts.features).map_err(|e| e.in_file(&target.path))?;
            from_table(argument, kind::trees::argument(&facts));
            let is_table = matches!(argument.data_type, DataType::DataFrame(_));
            if facts.has_named_categories() && !is_table {
                return Err(unnamed_columns().in_file(&target.path));
            }
        }
    }
    draft.classes = facts.class_names;
    Ok(draft)
}

/// Returns what a method of a classifier answers with.
fn answer_of_classifier(method: &str) -> Answer {
    if method == "predict_proba" { Answer::Probabilities } else { Answer::Class }
}

/// Describes an ONNX model; its answer is the list of the graph's outputs.
pub(super) fn onnx(target: &Target, file: &ModelFile, known: &dyn KnownFiles) -> Result<Draft> {
    refuse_other_steps(target, file)?;
    let reader = Reader {
        known,
        name: kind::onnx::READER,
        place: Some(kind::onnx::ENTRY),
        md5: Md5Wanted::Yes,
    };
    let artifact = artifacts::of_processor(&target.path, file, MAIN, reader, |bytes| {
        onnx::facts(&whole(bytes)?)
    })?;
    let facts = artifact.seen;
    let mut draft = kind::onnx::draft(&artifact.path, artifact.fingerprint, &facts, known)?;
    draft.classes = facts.classes;
    draft.methods = methods::of(&target.path, file, Options::LeftOut)?;
    for method in &mut draft.methods {
        method.answer = Answer::Outputs;
    }
    Ok(draft)
}

/// Takes what the model's own file knows of its table. Types of the library itself become plain tables.
fn from_table(argument: &mut Argument, table: Argument) {
    argument.keyword = None;
    argument.allows_missing = true;
    match &argument.data_type {
        DataType::DMatrix(_) | DataType::Unspecified(_) => argument.data_type = table.data_type,
        DataType::Lightgbm(data) => argument.data_type = (*data.inner).clone(),
        _ => {}
    }
    if !matches!(argument.data_type, DataType::DataFrame(_)) {
        argument.fields = table.fields;
    }
}

/// Returns the error for names of categories that the signature has no columns for.
fn unnamed_columns() -> ReadError {
    ReadError::Unsupported {
        what: "the model was trained with categories of a data frame, and its signature is no data frame's"
            .to_owned(),
        hint: Some("save it with a data frame as `sample_data`".to_owned()),
    }
}

/// The signature and the trees must speak of the same columns.
fn check_columns(argument: &Argument, features: usize) -> Result<(), ReadError> {
    let columns = match &argument.data_type {
        DataType::DataFrame(frame) => Some(frame.columns.len() as u64),
        data_type => kind::said::columns(data_type),
    };
    match columns {
        Some(columns) if columns != features as u64 => Err(ReadError::corrupt(format!(
            "it says that the model takes {columns} columns, and its trees take {features}"
        ))),
        _ => Ok(()),
    }
}

fn refuse_other_steps(target: &Target, file: &ModelFile) -> Result<()> {
    let Some(other) = file.processors.keys().find(|name| *name != MAIN) else { return Ok(()) };
    Err(ReadError::Unsupported {
        what: format!("its step `{other}` needs Python, which a native model does not have"),
        hint: Some("save the model without it, or write a `predict.py` that does both".to_owned()),
    }
    .in_file(&target.path))
}

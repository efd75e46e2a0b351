//! What wharf says of models saved by the real MLEM, of bare files, and of what is no model.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

mod mlem;

mod native;

mod python;

mod project_file;

mod bundle;

mod refused;

use tempfile::TempDir;
use wharf_model::recognise::{Model, recognise};
use wharf_spec::{
    data_type::DataType,
    error::Report,
    model::{Argument, Method},
};

fn data(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(path)
}

fn mlem(name: &str) -> PathBuf {
    data("mlem").join(name).join("model.mlem")
}

/// A folder of its own with these files in it.
fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    // Where the temporary folder lies must not matter.
    fs::create_dir(folder.path().join(".git")).unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

/// A folder with a copy of a model, to spoil.
fn copy_of(name: &str) -> TempDir {
    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            let target = to.join(path.file_name().unwrap());
            if path.is_dir() {
                copy(&path, &target);
            } else {
                fs::copy(&path, &target).unwrap();
            }
        }
    }
    let folder = folder(&[]);
    copy(&data("mlem").join(name), folder.path());
    folder
}

fn replace(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{} has no `{from}`", file.display());
    fs::write(file, text.replace(from, to)).unwrap();
}

/// One line for each thing that matters.
fn summary(model: &Model) -> String {
    let card = &model.card;
    let mut text = format!("{} ({}, {}: {})\n", card.name, card.kind, card.runtime, card.reason);
    for method in &card.methods {
        writeln!(text, "{}", method_line(method)).unwrap();
    }
    let files: Vec<&str> = card.files.iter().map(|file| file.path.as_str()).collect();
    writeln!(text, "files: {} (entry {})", files.join(" "), card.entry).unwrap();
    if !card.classes.is_empty() {
        writeln!(text, "classes: {}", serde_json::to_string(&card.classes).unwrap()).unwrap();
    }
    if let Some(python) = &card.python {
        for step in &python.load {
            let attribute = step.attribute.as_deref().map(|name| format!(":{name}"));
            let attribute = attribute.unwrap_or_default();
            writeln!(text, "load {}: {:?} {}{attribute}", step.processor, step.loader, step.path)
                .unwrap();
        }
        if !python.requirements.is_empty() {
            writeln!(text, "requirements: {}", python.requirements.join(" ")).unwrap();
        }
        if !python.system_packages.is_empty() {
            writeln!(text, "system: {}", python.system_packages.join(" ")).unwrap();
        }
    }
    for risk in &card.risks {
        writeln!(text, "{:?}: {}", risk.level, risk.text).unwrap();
    }
    text
}

fn method_line(method: &Method) -> String {
    let steps: Vec<String> =
        method.steps.iter().map(|step| format!("{}.{}", step.processor, step.method)).collect();
    let args: Vec<String> = method.args.iter().map(argument).collect();
    let answer = match method.answer {
        wharf_spec::model::Answer::Value => String::new(),
        other => format!(" [{other:?}]"),
    };
    format!(
        "/{}({}) -> {}{answer} = {}",
        method.name,
        args.join(", "),
        data_type(&method.returns),
        steps.join(", ")
    )
}

fn argument(argument: &Argument) -> String {
    let mut text = format!("{}: {}", argument.name, data_type(&argument.data_type));
    if !argument.fields.is_empty() {
        let names: Vec<&str> = argument.fields.iter().map(|field| field.name.as_str()).collect();
        write!(text, " {{{}}}", names.join(" ")).unwrap();
    }
    if !argument.required {
        write!(text, " = {}", argument.default.clone().unwrap_or_default()).unwrap();
    }
    match &argument.keyword {
        Some(keyword) if *keyword != argument.name => write!(text, " as {keyword}").unwrap(),
        _ => {}
    }
    text
}

fn data_type(data_type: &DataType) -> String {
    let shape = |shape: &Option<Vec<Option<u64>>>| serde_json::to_string(shape).unwrap();
    match data_type {
        DataType::Ndarray(tensor) => format!("{}{}", tensor.dtype, shape(&tensor.shape)),
        DataType::Primitive(primitive) => primitive.ptype.clone(),
        DataType::DataFrame(frame) => format!("frame[{}]", frame.columns.join(" ")),
        DataType::Unspecified(_) => "any".to_owned(),
        DataType::Binary(_) => "binary".to_owned(),
        other => serde_json::to_string(other).unwrap().replace('"', ""),
    }
}

fn recognised(path: &Path) -> String {
    summary(&recognise(path).unwrap_or_else(|error| panic!("{}", Report(&error))))
}

/// The report of a path that is no model, with the temporary folder cut out.
fn refused(path: &Path, folder: &TempDir) -> String {
    let error = recognise(path).expect_err("it was recognised");
    let real = fs::canonicalize(folder.path()).unwrap();
    Report(&error)
        .to_string()
        .replace(&real.display().to_string(), "DIR")
        .replace(&folder.path().display().to_string(), "DIR")
}

//! Pickle and joblib files that a person names: what is inside is only known to Python.

use std::path::Path;

use wharf_spec::{
    data_type::DataType,
    model::{
        Answer, Argument, LoadStep, Loader, Method, ModelKind, NativeOptions, PythonNeeds, Risk,
        RiskLevel, RuntimeKind, Step,
    },
    project_file::Requirements,
};

use super::{
    Draft,
    bundle::{Bundle, Md5Wanted, Reader},
};
use crate::{
    error::Result,
    known::KnownFiles,
    pickle::{
        imports::Imports,
        scan::{Dialect, scan},
    },
    recognise::{FileSource, project::read_text, sniff, target::Target},
};

const PROCESSOR: &str = "model";

/// Where most projects list their packages; it is not read unless `wharf.yaml` names it, since it often lists what
/// training needs.
const COMMON_FILE: &str = "requirements.txt";

/// Describes a file; its methods are those that `wharf.yaml` lets expect.
pub(super) fn describe(target: &Target, known: &dyn KnownFiles) -> Result<Draft> {
    let reader = Reader { known, name: "joblib", place: None, md5: Md5Wanted::No };
    let (listed, read) = reader.read(&target.path, |bytes| scan(bytes, Dialect::Joblib))?;
    let imports = listed.map_err(|error| error.in_file(&target.path))?;
    let loader = loader(&target.path, &imports);
    let entry = match loader {
        Loader::Joblib => "model.joblib",
        Loader::Pickle | Loader::Dill | Loader::Module | Loader::XgboostBooster => "model.pkl",
    };
    let mut bundle = Bundle::default();
    bundle.add(entry, read.fingerprint, FileSource::File(target.path.clone()));
    let mut risks = imports.risks(&shown(&target.path));
    let mut requirements = requirements(target, &mut risks)?;
    if loader == Loader::Joblib {
        add_joblib(&mut requirements);
    }
    Ok(Draft {
        kind: target.section.kind.unwrap_or(ModelKind::Pickle),
        runtime: RuntimeKind::Python,
        reason: "a pickle, which only Python loads".to_owned(),
        entry: entry.to_owned(),
        methods: methods(target),
        classes: Vec::new(),
        python: Some(PythonNeeds {
            requirements,
            version: target.section.python_version.clone(),
            load: vec![LoadStep {
                processor: PROCESSOR.to_owned(),
                loader,
                path: entry.to_owned(),
                attribute: None,
            }],
            ..PythonNeeds::default()
        }),
        risks,
        meta: serde_json::Map::new(),
        options: NativeOptions::default(),
        bundle,
    })
}

/// Returns the lines for pip that `wharf.yaml` gives; without any, says so among the risks.
pub(super) fn requirements(target: &Target, risks: &mut Vec<Risk>) -> Result<Vec<String>> {
    let lines = match &target.section.requirements {
        None => {
            let key = match target.folder.join(COMMON_FILE).is_file() {
                true => "requirements: requirements.txt",
                false => "requirements: [scikit-learn==…]",
            };
            let text =
                format!("no requirements are listed: write `{key}` under `model:` in `wharf.yaml`");
            risks.push(Risk { level: RiskLevel::Note, text });
            return Ok(Vec::new());
        }
        Some(Requirements::Lines(lines)) => lines.clone(),
        Some(Requirements::File(name)) => {
            let path = target.folder.join(name);
            if !path.is_file() {
                let message = format!("there is no file `{name}`");
                return Err(target.mistake("requirements", message, None));
            }
            read_text(&path)?.lines().map(str::to_owned).collect()
        }
    };
    let is_said = |line: &&str| !line.is_empty() && !line.starts_with('#');
    let lines = lines.iter().flat_map(|line| line.lines()).map(str::trim).filter(is_said);
    Ok(lines.map(str::to_owned).collect())
}

/// joblib reads plain pickles too; where the file needs it, nothing else will do.
fn loader(path: &Path, imports: &Imports) -> Loader {
    if imports.need_joblib() || sniff::extension(path) == "joblib" {
        Loader::Joblib
    } else if imports.packages().contains("dill") {
        Loader::Dill
    } else {
        Loader::Pickle
    }
}

/// scikit-learn brings joblib; where requirements are given without either, it is added.
fn add_joblib(requirements: &mut Vec<String>) {
    let brings = |line: &String| line.starts_with("joblib") || line.starts_with("scikit-learn");
    if !requirements.is_empty() && !requirements.iter().any(brings) {
        requirements.push("joblib".to_owned());
    }
}

fn methods(target: &Target) -> Vec<Method> {
    let section = &target.section;
    let data_type = match section.inputs.len() {
        0 => DataType::unspecified(),
        columns => DataType::ndarray(vec![None, Some(columns as u64)], "float64"),
    };
    let argument = Argument {
        name: "data".to_owned(),
        keyword: None,
        data_type,
        required: true,
        default: None,
        fields: Vec::new(),
        allows_missing: true,
    };
    let method = |name: &str| Method {
        name: name.to_owned(),
        steps: vec![Step { processor: PROCESSOR.to_owned(), method: name.to_owned() }],
        args: vec![argument.clone()],
        returns: DataType::unspecified(),
        answer: Answer::Value,
        examples: Vec::new(),
    };
    let mut methods = vec![method("predict")];
    if !section.classes.is_empty() {
        methods.push(method("predict_proba"));
    }
    methods
}

fn shown(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

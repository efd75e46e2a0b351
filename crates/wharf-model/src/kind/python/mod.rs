//! A `predict.py`: a function, or a class whose methods become routes. Read as text, never run here.

use std::path::Path;

use serde_json::Value;
use wharf_spec::{
    data_type::{DataType, Plain, Primitive},
    model::{
        Answer, Argument, LoadStep, Loader, Method, ModelKind, NativeOptions, PythonNeeds,
        RuntimeKind, Step,
    },
    tagged::nearest,
};

use super::{Draft, bundle::CODE, pickle};
use crate::{
    error::{ModelError, ReadError, Result},
    known::KnownFiles,
    recognise::{project::read_text, target::Target},
};

mod definitions;

mod folder;

mod ignore;

mod lines;

use definitions::{Class, Definition, Function, Parameter};

const PROCESSOR: &str = "model";

/// Describes a Python file; it and the files beside it go into the bundle.
pub(super) fn describe(target: &Target, known: &dyn KnownFiles) -> Result<Draft> {
    let text = read_text(&target.path)?;
    let found = definitions::of(&text).map_err(|error| error.in_file(&target.path))?;
    let chosen = choose(target, &found)?;
    let methods = match chosen {
        Definition::Function(function) => vec![function_method(target, function)?],
        Definition::Class(class) => class_methods(target, class)?,
    };
    let (bundle, mut risks) = folder::bundle(&target.path, known)?;
    let requirements = pickle::requirements(target, &mut risks)?;
    let entry = format!("{CODE}/{}", file_name(&target.path));
    Ok(Draft {
        kind: ModelKind::Python,
        runtime: RuntimeKind::Python,
        reason: "its code is Python".to_owned(),
        entry: entry.clone(),
        methods,
        classes: Vec::new(),
        python: Some(PythonNeeds {
            requirements,
            version: target.section.python_version.clone(),
            load: vec![LoadStep {
                processor: PROCESSOR.to_owned(),
                loader: Loader::Module,
                path: entry,
                attribute: Some(chosen.name().to_owned()),
            }],
            ..PythonNeeds::default()
        }),
        risks,
        meta: serde_json::Map::new(),
        options: NativeOptions::default(),
        bundle,
    })
}

/// Returns what `entry` names, else the function `predict`, else the only class.
fn choose<'a>(target: &Target, found: &'a [Definition]) -> Result<&'a Definition> {
    if let Some(entry) = &target.section.entry {
        return named(target, entry, found);
    }
    let is_predict = |definition: &&Definition| matches!(definition, Definition::Function(function) if function.name == "predict");
    if let Some(predict) = found.iter().find(is_predict) {
        return Ok(predict);
    }
    let public = |d: &&Definition| matches!(d, Definition::Class(_)) && !d.name().starts_with('_');
    let classes: Vec<&Definition> = found.iter().filter(public).collect();
    match classes.as_slice() {
        [only] => Ok(only),
        [] => Err(unclear(target, "it has neither a function `predict` nor a class", found)),
        _ => Err(unclear(target, "it has no function `predict`, and several classes", found)),
    }
}

fn named<'a>(target: &Target, entry: &str, found: &'a [Definition]) -> Result<&'a Definition> {
    let attribute = match entry.split_once(':') {
        Some((file, attribute)) if Path::new(file).file_name() == target.path.file_name() => {
            attribute
        }
        Some((file, _)) => {
            let message =
                format!("`entry` names `{file}`, and the model is `{}`", file_name(&target.path));
            return Err(target.mistake("entry", message, None));
        }
        None => entry,
    };
    found.iter().find(|definition| definition.name() == attribute).ok_or_else(|| {
        let message =
            format!("`{}` has no function or class `{attribute}`", file_name(&target.path));
        let names: Vec<&str> = found.iter().map(Definition::name).collect();
        let hint = nearest(attribute, &names).map(|near| format!("did you mean `{near}`?"));
        target.mistake("entry", message, hint)
    })
}

fn unclear(target: &Target, why: &str, found: &[Definition]) -> ModelError {
    let name = file_name(&target.path);
    let hint = match found.first() {
        Some(first) => format!(
            "say which to serve in `wharf.yaml`: `model: {{entry: \"{name}:{}\"}}`",
            first.name()
        ),
        None => "write a function `predict(data)` that returns the answer".to_owned(),
    };
    ModelError::Unknown { path: target.path.clone(), why: why.to_owned(), hint: Some(hint) }
}

fn function_method(target: &Target, function: &Function) -> Result<Method> {
    refuse_async(target, function)?;
    Ok(method("predict", "__call__", function))
}

fn class_methods(target: &Target, class: &Class) -> Result<Vec<Method>> {
    if let Some(needed) = class.needed_by_init() {
        let what = format!("`{}` cannot be made without its argument `{needed}`", class.name);
        let hint = format!("give `{needed}` a default, or write a function `predict`");
        let error = ReadError::Unsupported { what, hint: Some(hint) };
        return Err(error.in_file(&target.path));
    }
    let mut methods = Vec::new();
    for function in class.methods.iter().filter(|method| !method.name.starts_with('_')) {
        refuse_async(target, function)?;
        methods.push(method(&function.name, &function.name, function));
    }
    let has_predict = methods.iter().any(|method| method.name == "predict");
    let call = class.methods.iter().find(|method| method.name == "__call__");
    if let (Some(call), false) = (call, has_predict) {
        methods.push(method("predict", "__call__", call));
    }
    if methods.is_empty() {
        let why = format!("its class `{}` has no public method", class.name);
        let hint = Some("give it a method `predict(self, data)`".to_owned());
        return Err(ModelError::Unknown { path: target.path.clone(), why, hint });
    }
    methods.sort_by_key(|method| match method.name.as_str() {
        "predict" => 0,
        "predict_proba" => 1,
        _ => 2,
    });
    Ok(methods)
}

fn refuse_async(target: &Target, function: &Function) -> Result<()> {
    if !function.is_async {
        return Ok(());
    }
    let what = format!("`{}` is an `async def`", function.name);
    let hint =
        Some("write it as a plain `def`; the server runs calls side by side itself".to_owned());
    Err(ReadError::Unsupported { what, hint }.in_file(&target.path))
}

fn method(route: &str, called: &str, function: &Function) -> Method {
    Method {
        name: route.to_owned(),
        steps: vec![Step { processor: PROCESSOR.to_owned(), method: called.to_owned() }],
        args: function.parameters.iter().map(argument).collect(),
        returns: match function.returns.as_deref() {
            Some("bytes") => DataType::Binary(Plain {}),
            _ => DataType::unspecified(),
        },
        answer: Answer::Value,
        examples: Vec::new(),
    }
}

fn argument(parameter: &Parameter) -> Argument {
    Argument {
        name: parameter.name.clone(),
        keyword: (!parameter.positional_only).then(|| parameter.name.clone()),
        data_type: data_type(parameter.annotation.as_deref()),
        required: parameter.default.is_none(),
        default: parameter.default.as_deref().and_then(literal),
        fields: Vec::new(),
        allows_missing: true,
    }
}

/// Only annotations that can mean one thing become types; everything else takes any JSON.
fn data_type(annotation: Option<&str>) -> DataType {
    match annotation {
        Some(ptype @ ("int" | "float" | "str" | "bool")) => {
            DataType::Primitive(Primitive { ptype: ptype.to_owned() })
        }
        Some("bytes") => DataType::Binary(Plain {}),
        _ => DataType::unspecified(),
    }
}

/// Reads a default that JSON can say; others are left to Python.
fn literal(text: &str) -> Option<Value> {
    match text {
        "True" => Some(Value::Bool(true)),
        "False" => Some(Value::Bool(false)),
        _ => {
            let quoted = |quote| text.strip_prefix(quote)?.strip_suffix(quote);
            let bare = quoted('"').or_else(|| quoted('\''));
            match bare.filter(|bare| !bare.contains(['\\', '"', '\''])) {
                Some(bare) => Some(Value::from(bare)),
                None => serde_json::from_str::<serde_json::Number>(text).ok().map(Value::Number),
            }
        }
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

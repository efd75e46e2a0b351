//! One file for each kind of model: what is in it, how it is called, and what its server needs.

use serde_json::{Map, Value};
use wharf_spec::model::{Method, ModelKind, NativeOptions, PythonNeeds, Risk, RuntimeKind};

use crate::{
    error::Result,
    known::KnownFiles,
    recognise::{sniff::Form, target::Target},
};

mod bundle;

mod said;

mod trees;

mod onnx;

mod mlem;

mod pickle;

mod python;

use bundle::Bundle;

/// A card in the making: all that does not depend on names and `wharf.yaml`'s free keys.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) kind: ModelKind,
    pub(crate) runtime: RuntimeKind,
    pub(crate) reason: String,
    pub(crate) entry: String,
    pub(crate) methods: Vec<Method>,
    pub(crate) classes: Vec<Value>,
    pub(crate) python: Option<PythonNeeds>,
    pub(crate) risks: Vec<Risk>,
    pub(crate) meta: Map<String, Value>,
    pub(crate) options: NativeOptions,
    pub(crate) bundle: Bundle,
}

/// Describes the model of a target.
pub(crate) fn describe(target: &Target, known: &dyn KnownFiles) -> Result<Draft> {
    let mut draft = match target.form {
        Form::Tree(format) => trees::describe(target, format, known),
        Form::Onnx => onnx::describe(target, known),
        Form::Mlem => mlem::describe(target, known),
        Form::Pickle => pickle::describe(target, known),
        Form::PythonSource => python::describe(target, known),
    }?;
    said::apply(target, &mut draft)?;
    Ok(draft)
}

//! `wharf.yaml`: what a person may say about a project, beside a model's file. Every key is optional.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    model::{Compat, Field, ModelKind},
    name::WorkloadName,
};

/// The name of the file.
pub const PROJECT_FILE: &str = "wharf.yaml";

/// The whole file.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProjectFile {
    /// The model of this folder.
    #[serde(default)]
    pub model: Option<ModelSection>,
    /// How its image is made.
    #[serde(default)]
    pub build: Option<BuildSection>,
}

/// What the model's file does not say itself.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelSection {
    /// The model's file, relative to this one. Default: the only model file of the folder.
    #[serde(default)]
    pub path: Option<String>,
    /// What the service is called. Default: the folder's name.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub name: Option<WorkloadName>,
    /// What the file is, where its name does not say it.
    #[serde(default)]
    pub kind: Option<ModelKind>,
    /// The function or class of a Python file: `predict.py:Model`. Default: `predict`, or the only class.
    #[serde(default)]
    pub entry: Option<String>,
    /// Names, ranges and choices of the inputs, in order.
    #[serde(default)]
    pub inputs: Vec<Field>,
    /// Names of the classes, in the order of their index.
    #[serde(default)]
    pub classes: Vec<Value>,
    /// Bodies of calls that are known to work: `- data: [[5.1, 3.5, 1.4, 0.2]]`. The first fills the form.
    #[serde(default)]
    #[schemars(with = "Vec<BTreeMap<String, Value>>")]
    pub examples: Vec<Map<String, Value>>,
    /// Python packages: lines as pip reads them, or the name of a file with such lines.
    #[serde(default)]
    pub requirements: Option<Requirements>,
    /// The Python version, in quotes: `'3.11'`.
    #[serde(default)]
    pub python_version: Option<String>,
    /// XGBoost: use only the rounds up to the best one, as `XGBClassifier` does.
    #[serde(default)]
    pub best_iteration: bool,
    /// `mlem`: answer wrong input with MLEM's HTTP statuses.
    #[serde(default)]
    pub compat: Compat,
    /// Free data, shown as `meta` of the interface.
    #[serde(default)]
    pub meta: Map<String, Value>,
}

/// Python packages: in the file, or in another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Requirements {
    /// A file such as `requirements.txt`.
    File(String),
    /// Lines as pip reads them.
    Lines(Vec<String>),
}

/// How the image is made.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BuildSection {
    /// The base image of models that run Python. Default: `python:<version>-slim`.
    #[serde(default)]
    pub base: Option<String>,
}

//! A `.mlem` file of MLEM 0.2 to 0.4: what it says of a model, readable without Python.
//!
//! Field by field this is the format that MLEM wrote; unknown keys are refused, as it did.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{data_type::DataType, tagged};

/// A model's description. Lies beside the data: `lr.mlem` describes the file `lr` or the folder `lr/`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    pub object_type: String,
    /// Name → where the data lies; one is `data`, several are `<processor>/data`.
    #[serde(default)]
    pub artifacts: BTreeMap<String, Artifact>,
    /// Before 0.4: the only processor.
    #[serde(default)]
    pub model_type: Option<Processor>,
    /// Name → model type; the main one is `model`.
    #[serde(default)]
    pub processors: BTreeMap<String, Processor>,
    /// Method → steps, applied left to right to one value.
    #[serde(default)]
    pub call_orders: BTreeMap<String, Vec<(String, String)>>,
    #[serde(default)]
    pub requirements: Vec<Requirement>,
    /// Free data of the user, `meta` of the interface.
    #[serde(default)]
    pub params: Map<String, Value>,
    /// Before 0.2.8.
    #[serde(default)]
    pub description: Option<String>,
    /// Before 0.2.8.
    #[serde(default)]
    pub labels: Option<Vec<String>>,
}

impl ModelFile {
    /// Brings files from before 0.4 into today's form: `model_type` becomes the processor `model`.
    #[must_use]
    pub fn modernised(mut self) -> Self {
        if let Some(model) = self.model_type.take() {
            for method in model.methods.keys() {
                let step = vec![("model".to_owned(), method.clone())];
                self.call_orders.entry(method.clone()).or_insert(step);
            }
            self.processors.entry("model".to_owned()).or_insert(model);
        }
        self
    }
}

/// A local file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LocalArtifact {
    /// Relative to the folder of the `.mlem` file.
    pub uri: String,
    /// Bytes.
    #[serde(default)]
    pub size: Option<u64>,
    /// MD5 of the file, hex.
    #[serde(default)]
    pub hash: Option<String>,
}

/// A file of a remote store or of DVC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RemoteArtifact {
    pub uri: String,
    #[serde(default)]
    pub size: Option<u64>,
    #[serde(default)]
    pub hash: Option<String>,
}

tagged! {
    /// Where one file of a model lies.
    pub enum Artifact, "an artifact", tag "type", default "local" {
        "local" => Local(LocalArtifact),
        "fsspec" => Fsspec(RemoteArtifact),
        "dvc" => Dvc(RemoteArtifact),
    }
}

/// An object with methods: the model, or a step before or after it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Processor {
    /// The framework: `sklearn`, `xgboost`, `callable` and so on.
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub methods: BTreeMap<String, Method>,
    /// How the framework wrote its files; left out when it is the framework's default.
    #[serde(default)]
    pub io: Option<Value>,
}

/// A method and its types.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Method {
    pub name: String,
    #[serde(default)]
    pub args: Vec<Argument>,
    #[serde(default)]
    pub returns: Option<DataType>,
    #[serde(default)]
    pub varargs: Option<String>,
    #[serde(default)]
    pub varargs_type: Option<DataType>,
    #[serde(default)]
    pub varkw: Option<String>,
    #[serde(default)]
    pub varkw_type: Option<DataType>,
}

/// An argument of a method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Argument {
    pub name: String,
    #[serde(default)]
    pub type_: Option<DataType>,
    #[serde(default = "yes")]
    pub required: bool,
    #[serde(default)]
    pub default: Option<Value>,
    #[serde(default)]
    pub kw_only: bool,
}

const fn yes() -> bool {
    true
}

/// A package from an index or a repository.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Installable {
    /// What Python imports.
    pub module: String,
    #[serde(default)]
    pub version: Option<String>,
    /// What pip installs, where it differs from the module.
    #[serde(default)]
    pub package_name: Option<String>,
    #[serde(default)]
    pub extra_index: Option<String>,
    #[serde(default)]
    pub source_url: Option<String>,
    #[serde(default)]
    pub vcs: Option<String>,
    #[serde(default)]
    pub vcs_commit: Option<String>,
}

/// A package of the distribution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unix {
    pub package_name: String,
}

/// A module of the user's own, whose source lies in the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Custom {
    /// The dotted name.
    pub name: String,
    /// The first part of the name.
    #[serde(default)]
    pub module: Option<String>,
    #[serde(default)]
    pub is_package: bool,
    /// base64(zlib(source)); of a package base64(zlib(JSON map path → base64(zlib(bytes)))).
    pub source64zip: String,
}

/// A file of the user's own, whose content lies in the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileRequirement {
    /// Its path.
    pub name: String,
    #[serde(default)]
    pub module: Option<String>,
    #[serde(default)]
    pub is_package: bool,
    pub source64zip: String,
}

/// A package of conda.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Conda {
    #[serde(default)]
    pub package_name: Option<String>,
    #[serde(default)]
    pub spec: Option<String>,
    #[serde(default)]
    pub channel_name: Option<String>,
}

tagged! {
    /// What a model needs to run.
    pub enum Requirement, "a requirement", tag "type", default "installable" {
        "installable" => Installable(Installable),
        "unix" => Unix(Unix),
        "custom" => Custom(Custom),
        "file" => File(FileRequirement),
        "conda" => Conda(Conda),
    }
}

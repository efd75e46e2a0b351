//! A model's card: what it is, how it is called, and what it needs. Written at build time as `card.json` beside
//! the model's files; the model server reads nothing else.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{data_type::DataType, digest::Digest, name::WorkloadName};

/// The file of a bundle that holds the card.
pub const CARD_FILE: &str = "card.json";

/// The version of [`ModelCard`] that this wharf writes and reads.
pub const CARD_SCHEMA: &str = "wharf.model/v1";

/// Everything the model server must know. Its folder is the bundle: `card.json` and [`ModelCard::files`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelCard {
    /// Always [`CARD_SCHEMA`].
    pub schema: String,
    pub name: WorkloadName,
    pub kind: ModelKind,
    pub runtime: RuntimeKind,
    /// Why this runtime, in a sentence.
    pub reason: String,
    /// The bundle's file that the runtime opens.
    pub entry: String,
    /// All files of the bundle except the card, sorted by path.
    pub files: Vec<CardFile>,
    pub methods: Vec<Method>,
    /// Names of the classes, in the order of their index.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub python: Option<PythonNeeds>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub risks: Vec<Risk>,
    /// Free data of the user: `meta` of the interface.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub meta: Map<String, Value>,
    #[serde(default, skip_serializing_if = "Compat::is_none")]
    pub compat: Compat,
    /// Settings of a native runtime.
    #[serde(default, skip_serializing_if = "NativeOptions::is_default")]
    pub options: NativeOptions,
}

impl ModelCard {
    /// Returns the model's hash: it covers the card and, through it, the content of every file.
    pub fn hash(&self) -> Digest {
        Digest::blake3(&serde_json::to_vec(self).expect("a card is plain data"))
    }

    /// Returns the size of all files in bytes.
    pub fn size(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    /// Returns the method of this route.
    pub fn method(&self, name: &str) -> Option<&Method> {
        self.methods.iter().find(|method| method.name == name)
    }
}

/// Which library, or what form, a model comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ModelKind {
    Xgboost,
    Lightgbm,
    Catboost,
    Onnx,
    Sklearn,
    SklearnPipeline,
    SklearnTransformer,
    Callable,
    Torch,
    TfKeras,
    /// A pickle or joblib file that `wharf.yaml` names.
    Pickle,
    /// A `predict.py`.
    Python,
}

impl ModelKind {
    /// Returns the word for it, as MLEM and `wharf.yaml` write it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Xgboost => "xgboost",
            Self::Lightgbm => "lightgbm",
            Self::Catboost => "catboost",
            Self::Onnx => "onnx",
            Self::Sklearn => "sklearn",
            Self::SklearnPipeline => "sklearn_pipeline",
            Self::SklearnTransformer => "sklearn_transformer",
            Self::Callable => "callable",
            Self::Torch => "torch",
            Self::TfKeras => "tf_keras",
            Self::Pickle => "pickle",
            Self::Python => "python",
        }
    }
}

impl fmt::Display for ModelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What answers inside the model server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuntimeKind {
    /// Our evaluators of gradient-boosted trees.
    Trees,
    /// Our interpreter of `ai.onnx.ml` and the tensor operators around it.
    OnnxMl,
    /// `rten`, for neural networks in ONNX; only in the program `wharf-serve-onnx`.
    Neural,
    /// A Python worker behind the same server.
    Python,
}

impl RuntimeKind {
    /// Says whether the model runs without Python.
    pub const fn is_native(self) -> bool {
        !matches!(self, Self::Python)
    }

    /// Returns the program of package `wharf` that has this runtime.
    pub const fn program(self) -> &'static str {
        match self {
            Self::Trees | Self::OnnxMl | Self::Python => "wharf-serve",
            Self::Neural => "wharf-serve-onnx",
        }
    }

    /// Returns the word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Trees => "trees",
            Self::OnnxMl => "onnx_ml",
            Self::Neural => "neural",
            Self::Python => "python",
        }
    }
}

impl fmt::Display for RuntimeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A file of the bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardFile {
    /// Relative to the bundle, with `/` between parts and no `..`.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// BLAKE3 of the content.
    pub hash: Digest,
}

/// A route of the model server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Method {
    /// The route: `predict`, `predict_proba`, `transform` …
    pub name: String,
    /// What is called, from left to right, on one value.
    pub steps: Vec<Step>,
    pub args: Vec<Argument>,
    pub returns: DataType,
    /// How a native runtime makes the answer from the model's outputs.
    #[serde(default, skip_serializing_if = "Answer::is_value")]
    pub answer: Answer,
    /// Bodies of calls that are known to work; the first fills the form.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<Map<String, Value>>,
}

/// One call on one object of the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// `model`, or the name of a step before or after it.
    pub processor: String,
    /// The method's own name: `predict`, `__call__` …
    pub method: String,
}

/// An argument of a method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Argument {
    /// The key in the body.
    pub name: String,
    /// The argument's own name in Python; `None`: it is passed by position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyword: Option<String>,
    pub data_type: DataType,
    pub required: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// What is known of the columns, in order; empty when nothing is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
    /// Whether `null` stands for a missing number.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allows_missing: bool,
}

/// One column of an argument, for people.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Field {
    pub name: String,
    /// Smallest value that makes sense; a hint for the form, not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// Largest value that makes sense; a hint for the form, not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// The values that the column may have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<Value>,
}

/// How a native runtime answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// What the library's own `predict` gives: a value, or probabilities where that is what it gives.
    #[default]
    Value,
    /// The class with the largest probability: its name where names are known, else its number.
    Class,
    /// A row of probabilities, one for each class.
    Probabilities,
    /// ONNX: every output of the graph, in order, as a list.
    Outputs,
}

impl Answer {
    fn is_value(&self) -> bool {
        *self == Self::Value
    }
}

/// What a model needs from Python.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PythonNeeds {
    /// Lines as pip reads them: `scikit-learn==1.9.1`.
    pub requirements: Vec<String>,
    /// Further package indexes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra_indexes: Vec<String>,
    /// Packages of the distribution: `libgomp1`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub system_packages: Vec<String>,
    /// `3.11`; `None` where nothing says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// How the worker loads each object: processor → loader.
    pub load: Vec<LoadStep>,
}

/// How the Python worker gets one object of the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadStep {
    pub processor: String,
    pub loader: Loader,
    /// A file of the bundle.
    pub path: String,
    /// For [`Loader::Module`]: the function or class to take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attribute: Option<String>,
}

/// What the Python worker does with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loader {
    /// `pickle.load`.
    Pickle,
    /// `dill.load` where dill is there, `pickle.load` else: MLEM's callables.
    Dill,
    /// `joblib.load`.
    Joblib,
    /// Import the file, take [`LoadStep::attribute`]; a class is made once.
    Module,
    /// `xgboost.Booster`: the old binary form, which only the version that saved it reads.
    XgboostBooster,
}

/// Something about a model that a person should know before running it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Risk {
    pub level: RiskLevel,
    pub text: String,
}

/// How bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RiskLevel {
    /// Good to know.
    Note,
    /// Runs code when loaded, as every pickle does.
    Caution,
    /// Imports something that no model needs, such as `os.system`.
    Danger,
}

/// Whose HTTP statuses are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Compat {
    /// Ours: wrong input is 422.
    #[default]
    None,
    /// MLEM's: wrong input is mostly 400.
    Mlem,
}

impl Compat {
    fn is_none(&self) -> bool {
        *self == Self::None
    }
}

/// Settings of a native runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NativeOptions {
    /// XGBoost: use only the rounds up to the best one, as `XGBClassifier` does.
    #[serde(default)]
    pub best_iteration: bool,
}

impl NativeOptions {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

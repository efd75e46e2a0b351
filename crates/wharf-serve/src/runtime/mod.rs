//! What answers: a runtime loads a bundle; the loaded model answers calls.

pub mod trees;

pub mod onnx_ml;

pub mod neural;

mod graph;

mod cast;

mod outputs;

pub mod python;

pub mod events;

pub mod figures;

pub(crate) mod weight;

use std::{fmt, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::Value;
use wharf_model::tensor::Tensor;
use wharf_spec::model::{Method, ModelCard, RuntimeKind};

use self::{events::Events, figures::WorkerFigures};

/// A folder with `card.json` and the files that the card lists.
#[derive(Debug, Clone)]
pub struct Bundle {
    pub card: Arc<ModelCard>,
    pub folder: PathBuf,
}

/// A way to run models. A program of package `wharf` is a list of these, handed to [`crate::run`]: what a
/// program does not list is not linked into it.
pub trait Runtime: fmt::Debug + Send + Sync {
    /// Returns which models it runs.
    fn kind(&self) -> RuntimeKind;

    /// Loads a model; a Python runtime only starts its workers.
    ///
    /// # Errors
    /// When the model cannot be loaded.
    fn load(&self, bundle: &Bundle, settings: &RuntimeSettings) -> Result<Loaded, LoadError>;
}

/// How a runtime should run.
#[derive(Debug, Clone)]
pub struct RuntimeSettings {
    /// The interpreter for Python kinds.
    pub python: PathBuf,
    /// How many Python workers; `None`: by the machine.
    pub workers: Option<usize>,
    /// Seconds that one call may take in a worker.
    pub call_secs: u64,
    /// Seconds that loading and the warm-up may take in a worker.
    pub load_secs: u64,
}

/// A model that answers.
#[derive(Debug, Clone)]
pub enum Loaded {
    /// Answers on the caller's thread, quickly.
    Native(Arc<dyn Native>),
    /// Answers from another process.
    Worker(Arc<dyn Worker>),
}

/// A model in this process.
pub trait Native: fmt::Debug + Send + Sync {
    /// Answers one call; `inputs` has one entry for each of the method's arguments, `None` where an optional one
    /// was left out.
    ///
    /// # Errors
    /// When the model cannot answer.
    fn call(&self, method: &Method, inputs: Vec<Option<Payload>>) -> Result<Payload, CallError>;
}

/// A model in processes of its own.
#[async_trait]
pub trait Worker: fmt::Debug + Send + Sync {
    /// Answers one call, as [`Native::call`] does.
    async fn call(
        &self,
        method: &Method,
        inputs: Vec<Option<Payload>>,
    ) -> Result<Payload, CallError>;

    /// Answers one call piece by piece where the model gives an iterator; any other answer is one piece.
    async fn stream(
        &self,
        method: &Method,
        inputs: Vec<Option<Payload>>,
    ) -> Result<Events, CallError>;

    /// Says how it is.
    fn state(&self) -> WorkerState;

    /// Says at once whether a call that comes now would be refused.
    ///
    /// # Errors
    /// As those of [`Worker::call`] in that case.
    fn admits(&self) -> Result<(), CallError>;

    /// Says what it counts.
    fn figures(&self) -> WorkerFigures;

    /// Ends all processes: bye, SIGTERM, SIGKILL.
    async fn shutdown(&self);
}

/// How the workers are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkerState {
    /// Importing or loading.
    Starting,
    Ready,
    /// Every try to start failed; with the reason and the last lines of its log.
    Failed(String),
}

/// An argument or an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Payload {
    /// Arrays and tensors.
    Tensor(Tensor),
    /// Tables and columns of pandas.
    Frame(Frame),
    /// Everything that JSON can say as it is.
    Json(Value),
    /// Bytes as they are.
    Binary(Bytes),
    /// Several answers in order: the outputs of an ONNX graph.
    List(Vec<Self>),
}

/// A table: columns of one length, in order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Frame {
    pub columns: Vec<Column>,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    pub name: String,
    pub values: Values,
}

/// The values of a column; `None` is missing.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    F64(Vec<f64>),
    I64(Vec<i64>),
    Bool(Vec<bool>),
    /// Text, or anything with missing values in it.
    Json(Vec<Value>),
}

/// Why a model could not be loaded, for its log and `/readyz`.
#[derive(Debug, thiserror::Error)]
#[error("could not load the model: {0}")]
pub struct LoadError(pub String);

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The model itself raised: Python's class and text.
    #[error("{class}: {text}")]
    Raised { class: String, text: String },
    /// Its process ended during the call: 502.
    #[error("the model's process ended during this request")]
    Died,
    /// It took longer than allowed: 504.
    #[error("the model took longer than {0} s")]
    TimedOut(u64),
    /// Too many calls wait already: 503.
    #[error("{0}")]
    Busy(String),
    /// It is starting, or it is being shut down: 503.
    #[error("{0}")]
    Unavailable(String),
    /// A fault of ours: 500.
    #[error("{0}")]
    Internal(String),
}

impl CallError {
    /// Returns the error of a call that so many others wait before.
    pub(crate) fn busy(waiting: usize) -> Self {
        Self::Busy(format!("{waiting} requests are waiting already"))
    }

    /// Returns the error of a call whose answer nobody will give any more.
    pub(crate) fn lost() -> Self {
        Self::Internal("a worker's supervisor ended unexpectedly".to_owned())
    }
}

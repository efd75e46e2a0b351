//! Python workers, with a real interpreter: `python3`, or the one that `WHARF_TEST_PYTHON` names.

mod answers;

mod corpus;

mod events;

mod figures;

mod life;

mod triton;

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;
use wharf_serve::runtime::{
    Bundle, CallError, Loaded, Payload, Runtime, RuntimeSettings, Worker, WorkerState,
    python::Python,
};
use wharf_spec::{
    data_type::DataType,
    model::{
        Argument, CARD_SCHEMA, Compat, LoadStep, Loader, Method, ModelCard, ModelKind,
        NativeOptions, PythonNeeds, RuntimeKind, Step,
    },
};

use crate::support::python;

/// A model that runs.
struct Running {
    worker: Arc<dyn Worker>,
    card: Arc<ModelCard>,
    _folder: TempDir,
}

impl Running {
    /// Starts a model from its bundle and waits until it is ready.
    async fn start(folder: TempDir, card: ModelCard, settings: RuntimeSettings) -> Self {
        let running = Self::launch(folder, card, settings);
        match running.settled().await {
            WorkerState::Ready => running,
            state => panic!("the model is {state:?}"),
        }
    }

    fn launch(folder: TempDir, card: ModelCard, settings: RuntimeSettings) -> Self {
        let card = Arc::new(card);
        let bundle = Bundle { card: Arc::clone(&card), folder: folder.path().to_owned() };
        let Loaded::Worker(worker) = Python.load(&bundle, &settings).unwrap() else {
            panic!("a Python model runs in workers")
        };
        Self { worker, card, _folder: folder }
    }

    /// Waits until the model is ready or has failed.
    async fn settled(&self) -> WorkerState {
        let start = Instant::now();
        loop {
            match self.worker.state() {
                WorkerState::Starting if start.elapsed() < Duration::from_secs(60) => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                state => return state,
            }
        }
    }

    /// Calls a method by its route.
    async fn call(&self, method: &str, inputs: Vec<Option<Payload>>) -> Result<Payload, CallError> {
        self.worker.call(self.card.method(method).unwrap(), inputs).await
    }

    /// Calls a method with one JSON argument and expects JSON.
    async fn json(&self, method: &str, input: Value) -> Value {
        match self.call(method, vec![Some(Payload::Json(input))]).await {
            Ok(Payload::Json(value)) => value,
            other => panic!("`{method}` answered {other:?}"),
        }
    }

    /// Calls a method with one JSON argument and expects an error.
    async fn error(&self, method: &str, input: Value) -> CallError {
        self.call(method, vec![Some(Payload::Json(input))]).await.unwrap_err()
    }
}

/// A bundle with one file of Python, whose functions are the methods.
fn module(source: &str, methods: Vec<Method>) -> (TempDir, ModelCard) {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("code")).unwrap();
    fs::write(folder.path().join("code/predict.py"), source).unwrap();
    let load = LoadStep {
        processor: "model".to_owned(),
        loader: Loader::Module,
        path: "code/predict.py".to_owned(),
        attribute: None,
    };
    (folder, card(methods, vec![load]))
}

fn card(methods: Vec<Method>, load: Vec<LoadStep>) -> ModelCard {
    ModelCard {
        schema: CARD_SCHEMA.to_owned(),
        name: "model".parse().unwrap(),
        kind: ModelKind::Python,
        runtime: RuntimeKind::Python,
        reason: "it is Python".to_owned(),
        entry: "code/predict.py".to_owned(),
        files: Vec::new(),
        methods,
        classes: Vec::new(),
        python: Some(PythonNeeds { load, ..PythonNeeds::default() }),
        risks: Vec::new(),
        meta: serde_json::Map::new(),
        compat: Compat::None,
        options: NativeOptions::default(),
    }
}

/// A method of one argument and any answer.
fn method(name: &str) -> Method {
    typed(name, DataType::unspecified(), DataType::unspecified())
}

/// A method of one argument.
fn typed(name: &str, takes: DataType, returns: DataType) -> Method {
    Method {
        name: name.to_owned(),
        steps: vec![Step { processor: "model".to_owned(), method: name.to_owned() }],
        args: vec![argument("data", takes)],
        returns,
        answer: wharf_spec::model::Answer::Value,
        examples: Vec::new(),
    }
}

fn argument(name: &str, data_type: DataType) -> Argument {
    Argument {
        name: name.to_owned(),
        keyword: None,
        data_type,
        required: true,
        default: None,
        fields: Vec::new(),
        allows_missing: false,
    }
}

fn data_type(json: &str) -> DataType {
    serde_json::from_str(json).unwrap()
}

fn settings() -> RuntimeSettings {
    RuntimeSettings { python: python(), workers: Some(1), call_secs: 30, load_secs: 60 }
}

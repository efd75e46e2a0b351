//! Models to ask, and ways to ask them.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;
use wharf_model::recognise;
use wharf_serve::{
    application,
    runtime::{
        Bundle, CallError, Loaded, Native, Payload, Runtime, RuntimeSettings, neural::Neural,
        onnx_ml::OnnxMl, trees::Trees,
    },
};
use wharf_spec::model::{self, ModelCard, RuntimeKind};

/// Models of the crate beside this one, with the answers of the original libraries.
pub(crate) fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../wharf-model/tests/data")
}

pub(crate) fn json_file(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// A server without a socket.
#[derive(Debug, Clone)]
pub(crate) struct Server(Router);

impl Server {
    /// A model that native runtimes run, recognised from its file.
    pub(crate) fn of_model(path: &Path) -> Self {
        let folder = TempDir::new().unwrap();
        let model = recognise::recognise(path).unwrap();
        model.write_bundle(folder.path()).unwrap();
        let bundle = Bundle { card: Arc::new(model.card), folder: folder.path().to_owned() };
        let settings = RuntimeSettings {
            python: "python3".into(),
            workers: None,
            call_secs: 30,
            load_secs: 30,
        };
        let runtime: &dyn Runtime = match bundle.card.runtime {
            RuntimeKind::Trees => &Trees,
            RuntimeKind::OnnxMl => &OnnxMl,
            RuntimeKind::Neural => &Neural,
            RuntimeKind::Python => panic!("{} needs Python", path.display()),
        };
        let loaded = runtime.load(&bundle, &settings).unwrap();
        Self(application(bundle.card, loaded))
    }

    /// A card with a model behind it that gives back its first argument.
    pub(crate) fn of_card(card: ModelCard) -> Self {
        Self(application(Arc::new(card), Loaded::Native(Arc::new(Echo))))
    }

    /// One method `predict` with one argument `data`, answered by the argument itself.
    pub(crate) fn of_argument(argument: &Value) -> Self {
        Self::of_card(card(argument))
    }

    /// A model that is loaded already.
    pub(crate) fn of_loaded(card: Arc<ModelCard>, loaded: Loaded) -> Self {
        Self(application(card, loaded))
    }

    pub(crate) fn router(&self) -> Router {
        self.0.clone()
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.0.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(request(Method::GET, path, &[], Body::empty())).await
    }

    /// A call as curl's `-d` makes it.
    pub(crate) async fn post(&self, path: &str, body: impl Into<Body>) -> Answer {
        let kind = ("content-type", "application/x-www-form-urlencoded");
        self.send(request(Method::POST, path, &[kind], body.into())).await
    }

    pub(crate) async fn predict(&self, data: &Value) -> Answer {
        self.post("/predict", json!({ "data": data }).to_string()).await
    }
}

pub(crate) fn request(
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Body,
) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    if headers.iter().all(|(name, _)| *name != "host") {
        request = request.header(header::HOST, "localhost:8080");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body).unwrap()
}

/// The card of a model with one argument.
pub(crate) fn card(argument: &Value) -> ModelCard {
    let mut argument = argument.clone();
    argument["name"] = json!("data");
    argument["required"] = json!(true);
    serde_json::from_value(json!({
        "schema": "wharf.model/v1",
        "name": "echo",
        "kind": "callable",
        "runtime": "trees",
        "reason": "a test",
        "entry": "model",
        "files": [],
        "methods": [{
            "name": "predict",
            "steps": [],
            "args": [argument],
            "returns": argument["data_type"],
        }],
    }))
    .unwrap()
}

/// Gives back its first argument; text `raise` raises, `panic` panics.
#[derive(Debug)]
struct Echo;

impl Native for Echo {
    fn call(&self, _: &model::Method, inputs: Vec<Option<Payload>>) -> Result<Payload, CallError> {
        let given = inputs.into_iter().next().flatten().unwrap();
        match &given {
            Payload::Json(Value::String(text)) if text == "raise" => {
                Err(CallError::Raised { class: "ValueError".into(), text: "no such thing".into() })
            }
            Payload::Json(Value::String(text)) if text == "panic" => panic!("as asked"),
            _ => Ok(given),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "which Python the tests use is theirs to say")]
pub(crate) fn python() -> PathBuf {
    let named = std::env::var_os("WHARF_TEST_PYTHON");
    named.map_or_else(|| Path::new("python3").to_owned(), PathBuf::from)
}

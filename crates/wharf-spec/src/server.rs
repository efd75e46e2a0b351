//! Which server goes into an image: MLEM's kind `server`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::tagged;

/// MLEM's `fastapi`: in wharf its own server, which answers as that one did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FastApiServer {
    /// The address inside the container.
    #[serde(default = "host")]
    pub host: String,
    /// The port inside the container.
    #[serde(default = "port")]
    pub port: u16,
    /// Show exceptions of the model as they are.
    #[serde(default)]
    pub debug: bool,
    /// `predict` and `predict_proba` in place of the model's own names.
    #[serde(default = "yes")]
    pub standardize: bool,
    /// Exposed name → a method with its types.
    #[serde(default)]
    pub methods: Map<String, Value>,
    /// How requests are read, for all methods.
    #[serde(default)]
    pub request_serializer: Option<Value>,
    /// How answers are written, for all methods.
    #[serde(default)]
    pub response_serializer: Option<Value>,
    /// Steps around each request.
    #[serde(default)]
    pub middlewares: Vec<Value>,
}

fn host() -> String {
    "0.0.0.0".to_owned()
}

const fn port() -> u16 {
    8080
}

const fn yes() -> bool {
    true
}

impl Default for FastApiServer {
    fn default() -> Self {
        Self {
            host: host(),
            port: port(),
            debug: false,
            standardize: true,
            methods: Map::new(),
            request_serializer: None,
            response_serializer: None,
            middlewares: Vec::new(),
        }
    }
}

impl FastApiServer {
    /// Returns the names of the fields whose values are not their defaults.
    pub fn changed(&self) -> Vec<&'static str> {
        let normal = Self::default();
        let fields = [
            ("host", self.host != normal.host),
            ("port", self.port != normal.port),
            ("debug", self.debug != normal.debug),
            ("standardize", self.standardize != normal.standardize),
            ("methods", self.methods != normal.methods),
            ("request_serializer", self.request_serializer != normal.request_serializer),
            ("response_serializer", self.response_serializer != normal.response_serializer),
            ("middlewares", self.middlewares != normal.middlewares),
        ];
        fields.into_iter().filter_map(|(name, changed)| changed.then_some(name)).collect()
    }
}

tagged! {
    /// MLEM's kind `server`.
    pub enum Server, "a server", tag "type", default "fastapi", mlem_has ["rmq", "streamlit"] {
        "fastapi" => FastApi(FastApiServer),
    }
}

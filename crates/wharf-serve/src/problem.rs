//! What goes wrong with a request, and the JSON that says so. Every answer from 400 up has `error`.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};
use wharf_spec::model::Compat;

use crate::{
    guard::Foreign, metrics::Rejection, request_id::RequestId, runtime::CallError,
    schema::wrong::WrongInput,
};

/// An answer from 400 up, until the request's number is known to write it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Problem {
    status: StatusCode,
    error: String,
    detail: Option<Value>,
    field: Option<String>,
    hint: Option<String>,
    retry: bool,
    rejection: Option<Rejection>,
}

impl Problem {
    fn new(status: StatusCode, error: impl Into<String>) -> Self {
        let error = error.into();
        Self { status, error, detail: None, field: None, hint: None, retry: false, rejection: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    fn detail(mut self, detail: Value) -> Self {
        self.detail = Some(detail);
        self
    }

    fn rejected(mut self, why: Rejection) -> Self {
        self.rejection = Some(why);
        self
    }

    /// Returns the limit under which the request was turned away, if that is what happened.
    pub(crate) fn rejection(&self) -> Option<Rejection> {
        self.rejection
    }

    pub(crate) fn not_found(paths: &[String]) -> Self {
        let routes: Vec<String> = paths.iter().map(|path| format!("POST {path}")).collect();
        Self::new(StatusCode::NOT_FOUND, "there is nothing at this path")
            .detail(json!("Not Found"))
            .hint(format!("this model answers {}; see /docs", routes.join(", ")))
    }

    pub(crate) fn wrong_method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "this path takes another HTTP method")
            .detail(json!("Method Not Allowed"))
            .hint("predictions are asked for with POST; see /docs")
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body has more than {} MB", limit >> 20),
        )
        .hint("send the rows in several requests")
        .rejected(Rejection::Body)
    }

    pub(crate) fn too_slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time")
            .rejected(Rejection::Timeout)
    }

    pub(crate) fn broken_body(why: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, why)
    }

    /// The method takes a file, and the body is none.
    pub(crate) fn no_file(why: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, why)
            .hint("send a form with one file named `file`: curl -F file=@FILE")
    }

    /// The model is not there yet, or not there any more.
    pub(crate) fn not_ready(why: impl Into<String>) -> Self {
        let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, why);
        problem.retry = true;
        problem
    }

    pub(crate) fn bug(what: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, what)
            .hint("this is a fault of the server; its log may say more")
    }

    pub(crate) fn wrong_input(wrong: &WrongInput, compat: Compat) -> Self {
        let status = match compat {
            Compat::None => StatusCode::UNPROCESSABLE_ENTITY,
            Compat::Mlem => {
                StatusCode::from_u16(wrong.mlem_status()).expect("400 and 422 are statuses of HTTP")
            }
        };
        Self {
            detail: Some(wrong.detail()),
            field: wrong.field(),
            hint: wrong.advice().map(str::to_owned),
            ..Self::new(status, wrong.error())
        }
    }

    /// A request of the Open Inference Protocol that is wrong in whatever way.
    pub(crate) fn wrong_inference(why: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, why)
    }

    /// The same errors as on the routes of methods, but that a model that raised is a fault of the server.
    pub(crate) fn of_inference(error: CallError) -> Self {
        match error {
            CallError::Raised { .. } => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
            }
            other => Self::from(other),
        }
    }

    pub(crate) fn other_model(name: &str, version: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "there is no such model")
            .hint(format!("this server has the model `{name}` in version {version}"))
    }

    /// A part of a protocol that this server leaves out.
    pub(crate) fn not_here() -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, "this server does not do that")
            .hint("it has one model, which is always loaded, and takes tensors in the request only")
    }

    pub(crate) fn compressed() -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "a compressed body is not taken")
            .hint("send the body without `Content-Encoding`")
    }

    /// Returns what there is to say but for the status.
    pub(crate) fn into_fields(self) -> Map<String, Value> {
        let fields = [
            ("error", Some(Value::String(self.error))),
            ("detail", self.detail),
            ("field", self.field.map(Value::String)),
            ("hint", self.hint.map(Value::String)),
        ];
        let fields = fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        fields.collect()
    }

    /// Writes the answer.
    pub(crate) fn respond(self, id: &RequestId) -> Response {
        let (status, retry) = (self.status, self.retry);
        let mut body = self.into_fields();
        body.insert("request_id".to_owned(), json!(id.as_str()));
        let mut response = (status, Json(Value::Object(body))).into_response();
        if retry {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<Foreign> for Problem {
    fn from(foreign: Foreign) -> Self {
        let hint = match &foreign {
            Foreign::NoHost => "send exactly one `Host`",
            Foreign::Host(_) => {
                "ask by address or as localhost, or list the name in WHARF_SERVE_HOSTS"
            }
            Foreign::Origin(_) | Foreign::Site => {
                "pages of other sites cannot use this server; call it from your own code"
            }
        };
        Self::new(StatusCode::FORBIDDEN, foreign.to_string()).hint(hint)
    }
}

impl From<CallError> for Problem {
    fn from(error: CallError) -> Self {
        match error {
            // Exactly MLEM's form: its client takes the class off and shows the rest.
            CallError::Raised { .. } => Self::new(StatusCode::BAD_REQUEST, error.to_string()),
            CallError::Died => Self::new(StatusCode::BAD_GATEWAY, error.to_string())
                .hint("the server's log has the last lines of the process"),
            CallError::TimedOut(_) => Self::new(StatusCode::GATEWAY_TIMEOUT, error.to_string()),
            CallError::Busy(why) => Self::not_ready(why).rejected(Rejection::QueueFull),
            CallError::Unavailable(why) => Self::not_ready(why),
            CallError::Internal(what) => Self::bug(what),
        }
    }
}

/// Travels to the edge as an extension of an empty response; there the request's number is known.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

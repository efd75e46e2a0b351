//! Whether the process lives, and whether the model answers.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{app::App, readiness::Phase};

/// `GET /healthz`: never waits for the model.
pub(super) async fn healthz() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// `GET /readyz`
pub(super) async fn readyz(State(app): State<Arc<App>>) -> Response {
    let (status, detail) = match app.readiness.phase() {
        Phase::Ready => return Json(json!({ "status": "ready" })).into_response(),
        Phase::Starting(what) => ("starting", what.to_owned()),
        Phase::Draining => ("draining", "the server is being shut down".to_owned()),
        Phase::Failed(why) => ("failed", why),
    };
    let error = format!("not ready: {status}");
    let body = Json(json!({ "status": status, "detail": detail, "error": error }));
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")], body).into_response()
}

//! Documents for programs.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde_json::Value;

use crate::{app::App, interface, openapi};

/// `GET /interface.json`
pub(super) async fn interface(State(app): State<Arc<App>>) -> Json<Value> {
    Json(interface::document(&app.card))
}

/// `GET /openapi.json`
pub(super) async fn openapi(State(app): State<Arc<App>>) -> Json<Value> {
    Json(openapi::document(&app.card))
}

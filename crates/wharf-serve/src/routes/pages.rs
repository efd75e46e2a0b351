//! Pages for people, with the headers that keep foreign script out.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, header},
    response::{Html, IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use crate::{app::App, page};

/// Nothing from elsewhere, nothing inline, in no frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self' data: blob:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// `GET /`: the page, or its links for programs.
pub(super) async fn home(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let accepts = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    if accepts.is_some_and(|accept| accept.contains("text/html")) {
        return html(page::try_it(&app.card, host(&headers)).into_string());
    }
    let methods: Map<String, Value> = app
        .card
        .methods
        .iter()
        .map(|method| (method.name.clone(), json!(format!("/{}", method.name))))
        .collect();
    let links = json!({
        "model": app.card.name,
        "kind": app.card.kind,
        "methods": methods,
        "docs": "/docs",
        "interface": "/interface.json",
        "openapi": "/openapi.json",
        "metrics": "/metrics",
        "ready": "/readyz",
    });
    ([(header::VARY, "accept")], Json(links)).into_response()
}

/// `GET /docs`
pub(super) async fn docs(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    html(page::docs(&app.card, host(&headers)).into_string())
}

/// `GET /app.js`
pub(super) async fn script() -> Response {
    asset("text/javascript; charset=utf-8", page::SCRIPT)
}

/// `GET /style.css`
pub(super) async fn style() -> Response {
    asset("text/css; charset=utf-8", page::STYLE)
}

/// The guard has seen to it that there is one, and a good one.
fn host(headers: &HeaderMap) -> &str {
    headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost")
}

fn html(text: String) -> Response {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::VARY, "accept"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, Html(text)).into_response()
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    // The address of a model may belong to another version tomorrow.
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], text).into_response()
}

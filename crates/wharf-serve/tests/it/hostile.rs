//! What nobody sends by accident: the server stays up, says what is wrong, and spends little on it.

use axum::{
    body::Body,
    http::{Method, StatusCode},
};
use serde_json::json;

use crate::support::{Server, request};

fn server() -> Server {
    Server::of_argument(
        &json!({ "data_type": { "type": "ndarray", "shape": [null, 4], "dtype": "float64" } }),
    )
}

async fn check(body: impl Into<Body>, expect: StatusCode) {
    let server = server();
    let answer = server.post("/predict", body).await;
    assert_eq!(answer.status, expect, "{}", answer.text());
    assert!(answer.json()["error"].is_string());
    assert!(answer.body.len() < 2_000, "an error of {} bytes", answer.body.len());
    let good = server.predict(&json!([[1, 2, 3, 4]])).await;
    assert_eq!(good.status, StatusCode::OK);
}

#[tokio::test]
async fn ten_megabytes_of_nonsense() {
    check("x".repeat(10 << 20), StatusCode::UNPROCESSABLE_ENTITY).await;
    check(vec![0xff; 10 << 20], StatusCode::UNPROCESSABLE_ENTITY).await;
    check(format!("{{\"data\": \"{}\"}}", "x".repeat(10 << 20)), StatusCode::UNPROCESSABLE_ENTITY)
        .await;
    let pairs = "[1,2],".repeat(1_000_000);
    check(format!("{{\"data\": [{pairs}[1]]}}"), StatusCode::UNPROCESSABLE_ENTITY).await;
}

#[tokio::test]
async fn a_hundred_thousand_brackets() {
    check("[".repeat(100_000), StatusCode::UNPROCESSABLE_ENTITY).await;
    check(format!("{{\"data\": {}", "[".repeat(100_000)), StatusCode::UNPROCESSABLE_ENTITY).await;
    check(format!("{{\"zzz\": {}", "{\"a\":".repeat(100_000)), StatusCode::UNPROCESSABLE_ENTITY)
        .await;
}

#[tokio::test]
async fn more_than_a_body_may_have() {
    check(vec![b' '; (32 << 20) + 1], StatusCode::PAYLOAD_TOO_LARGE).await;
    let headers = [("content-length", "99999999999")];
    let answer = server().send(request(Method::POST, "/predict", &headers, Body::empty())).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn other_sites_stay_out() {
    for headers in [
        [("host", "evil.example"), ("x", "y")],
        [("host", "localhost"), ("origin", "http://evil.example")],
        [("host", "localhost"), ("origin", "null")],
        [("host", "localhost"), ("sec-fetch-site", "cross-site")],
        [("host", "localhost"), ("host", "localhost")],
    ] {
        let body = Body::from(r#"{"data": [[1, 2, 3, 4]]}"#);
        let answer = server().send(request(Method::POST, "/predict", &headers, body)).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{headers:?}");
        assert!(answer.json()["hint"].is_string());
    }
    for path in [
        "/",
        "/interface.json",
        "/openapi.json",
        "/docs",
        "/healthz",
        "/readyz",
        "/app.js",
        "/v2",
        "/metrics",
    ] {
        let headers = [("host", "evil.example")];
        let answer = server().send(request(Method::GET, path, &headers, Body::empty())).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
    }
}

#[tokio::test]
async fn odd_paths_lead_nowhere() {
    for path in ["/../etc/passwd", "/%2e%2e/card.json", "/predict/", "//", "/card.json"] {
        let answer = server().get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
}

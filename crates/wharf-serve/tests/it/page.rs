//! The pages as HTML; what a browser makes of them is tested elsewhere.

use axum::{body::Body, http::Method};
use serde_json::json;

use crate::support::{Answer, Server, card, data, request};

const HOSTILE: &str = "\"><script>alert(1)</script>";

async fn page(server: &Server, path: &str) -> Answer {
    let headers = [("accept", "text/html,*/*")];
    server.send(request(Method::GET, path, &headers, Body::empty())).await
}

#[tokio::test]
async fn a_browser_gets_the_page_and_a_program_the_links() {
    let server = Server::of_model(&data().join("trees/xgb_iris.json"));
    let html = page(&server, "/").await;
    assert!(html.header("content-type").starts_with("text/html"));
    assert!(html.text().contains("curl http://localhost:8080/predict"), "{}", html.text());
    let links = server.get("/").await.json();
    assert_eq!(links["methods"]["predict"], "/predict");
}

#[tokio::test]
async fn pages_keep_foreign_script_out() {
    let mut card = card(&json!({
        "data_type": { "type": "ndarray", "shape": [null, 1], "dtype": "float64" },
        "fields": [{ "name": HOSTILE, "choices": [HOSTILE] }],
    }));
    card.classes = vec![json!(HOSTILE)];
    card.reason = HOSTILE.to_owned();
    card.methods[0].examples = vec![json!({ "data": [[HOSTILE]] }).as_object().unwrap().clone()];
    let server = Server::of_card(card);
    for path in ["/", "/docs"] {
        let html = page(&server, path).await;
        assert!(!html.text().contains("<script>"), "{path}: {}", html.text());
        assert!(!html.text().contains(" style="), "{path}");
        let policy = html.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
        assert_eq!(html.header("referrer-policy"), "no-referrer");
        assert_eq!(html.header("x-content-type-options"), "nosniff");
    }
}

#[tokio::test]
async fn the_page_and_what_it_loads_are_small() {
    let server = Server::of_model(&data().join("trees/xgb_iris.json"));
    let mut bytes = 0;
    for path in ["/", "/app.js", "/style.css"] {
        bytes += page(&server, path).await.body.len();
    }
    assert!(bytes <= 50_000, "{bytes}");
}

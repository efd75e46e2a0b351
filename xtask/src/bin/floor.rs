//! The floor that the model server is measured against: a bare axum route that answers a constant.

use std::env;

use axum::{Router, routing::any};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let port = env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or_default();
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let constant = || async { ([("content-type", "application/json")], "[\"setosa\"]") };
    axum::serve(listener, Router::new().fallback(any(constant))).await
}

//! The floor that the model server is measured against: a bare axum route that answers a constant.

use axum::{Router, routing::any};
use tokio::net::TcpListener;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the bench reads the port")]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("{}", listener.local_addr()?.port());
    let constant = || async { ([("content-type", "application/json")], "[\"setosa\"]") };
    axum::serve(listener, Router::new().fallback(any(constant))).await
}

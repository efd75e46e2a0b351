//! What the server says of its workers to monitoring, and to those whom it turns away.

use axum::http::StatusCode;
use wharf_serve::runtime::Loaded;

use super::{Running, method, module, settings};
use crate::{metrics::parse, support::Server};

const SOURCE: &str = "
import os, time

def sleep(data):
    time.sleep(data)
    return data

def exit(data):
    os._exit(1)
";

async fn start() -> (Running, Server) {
    let (folder, card) = module(SOURCE, ["sleep", "exit"].map(method).to_vec());
    let running = Running::start(folder, card, settings()).await;
    let loaded = Loaded::Worker(running.worker.clone());
    let server = Server::of_loaded(running.card.clone(), loaded);
    (running, server)
}

/// Returns the value of a family's first sample with this label.
async fn sample(server: &Server, family: &str, label: Option<(&str, &str)>) -> f64 {
    let families = parse(&server.get("/metrics").await.body);
    let samples = families[family]["samples"].as_array().unwrap();
    let found = samples.iter().find(|sample| match label {
        Some((name, value)) => sample["labels"][name] == value,
        None => true,
    });
    found.and_then(|sample| sample["value"].as_f64()).unwrap()
}

#[tokio::test]
#[ignore = "needs python"]
async fn workers_and_their_ends_are_counted() {
    let (running, server) = start().await;
    let first = Some(("worker", "0"));
    assert_eq!(sample(&server, "wharf_worker_up", first).await, 1.0);
    let memory = sample(&server, "wharf_worker_rss_bytes", first).await;
    assert!(memory > 1e6, "an interpreter takes more than {memory} bytes");

    let died = server.post("/exit", r#"{"data": 0}"#).await;
    assert_eq!(died.status, StatusCode::BAD_GATEWAY);
    running.settled().await;
    let restarts = sample(&server, "wharf_worker_restarts", Some(("reason", "died"))).await;
    assert_eq!(restarts, 1.0);
    assert_eq!(sample(&server, "wharf_worker_up", first).await, 1.0);
}

#[tokio::test]
#[ignore = "needs python"]
async fn a_full_queue_is_told_with_a_time_to_come_again() {
    let (_running, server) = start().await;
    let calls = (0..100).map(|_| server.post("/sleep", r#"{"data": 0.02}"#));
    let (answers, waiting) = tokio::join!(futures_util::future::join_all(calls), async {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        sample(&server, "wharf_queue_requests", None).await
    });
    assert!((1.0..=64.0).contains(&waiting), "{waiting} wait");
    let (good, refused): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status == StatusCode::OK);
    assert!(good.len() >= 64, "{} were answered", good.len());
    assert!(!refused.is_empty(), "more came than may wait");
    for answer in &refused {
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.header("retry-after"), "1");
        assert!(answer.text().contains("waiting already"), "{}", answer.text());
    }
    let rejected = sample(&server, "wharf_rejected", Some(("reason", "queue_full"))).await;
    assert_eq!(rejected, refused.len() as f64);
    let waited = sample(&server, "wharf_queue_seconds", Some(("le", "+Inf"))).await;
    assert_eq!(waited, good.len() as f64);
    assert_eq!(sample(&server, "wharf_queue_requests", None).await, 0.0);
}

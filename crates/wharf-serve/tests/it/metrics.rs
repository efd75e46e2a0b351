//! What the server counts, as monitoring reads it.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use axum::{
    body::Body,
    http::{Method, StatusCode},
};
use serde_json::{Value, json};

use crate::support::{Server, python, request};

fn server() -> Server {
    Server::of_argument(
        &json!({ "data_type": { "type": "ndarray", "shape": [null, 2], "dtype": "float64" } }),
    )
}

/// Returns the value of a sample, written as in the document; 0 where it is not there.
async fn sample(server: &Server, name: &str) -> f64 {
    let text = server.get("/metrics").await.text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.parse().unwrap())
}

async fn check(server: &Server, name: &str, expect: f64) {
    assert_eq!(sample(server, name).await, expect, "{name}");
}

#[tokio::test]
async fn requests_rows_and_times_are_counted() {
    let server = server();
    for rows in [json!([[1, 2]]), json!([[1, 2], [3, 4], [5, 6]])] {
        assert_eq!(server.predict(&rows).await.status, StatusCode::OK);
    }
    server.predict(&json!([1])).await;
    server.get("/readyz").await;
    check(&server, r#"wharf_requests_total{route="/predict",status="200"}"#, 2.0).await;
    check(&server, r#"wharf_requests_total{route="/predict",status="422"}"#, 1.0).await;
    check(&server, r#"wharf_requests_total{route="health",status="200"}"#, 1.0).await;
    check(&server, r#"wharf_request_seconds_count{route="/predict"}"#, 3.0).await;
    check(&server, r#"wharf_request_seconds_bucket{route="/predict",le="+Inf"}"#, 3.0).await;
    check(&server, "wharf_rows_total", 4.0).await;
    check(&server, r#"wharf_model_seconds_count{runtime="trees"}"#, 2.0).await;
    let bytes = sample(&server, r#"wharf_request_bytes_sum{route="/predict"}"#).await;
    assert_eq!(bytes, r#"{"data":[[1,2]]}{"data":[[1,2],[3,4],[5,6]]}{"data":[1]}"#.len() as f64);
    // The one that asks.
    check(&server, "wharf_in_flight", 1.0).await;
    check(&server, "wharf_ready", 1.0).await;
}

#[tokio::test]
async fn what_was_turned_away_is_counted_by_the_limit() {
    let server = server();
    let headers = [("content-length", "99999999999")];
    server.send(request(Method::POST, "/predict", &headers, Body::empty())).await;
    check(&server, r#"wharf_rejected_total{reason="body"}"#, 1.0).await;
    check(&server, r#"wharf_rejected_total{reason="queue_full"}"#, 0.0).await;
}

#[tokio::test]
async fn nothing_that_a_client_sends_becomes_a_label() {
    let server = server();
    let sent = [("x-request-id", "zebra"), ("user-agent", "zebra"), ("host", "zebra")];
    for path in ["/zebra", "/v2/models/zebra", "/predict?zebra", "/metrics?zebra"] {
        for method in [Method::GET, Method::POST, "ZEBRA".parse().unwrap()] {
            for headers in [&sent[..2], &sent] {
                server.send(request(method.clone(), path, headers, Body::from("zebra"))).await;
            }
        }
    }
    let text = server.get("/metrics").await.text();
    assert!(!text.to_lowercase().contains("zebra"), "{text}");
    assert!(text.contains(r#"wharf_requests_total{route="other",status="404"}"#), "{text}");
}

#[tokio::test]
async fn a_client_that_leaves_is_counted() {
    let server =
        Server::of_card(crate::support::card(&json!({ "data_type": { "type": "binary" } })));
    let body =
        Body::from_stream(futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>());
    let call = server.send(request(Method::POST, "/predict", &[], body));
    let gone = tokio::time::timeout(std::time::Duration::from_millis(50), call).await;
    assert!(gone.is_err(), "the body never comes");
    check(&server, r#"wharf_requests_total{route="/predict",status="499"}"#, 1.0).await;
    check(&server, "wharf_in_flight", 1.0).await;
}

#[tokio::test]
#[ignore = "needs python"]
async fn prometheus_own_parser_reads_it() {
    let server = server();
    server.predict(&json!([[1, 2]])).await;
    let answer = server.get("/metrics").await;
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let families = parse(&answer.body);
    let kind = |name: &str| families[name]["type"].as_str().unwrap_or_default().to_owned();
    for (name, expect) in [
        ("wharf_requests", "counter"),
        ("wharf_request_seconds", "histogram"),
        ("wharf_response_bytes", "summary"),
        ("wharf_queue_requests", "gauge"),
        ("wharf_model_info", "gauge"),
        ("process_cpu_seconds", "counter"),
        ("process_resident_memory_bytes", "gauge"),
    ] {
        assert_eq!(kind(name), expect, "{name} in {families}");
    }
    let info = &families["wharf_model_info"]["samples"][0]["labels"];
    assert_eq!((&info["name"], &info["runtime"]), (&json!("echo"), &json!("trees")));
    let buckets = families["wharf_request_seconds"]["samples"].as_array().unwrap();
    let of_predict = buckets.iter().filter(|sample| {
        sample["labels"]["route"] == "/predict" && sample["name"] == "wharf_request_seconds_bucket"
    });
    assert_eq!(of_predict.count(), 18);
}

/// Returns the families by name, as Prometheus' own library for Python reads them.
pub(crate) fn parse(document: &[u8]) -> Value {
    const PARSER: &str = "
import json, sys
from prometheus_client.parser import text_string_to_metric_families
families = text_string_to_metric_families(sys.stdin.read())
print(json.dumps({family.name: {
    'type': family.type,
    'samples': [{'name': s.name, 'labels': s.labels, 'value': s.value} for s in family.samples],
} for family in families}))
";
    let mut child = Command::new(python())
        .args(["-c", PARSER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(document).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "the parser refuses it: {}",
        String::from_utf8_lossy(document)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

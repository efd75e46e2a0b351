//! Answers that come piece by piece, as server-sent events.

use std::time::{Duration, Instant};

use axum::{
    body::{Body, BodyDataStream},
    http::{Method, StatusCode, header},
    response::Response,
};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};
use tower::ServiceExt;
use wharf_serve::runtime::{Loaded, RuntimeSettings, WorkerState};

use super::{Running, method, module, settings};
use crate::support::{Answer, Server, request};

const SOURCE: &str = r#"
import os, time

closed = 0

def count(end):
    yield from range(end)

def whole(data):
    return data

def forever(pause):
    global closed
    try:
        number = 0
        while True:
            yield {"number": number}
            number += 1
            time.sleep(pause)
    finally:
        closed += 1

def fail_at_once(data):
    raise ValueError("at once")
    yield

def fail(data):
    yield 1
    raise ValueError("in the middle")

def no_form(data):
    yield 1
    yield object()

def exit(data):
    yield 1
    os._exit(1)

def hang(data):
    yield 1
    time.sleep(1000)

def count_closed(data):
    return closed
"#;

async fn start(settings: RuntimeSettings) -> (Running, Server) {
    let names = [
        "count",
        "whole",
        "forever",
        "fail_at_once",
        "fail",
        "no_form",
        "exit",
        "hang",
        "count_closed",
    ];
    let (folder, card) = module(SOURCE, names.map(method).to_vec());
    let running = Running::start(folder, card, settings).await;
    let loaded = Loaded::Worker(running.worker.clone());
    let server = Server::of_loaded(running.card.clone(), loaded);
    (running, server)
}

fn call(name: &str, data: &Value) -> axum::http::Request<Body> {
    let body = Body::from(json!({ "data": data }).to_string());
    request(Method::POST, &format!("/{name}"), &[("accept", "text/event-stream")], body)
}

async fn ask(server: &Server, name: &str, data: Value) -> Answer {
    server.send(call(name, &data)).await
}

/// Begins to read the events of `forever`.
async fn begin(server: &Server, pause: f64) -> BodyDataStream {
    let response: Response = server.router().oneshot(call("forever", &json!(pause))).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let mut events = response.into_body().into_data_stream();
    assert_eq!(next(&mut events).await, "data: {\"number\":0}\n\n");
    events
}

async fn next(events: &mut BodyDataStream) -> String {
    let event = events.next().await.unwrap().unwrap();
    String::from_utf8(event.to_vec()).unwrap()
}

/// Waits until so many generators have been closed, with the worker free for other calls.
async fn check_closed(running: &Running, expect: u64) {
    let start = Instant::now();
    while running.json("count_closed", json!(0)).await != json!(expect) {
        assert!(start.elapsed() < Duration::from_secs(10), "nobody closed the generator");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
#[ignore = "needs python"]
async fn what_a_generator_yields_is_events_where_events_are_asked_for() {
    let (_running, server) = start(settings()).await;
    let answer = ask(&server, "count", json!(3)).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header(header::CONTENT_TYPE.as_str()), "text/event-stream");
    assert_eq!(answer.text(), "data: 0\n\ndata: 1\n\ndata: 2\n\nevent: done\ndata: {}\n\n");
    let empty = ask(&server, "count", json!(0)).await;
    assert_eq!(empty.text(), "event: done\ndata: {}\n\n");
    let many = ask(&server, "count", json!(10_000)).await.text();
    assert_eq!(many.matches("data: ").count(), 10_001);

    let list = server.post("/count", r#"{"data": 3}"#).await;
    assert_eq!(
        (list.header("content-type"), list.text().as_str()),
        ("application/json", "[0,1,2]")
    );
}

#[tokio::test]
#[ignore = "needs python"]
async fn an_answer_that_is_no_generator_is_one_event() {
    let (_running, server) = start(settings()).await;
    let answer = ask(&server, "whole", json!([1, 2])).await;
    assert_eq!(answer.text(), "data: [1,2]\n\nevent: done\ndata: {}\n\n");
    let document = server.get("/openapi.json").await.json();
    let good = &document["paths"]["/whole"]["post"]["responses"]["200"]["content"];
    assert!(good["text/event-stream"].is_object(), "{good}");
}

#[tokio::test]
#[ignore = "needs python"]
async fn an_error_before_the_first_piece_has_a_status() {
    let (_running, server) = start(settings()).await;
    let answer = ask(&server, "fail_at_once", json!(0)).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.json()["error"], "ValueError: at once");
}

#[tokio::test]
#[ignore = "needs python"]
async fn an_error_in_the_middle_is_the_last_event() {
    let (running, server) = start(RuntimeSettings { call_secs: 1, ..settings() }).await;
    for (name, error) in [
        ("fail", "ValueError: in the middle"),
        (
            "no_form",
            "SerializationError: the answer holds a value of type object, which has no JSON form",
        ),
        ("exit", "the model's process ended during this request"),
        ("hang", "the model took longer than 1 s"),
    ] {
        assert_eq!(running.settled().await, WorkerState::Ready);
        let text = ask(&server, name, json!(0)).await.text();
        let data = text
            .strip_prefix("data: 1\n\nevent: error\ndata: ")
            .unwrap_or_else(|| panic!("{text}"));
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!(data["error"], error, "{name}");
    }
    running.settled().await;
    assert_eq!(running.json("whole", json!("still here")).await, json!("still here"));
}

#[tokio::test]
#[ignore = "needs python"]
async fn a_reader_that_leaves_ends_the_generator() {
    let (running, server) = start(settings()).await;
    let mut events = begin(&server, 0.01).await;
    assert_eq!(next(&mut events).await, "data: {\"number\":1}\n\n");
    drop(events);
    check_closed(&running, 1).await;
}

#[tokio::test]
#[ignore = "needs python"]
async fn a_reader_that_does_not_read_is_given_up() {
    let (running, server) = start(RuntimeSettings { call_secs: 1, ..settings() }).await;
    let mut events = begin(&server, 0.0).await;
    // The call waits for the worker as long as that one waits for its reader.
    tokio::time::sleep(Duration::from_millis(500)).await;
    check_closed(&running, 1).await;
    let mut last = String::new();
    while let Some(Ok(event)) = events.next().await {
        last = String::from_utf8(event.to_vec()).unwrap();
    }
    assert!(last.starts_with("event: error\n") && last.contains("took nothing for 1 s"), "{last}");
}

#[tokio::test]
#[ignore = "needs python"]
async fn a_client_that_closes_its_connection_ends_the_generator() {
    let (running, server) = start(settings()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    let router = server.router();
    tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });

    let mut client = TcpStream::connect(address).await.unwrap();
    let body = r#"{"data": 0.01}"#;
    let head = format!(
        "POST /forever HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    client.write_all(head.as_bytes()).await.unwrap();
    let mut read = vec![0; 4096];
    let mut text = String::new();
    while !text.contains("data: {\"number\":3}") {
        let count =
            timeout(Duration::from_secs(10), client.read(&mut read)).await.unwrap().unwrap();
        assert!(count > 0, "the server ended it: {text}");
        text.push_str(std::str::from_utf8(&read[..count]).unwrap());
    }
    drop(client);
    check_closed(&running, 1).await;
}

#[tokio::test]
#[ignore = "needs python"]
async fn a_server_that_stops_does_not_wait_for_a_generator() {
    let (running, server) = start(settings()).await;
    let mut events = begin(&server, 0.01).await;
    let start = Instant::now();
    let (last, ()) = tokio::join!(
        async {
            let mut last = String::new();
            while let Some(Ok(event)) = events.next().await {
                last = String::from_utf8(event.to_vec()).unwrap();
            }
            last
        },
        running.worker.shutdown(),
    );
    assert!(last.contains("the server is being stopped"), "{last}");
    assert!(start.elapsed() < Duration::from_secs(8), "it took {:?}", start.elapsed());
}

//! `POST /<method>` with `Accept: text/event-stream`: what a Python generator yields, as server-sent events.
//!
//! Each piece is an event with JSON in `data`. The last event is `done`, or `error` where the answer broke off; an
//! answer that ends with neither was cut on the way. Who leaves before takes the call back.

use std::{convert::Infallible, time::Instant};

use axum::{
    body::Body,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};
use serde_json::Value;
use wharf_spec::model::Method;

use super::call::Called;
use crate::{
    problem::Problem,
    runtime::{Worker, events::Event},
    schema::{answer, body::Inputs},
};

/// Says whether a request asks for events.
pub(super) fn wanted(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|kinds| kinds.to_str().ok());
    accepted.flat_map(|kinds| kinds.split(',')).any(|kind| {
        let name = kind.split(';').next().unwrap_or_default();
        name.trim().eq_ignore_ascii_case("text/event-stream")
    })
}

/// Answers a call with events.
pub(super) async fn respond(
    worker: &dyn Worker,
    method: &Method,
    inputs: Inputs,
) -> Result<Response, Problem> {
    let (rows, started) = (inputs.rows, Instant::now());
    let mut events = worker.stream(method, inputs.values).await?;
    // Before the first piece, a failure still has a status of its own.
    let first = match events.next().await {
        Event::Failed(error) => return Err(error.into()),
        first => first,
    };
    let called = Called { rows, model: started.elapsed() };

    let goes_on = |event: &Event| matches!(event, Event::Piece(_));
    let rest = goes_on(&first).then_some(events);
    let rest = stream::unfold(rest, move |events| async move {
        let mut events = events?;
        let event = events.next().await;
        let rest = goes_on(&event).then_some(events);
        Some((event, rest))
    });
    let written = stream::iter([first]).chain(rest).map(|event| Ok::<_, Infallible>(write(event)));
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        // nginx would keep the pieces until it has many.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    let mut response = (headers, Body::from_stream(written)).into_response();
    response.extensions_mut().insert(called);
    Ok(response)
}

/// Writes an event. JSON as it is written here has no line breaks, so it is one line of `data`.
fn write(event: Event) -> Vec<u8> {
    let (head, data) = match event {
        Event::Piece(payload) => ("data: ", answer::json(&payload)),
        Event::Done => ("event: done\ndata: ", b"{}".to_vec()),
        Event::Failed(error) => {
            let fields = Value::Object(Problem::from(error).into_fields());
            ("event: error\ndata: ", fields.to_string().into_bytes())
        }
    };
    [head.as_bytes(), &data, b"\n\n"].concat()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::runtime::{CallError, Payload};

    fn check(event: Event, expect: &str) {
        assert_eq!(String::from_utf8(write(event)).unwrap(), expect);
    }

    #[test]
    fn an_event_is_one_line_of_json() {
        let piece = |value| Event::Piece(Payload::Json(value));
        check(piece(json!("a\r\n\nb")), "data: \"a\\r\\n\\nb\"\n\n");
        check(piece(json!({ "a": [1, 0.5] })), "data: {\"a\":[1,0.5]}\n\n");
        check(Event::Piece(Payload::Binary("é".into())), "data: \"é\"\n\n");
        check(Event::Done, "event: done\ndata: {}\n\n");
        let raised = CallError::Raised { class: "ValueError".to_owned(), text: "no\n".to_owned() };
        let expect = "event: error\ndata: {\"error\":\"ValueError: no\\n\"}\n\n";
        check(Event::Failed(raised), expect);
    }

    #[test]
    fn events_are_asked_for_by_their_name() {
        let wanted = |accept: &'static str| {
            wanted(&HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]))
        };
        assert!(wanted("text/event-stream"));
        assert!(wanted("application/json;q=0.5, Text/Event-Stream; q=1"));
        assert!(!wanted("*/*"));
        assert!(!wanted("text/html, text/*"));
    }
}

//! `POST /<method>`: body → inputs → model → answer.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    body::{Body, HttpBody},
    extract::{DefaultBodyLimit, FromRequest, Multipart, Request},
    http::{HeaderMap, HeaderValue, header, request::Parts},
    response::{IntoResponse, Response},
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use tokio::{task, time};
use wharf_spec::model::Method;

use super::events;
use crate::{
    app::App,
    problem::Problem,
    runtime::{CallError, Loaded, Native, Payload, weight},
    schema::{
        answer::{self, Written},
        body::{BodyReader, Inputs},
    },
};

/// Largest body.
pub(crate) const MAX_BODY: usize = 32 << 20;

/// Time for a body to arrive, and the rate that must be kept beyond it.
const BODY_TIME: Duration = Duration::from_secs(30);
const BODY_BYTES_PER_SEC: u64 = 1_000;

/// A body beyond this takes a millisecond to read, and is read where it is in nobody's way.
const LONG_BODY: usize = 256 << 10;

/// What the log wants to know of a call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Called {
    pub(crate) rows: usize,
    pub(crate) model: Duration,
}

/// Handles a call of the method at this place of the card.
pub(crate) async fn call(
    app: Arc<App>,
    index: usize,
    request: Request,
) -> Result<Response, Problem> {
    let model = callable(&app)?;
    let (parts, body) = request.into_parts();
    let wants_events = events::wanted(&parts.headers);
    let body = read_body(&parts.headers, body).await?;
    let inputs = read_inputs(&app, index, parts, body).await?;
    if let (Loaded::Worker(worker), true) = (model, wants_events) {
        return events::respond(worker.as_ref(), app.method(index), inputs).await;
    }
    let (rows, started) = (inputs.rows, Instant::now());
    let payload = answer(&app, model, index, inputs).await?;
    let called = Called { rows, model: started.elapsed() };

    let mut response = respond(payload, app.method(index));
    response.extensions_mut().insert(called);
    Ok(response)
}

/// Returns the model, if a call has a chance to be answered: a request that has none is not read.
pub(super) fn callable(app: &App) -> Result<&Loaded, CallError> {
    let not_yet = |why: &str| CallError::Unavailable(why.to_owned());
    let model = app.readiness.model().map_err(not_yet)?;
    if let Loaded::Worker(worker) = model {
        worker.admits()?;
    }
    Ok(model)
}

/// Lets the model answer; long native calls wait for a core of their own.
pub(crate) async fn answer(
    app: &Arc<App>,
    model: &Loaded,
    index: usize,
    inputs: Inputs,
) -> Result<Payload, CallError> {
    match model {
        Loaded::Worker(worker) => worker.call(app.method(index), inputs.values).await,
        Loaded::Native(native) if app.is_long(inputs.rows) => {
            let permit = app.gate.pass(weight::of_inputs(&inputs.values)).await?;
            let (app, native) = (Arc::clone(app), Arc::clone(native));
            let computed = task::spawn_blocking(move || {
                // Held until the work is done, even when the client has left meanwhile.
                let _permit = permit;
                evaluate(native.as_ref(), app.method(index), inputs)
            });
            computed.await.unwrap_or_else(|_| Err(broken()))
        }
        Loaded::Native(native) => evaluate(native.as_ref(), app.method(index), inputs),
    }
}

fn evaluate(native: &dyn Native, method: &Method, inputs: Inputs) -> Result<Payload, CallError> {
    // The model is only read, so a panic leaves nothing half changed.
    catch_unwind(AssertUnwindSafe(|| native.call(method, inputs.values)))
        .unwrap_or_else(|_| Err(broken()))
}

fn broken() -> CallError {
    CallError::Internal("the model's evaluation broke off".to_owned())
}

/// Reads a body whole, under the limits of size and time.
pub(super) async fn read_body(headers: &HeaderMap, mut body: Body) -> Result<Bytes, Problem> {
    let declared = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > MAX_BODY as u64) {
        return Err(Problem::too_large(MAX_BODY));
    }
    let started = time::Instant::now();
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    loop {
        let received = first.len() + rest.len();
        let allowed = BODY_TIME + Duration::from_secs(received as u64 / BODY_BYTES_PER_SEC);
        let frame = time::timeout_at(started + allowed, body.frame())
            .await
            .map_err(|_| Problem::too_slow())?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|_| Problem::broken_body("the body broke off"))?;
        // Trailers say nothing that we need.
        let Ok(data) = frame.into_data() else { continue };
        if received + data.len() > MAX_BODY {
            return Err(Problem::too_large(MAX_BODY));
        }
        // A small body comes in one piece and is taken as it is.
        if received == 0 {
            first = data;
        } else {
            if rest.is_empty() {
                rest.reserve(first.len() + data.len());
                rest.extend_from_slice(&first);
                first = Bytes::new();
            }
            rest.extend_from_slice(&data);
        }
        if body.is_end_stream() {
            break;
        }
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

async fn read_inputs(
    app: &Arc<App>,
    index: usize,
    parts: Parts,
    body: Bytes,
) -> Result<Inputs, Problem> {
    let (reader, length) = (&app.readers[index], body.len());
    let form = parts
        .headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"multipart/form-data"));
    match (reader.takes_file(), form) {
        (true, true) => read_file(parts, body).await.map(BodyReader::file),
        (true, false) => Ok(BodyReader::file(body)),
        (false, _) => {
            let app_there = Arc::clone(app);
            let read = move || app_there.readers[index].read(&body);
            let read = where_it_fits(length, read).await?;
            read.map_err(|wrong| Problem::wrong_input(&wrong, app.card.compat))
        }
    }
}

/// Reads a body of this length where it is in nobody's way.
pub(super) async fn where_it_fits<T: Send + 'static>(
    length: usize,
    read: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    if length <= LONG_BODY {
        return Ok(read());
    }
    let read = task::spawn_blocking(read).await;
    read.map_err(|_| Problem::bug("the body could not be read"))
}

/// Takes the part named `file` out of a form.
async fn read_file(parts: Parts, body: Bytes) -> Result<Bytes, Problem> {
    let mut request = Request::from_parts(parts, Body::from(body));
    // The body is here already, and was counted when it came.
    DefaultBodyLimit::disable().apply(&mut request);
    let unreadable = |why: String| Problem::no_file(format!("the form cannot be read: {why}"));
    let mut form = Multipart::from_request(request, &())
        .await
        .map_err(|error| unreadable(error.body_text()))?;
    while let Some(part) = form.next_field().await.map_err(|error| unreadable(error.body_text()))? {
        if part.name() == Some("file") {
            return part.bytes().await.map_err(|error| unreadable(error.body_text()));
        }
    }
    Err(Problem::no_file("the form has no part named `file`"))
}

fn respond(payload: Payload, method: &Method) -> Response {
    let (kind, body) = match answer::write(payload, &method.returns) {
        Written::Json(json) => ("application/json", Body::from(json)),
        Written::Bytes(bytes) => ("application/octet-stream", Body::from(bytes)),
    };
    ([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], body).into_response()
}

//! `/openapi.json`: the API in OpenAPI 3.1, with an example for every body.

use serde_json::{Map, Value, json};
use wharf_spec::{
    data_type::DataType,
    model::{Method, ModelCard, RuntimeKind},
};

use crate::schema::{json_schema, sample};

/// Returns the document.
pub(crate) fn document(card: &ModelCard) -> Value {
    let mut paths: Map<String, Value> = card
        .methods
        .iter()
        .map(|method| {
            (format!("/{}", method.name), json!({ "post": operation(method, card.runtime) }))
        })
        .collect();
    for (path, summary) in [
        ("/interface.json", "The methods, in MLEM's form"),
        ("/openapi.json", "This document"),
        ("/healthz", "Whether the process lives"),
        (
            "/readyz",
            "Whether the model is loaded and answers; 503 with the reason while it does not",
        ),
    ] {
        let get = json!({ "summary": summary, "responses": { "200": plain("It does") } });
        let get = if path == "/readyz" { with_503(get) } else { get };
        paths.insert(path.to_owned(), json!({ "get": get }));
    }
    let figures =
        json!({ "description": "Prometheus' text format", "content": { "text/plain": {} } });
    let get = json!({ "summary": "Figures for monitoring", "responses": { "200": figures } });
    paths.insert("/metrics".to_owned(), json!({ "get": get }));
    paths.extend(protocol_v2(card));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": card.name,
            "version": env!("CARGO_PKG_VERSION"),
            "summary": format!("A {} model", card.kind),
        },
        "paths": paths,
        "components": { "schemas": { "Error": error_schema() } },
    })
}

/// Describes the routes of the Open Inference Protocol that answer; its own page describes the tensors.
fn protocol_v2(card: &ModelCard) -> impl Iterator<Item = (String, Value)> {
    let model = format!("/v2/models/{}", card.name);
    let get = |path: String, summary: &str, answers_json: bool| {
        let good =
            if answers_json { plain("It does") } else { json!({ "description": "It does" }) };
        let get = json!({ "summary": summary, "responses": { "200": good } });
        let waits = path.ends_with("/ready");
        (path, json!({ "get": if waits { with_503(get) } else { get } }))
    };
    let object = json!({ "type": "object" });
    let mut infer = json!({
        "summary": "Calls the methods with tensors, by the Open Inference Protocol",
        "requestBody": { "required": true, "content": {
            "application/json": { "schema": object },
            "application/octet-stream": {},
        } },
        "responses": { "200": { "description": "The outputs as tensors", "content": {
            "application/json": { "schema": object },
            "application/octet-stream": {},
        } } },
    });
    for (status, description) in [
        ("400", "The request does not fit the model's inputs and outputs"),
        ("413", "The body is too large"),
        ("415", "The body is compressed"),
        ("500", "The model raised an error"),
        ("503", "The model is not ready, or has too much to do"),
    ] {
        infer["responses"][status] = problem(description);
    }
    [
        get("/v2".to_owned(), "The server and its extensions", true),
        get("/v2/health/live".to_owned(), "Whether the process lives", false),
        get("/v2/health/ready".to_owned(), "Whether the model answers", false),
        get(model.clone(), "The model's inputs and outputs", true),
        get(format!("{model}/ready"), "Whether the model answers", false),
        get(format!("{model}/config"), "The model's configuration, as Triton writes it", true),
        (format!("{model}/infer"), json!({ "post": infer })),
    ]
    .into_iter()
}

fn operation(method: &Method, runtime: RuntimeKind) -> Value {
    let binary = |data_type: &DataType| matches!(data_type, DataType::Binary(_));
    let content = if method.args.iter().any(|argument| binary(&argument.data_type)) {
        let file = json!({ "type": "string", "format": "binary" });
        let schema =
            json!({ "type": "object", "properties": { "file": file }, "required": ["file"] });
        json!({ "multipart/form-data": { "schema": schema } })
    } else {
        let schema = json_schema::of_body(method);
        json!({ "application/json": { "schema": schema, "example": sample::body(method) } })
    };
    let mut answer = if binary(&method.returns) {
        json!({ "application/octet-stream": {} })
    } else {
        json!({ "application/json": { "schema": json_schema::of_answer(method) } })
    };
    if !runtime.is_native() {
        let about = "One event for each piece of the answer, then `done` or `error`";
        let schema = json!({ "type": "string", "description": about });
        answer["text/event-stream"] = json!({ "schema": schema });
    }
    let mut responses = json!({ "200": { "description": "The answer", "content": answer } });
    for (status, description) in [
        ("400", "The model raised an error"),
        ("403", "A request of another site"),
        ("413", "The body is too large"),
        ("422", "The input does not fit the signature; `field` says where"),
        ("502", "The model's process ended during the request"),
        ("503", "The model is not ready, or has too much to do"),
        ("504", "The model took too long"),
    ] {
        responses[status] = problem(description);
    }
    json!({
        "operationId": method.name,
        "summary": format!("Calls `{}`", method.name),
        "requestBody": { "required": true, "content": content },
        "responses": responses,
    })
}

fn with_503(mut get: Value) -> Value {
    get["responses"]["503"] = plain("Not yet, or not any more");
    get
}

fn plain(description: &str) -> Value {
    let schema = json!({ "type": "object" });
    json!({ "description": description, "content": { "application/json": { "schema": schema } } })
}

fn problem(description: &str) -> Value {
    let schema = json!({ "$ref": "#/components/schemas/Error" });
    json!({ "description": description, "content": { "application/json": { "schema": schema } } })
}

fn error_schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "error": { "type": "string", "description": "Class and text" },
            "detail": { "description": "The same for programs: a list of {loc, msg, type}, or text" },
            "field": { "type": "string", "description": "Where in the body: `data[3][2]`" },
            "hint": { "type": "string", "description": "What to do about it" },
            "request_id": { "type": "string" },
        },
        "required": ["error"],
        "examples": [{
            "error": "DeserializationError: given array is of rank: 1, expected: 2",
            "field": "data",
        }],
    })
}

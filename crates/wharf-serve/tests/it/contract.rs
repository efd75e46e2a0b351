//! MLEM's contract: what its client asks and how it is answered.

use axum::{
    body::Body,
    http::{Method, StatusCode},
};
use serde_json::{Value, json};
use wharf_model::recognise;

use crate::support::{Server, card, data, json_file, request};

fn iris() -> Value {
    json!({ "data_type": { "type": "ndarray", "shape": [null, 4], "dtype": "float64" } })
}

fn text() -> Value {
    json!({ "data_type": { "type": "primitive", "ptype": "str" } })
}

/// MLEM mixed up the methods of XGBoost's classes, called the one argument of torch optional, and sent arrays as files
/// where a model asked for that. XGBoost's old binary form is not served.
const DIFFERENT: [&str; 3] = ["xgboost", "torch", "file-ndarray"];

/// Folders of models that MLEM served, with what its server said of them.
fn served_models() -> Vec<std::path::PathBuf> {
    let sets = ["today", "y2023", "torch1"].map(|set| data().join("mlem").join(set));
    let models = sets.iter().flat_map(|set| std::fs::read_dir(set).unwrap());
    let models: Vec<_> = models
        .map(|entry| entry.unwrap().path())
        .filter(|folder| folder.join("interface.standardize.json").exists())
        .collect();
    assert!(models.len() >= 5, "only {} models are there", models.len());
    models
}

#[tokio::test]
async fn interfaces_are_those_that_mlems_server_gave() {
    for folder in served_models() {
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        if DIFFERENT.iter().any(|different| name.starts_with(different)) {
            continue;
        }
        let model = recognise::recognise(&folder.join("model.mlem")).unwrap();
        let mut ours = Server::of_card(model.card).get("/interface.json").await.json();
        let mut theirs = json_file(&folder.join("interface.standardize.json"));
        for document in [&mut ours, &mut theirs] {
            document.as_object_mut().unwrap().remove("version");
        }
        // A model may have more methods under their own names beside the ones that MLEM showed.
        let shown: Vec<String> = theirs["methods"].as_object().unwrap().keys().cloned().collect();
        ours["methods"].as_object_mut().unwrap().retain(|name, _| shown.contains(name));
        assert_eq!(ours, theirs, "{name}");
    }
}

#[tokio::test]
async fn good_calls_are_answered_with_the_bare_value() {
    let answer = Server::of_argument(&iris()).predict(&json!([[5.1, 3.5, 1, 0.2]])).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.text(), "[[5.1,3.5,1.0,0.2]]");
}

#[tokio::test]
async fn extra_keys_are_ignored() {
    let server = Server::of_argument(&iris());
    let body = r#"{"zzz": 1, "data": [[1, 2, 3, 4]]}"#;
    assert_eq!(server.post("/predict", body).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_body_is_json_whatever_its_content_type_says() {
    let server = Server::of_argument(&text());
    for kind in ["application/json", "text/plain", "application/x-www-form-urlencoded", "x"] {
        let headers = [("content-type", kind)];
        let body = Body::from(r#"{"data": "a"}"#);
        let answer = server.send(request(Method::POST, "/predict", &headers, body)).await;
        assert_eq!((answer.status, answer.text().as_str()), (StatusCode::OK, "\"a\""), "{kind}");
    }
    let body = Body::from(r#"{"data": "a"}"#);
    let answer = server.send(request(Method::POST, "/predict", &[], body)).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn a_wrong_input_names_the_field() {
    let server = Server::of_argument(&iris());
    let answer = server.predict(&json!([[1, 2, 3, 4], [1, "x", 3, 4]])).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let body = answer.json();
    assert_eq!(body["field"], "data[1][1]");
    assert_eq!(body["detail"][0]["loc"], json!(["body", "data", 1, 1]));
    assert_eq!(body["request_id"], answer.header("x-request-id"));
    let answer = server.post("/predict", "{}").await;
    assert_eq!(answer.json()["error"], "KeyError: 'data'");
}

#[tokio::test]
async fn mlems_statuses_come_back_where_asked_for() {
    let mut card = card(&iris());
    card.compat = wharf_spec::model::Compat::Mlem;
    let server = Server::of_card(card);
    assert_eq!(server.predict(&json!([1])).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(server.post("/predict", "{}").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(server.post("/predict", "x").await.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_model_that_raises_is_400_with_class_and_text() {
    let answer = Server::of_argument(&text()).predict(&json!("raise")).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.json()["error"], "ValueError: no such thing");
}

#[tokio::test]
async fn a_model_that_panics_is_500_and_the_server_goes_on() {
    let server = Server::of_argument(&text());
    let answer = server.predict(&json!("panic")).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(answer.json()["error"].is_string());
    assert_eq!(server.predict(&json!("b")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_json_too() {
    let server = Server::of_argument(&text());
    let answer = server.get("/nothing").await;
    assert_eq!(
        (answer.status, &answer.json()["detail"]),
        (StatusCode::NOT_FOUND, &json!("Not Found"))
    );
    let answer = server.get("/predict").await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer.header("allow"), "POST");
    assert!(answer.json()["error"].is_string());
}

#[tokio::test]
async fn files_come_as_a_form_and_go_as_bytes() {
    let server = Server::of_argument(&json!({ "data_type": { "type": "binary" } }));
    let form = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\n\u{0}abc\r\n--b--\r\n";
    let headers = [("content-type", "multipart/form-data; boundary=b")];
    let answer = server.send(request(Method::POST, "/predict", &headers, Body::from(form))).await;
    assert_eq!(answer.header("content-type"), "application/octet-stream");
    assert_eq!(answer.body, b"\0abc");
    let other = form.replace("\"file\"", "\"other\"");
    let answer = server.send(request(Method::POST, "/predict", &headers, Body::from(other))).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let headers = [("content-type", "multipart/form-data")];
    let answer = server.send(request(Method::POST, "/predict", &headers, Body::from(form))).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_request_keeps_its_number() {
    let server = Server::of_argument(&text());
    let headers = [("x-request-id", "trace-7")];
    let answer = server.send(request(Method::GET, "/healthz", &headers, Body::empty())).await;
    assert_eq!(answer.header("x-request-id"), "trace-7");
    assert_eq!(server.get("/healthz").await.header("x-request-id").len(), 16);
}

#[tokio::test]
async fn a_ready_model_says_so() {
    let server = Server::of_argument(&text());
    assert_eq!(server.get("/readyz").await.json(), json!({ "status": "ready" }));
    assert_eq!(server.get("/healthz").await.json(), json!({ "status": "ok" }));
}

#[tokio::test]
async fn the_api_document_has_an_example_that_works() {
    let server = Server::of_argument(&iris());
    let document = server.get("/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let body = &document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"];
    let answer = server.post("/predict", body["example"].to_string()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
}

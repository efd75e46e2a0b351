//! The Open Inference Protocol over REST: what a client is told, and the same answers as on the model's own routes.

use axum::{
    body::Body,
    http::{Method, StatusCode},
};
use serde_json::{Value, json};

use crate::support::{Answer, Server, data, request};

const JSON_LENGTH: &str = "inference-header-content-length";

fn iris() -> Server {
    Server::of_model(&data().join("trees/xgb_iris.json"))
}

fn rows() -> Value {
    json!([[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]])
}

/// An echo of a table with these columns.
fn table() -> Server {
    Server::of_argument(&json!({ "data_type": {
        "type": "dataframe",
        "columns": ["age", "income", "city", "ok"],
        "dtypes": ["int64", "float64", "object", "bool"],
    } }))
}

/// Sends JSON and the bytes behind it.
async fn infer(server: &Server, path: &str, body: &Value, binary: &[u8]) -> Answer {
    let json = body.to_string();
    let length = json.len().to_string();
    let headers = if binary.is_empty() { vec![] } else { vec![(JSON_LENGTH, length.as_str())] };
    let body = Body::from([json.as_bytes(), binary].concat());
    server.send(request(Method::POST, path, &headers, body)).await
}

async fn check_refused(body: &Value, binary: &[u8], status: StatusCode, expect: &str) {
    let answer = infer(&iris(), "/v2/models/xgb-iris/infer", body, binary).await;
    assert_eq!(answer.status, status, "{}", answer.text());
    let error = answer.json()["error"].as_str().unwrap().to_owned();
    assert!(error.contains(expect), "{error}");
}

#[tokio::test]
async fn the_server_and_its_model_are_described() {
    let server = iris();
    for path in ["/v2/health/live", "/v2/health/ready", "/v2/models/xgb-iris/ready"] {
        assert_eq!(server.get(path).await.status, StatusCode::OK, "{path}");
    }
    let extensions = server.get("/v2").await.json()["extensions"].clone();
    assert!(extensions.as_array().unwrap().contains(&json!("binary_tensor_data")));
    let model = server.get("/v2/models/xgb-iris/versions/1").await.json();
    let expect = json!({
        "name": "xgb-iris",
        "versions": ["1"],
        "platform": "wharf_xgboost",
        "inputs": [{ "name": "data", "datatype": "FP64", "shape": [-1, 4], "parameters": { "missing": true } }],
        "outputs": [
            { "name": "predict", "datatype": "INT64", "shape": [-1] },
            { "name": "predict_proba", "datatype": "FP32", "shape": [-1, 3] },
        ],
    });
    assert_eq!(model, expect);
    let config = server.get("/v2/models/xgb-iris/config").await.json();
    assert_eq!(config["input"], json!([{ "name": "data", "data_type": "TYPE_FP64", "dims": [4] }]));
    assert_eq!(config["output"][0]["dims"], json!([1]));
    let index = infer(&server, "/v2/repository/index", &json!({}), b"").await.json();
    assert_eq!(index[0]["state"], "READY");
}

#[tokio::test]
async fn json_and_binary_answer_as_the_methods_do() {
    let server = iris();
    let labels = server.predict(&rows()).await.json();
    let body = json!({ "data": rows() }).to_string();
    let shares: Vec<f64> = server
        .post("/predict_proba", body)
        .await
        .json()
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|row| row.as_array().unwrap().clone())
        .map(|share| share.as_f64().unwrap())
        .collect();

    let body = json!({ "id": "7", "inputs": [{ "name": "data", "shape": [2, 4], "datatype": "FP64", "data": rows() }] });
    let answer = infer(&server, "/v2/models/xgb-iris/infer", &body, b"").await.json();
    assert_eq!((&answer["model_name"], &answer["id"]), (&json!("xgb-iris"), &json!("7")));
    assert_eq!(answer["outputs"][0]["data"], labels);
    assert_eq!(answer["outputs"][1]["shape"], json!([2, 3]));
    assert_eq!(answer["outputs"][1]["data"], json!(shares));

    let numbers: Vec<u8> = rows()
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|row| row.as_array().unwrap().clone())
        .flat_map(|number| number.as_f64().unwrap().to_le_bytes())
        .collect();
    let body = json!({
        "inputs": [{ "name": "data", "shape": [2, 4], "datatype": "FP64", "parameters": { "binary_data_size": 64 } }],
        "outputs": [{ "name": "predict_proba", "parameters": { "binary_data": true } }, { "name": "predict" }],
    });
    let answer = infer(&server, "/v2/models/xgb-iris/versions/1/infer", &body, &numbers).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let (json, binary) = answer.body.split_at(answer.header(JSON_LENGTH).parse().unwrap());
    let json: Value = serde_json::from_slice(json).unwrap();
    assert_eq!(json["outputs"][0]["parameters"]["binary_data_size"], 24);
    assert_eq!(json["outputs"][1]["data"], labels);
    let read = binary.as_chunks().0.iter().map(|chunk| f32::from_le_bytes(*chunk));
    assert!(read.eq(shares.iter().map(|share| *share as f32)), "{answer:?}");
}

#[tokio::test]
async fn a_table_is_a_tensor_for_each_column() {
    let text = |text: &str| [&(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat();
    let cities = [text("Oslo"), text("")].concat();
    let body = json!({
        "inputs": [
            { "name": "ok", "shape": [2], "datatype": "BOOL", "data": [true, false] },
            { "name": "city", "shape": [2, 1], "datatype": "BYTES", "parameters": { "binary_data_size": cities.len() } },
            { "name": "age", "shape": [2], "datatype": "INT32", "data": [20, 30] },
            { "name": "income", "shape": [2, 1], "datatype": "INT64", "data": [1, 9_007_199_254_740_993_i64] },
        ],
        "outputs": [{ "name": "predict.age" }, { "name": "predict.city" }, { "name": "predict.income" }],
    });
    let answer = infer(&table(), "/v2/models/echo/infer", &body, &cities).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let outputs = answer.json()["outputs"].clone();
    let expect = json!([
        { "name": "predict.age", "datatype": "INT64", "shape": [2], "data": [20, 30] },
        { "name": "predict.city", "datatype": "BYTES", "shape": [2], "data": ["Oslo", ""] },
        { "name": "predict.income", "datatype": "FP64", "shape": [2], "data": [1.0, 9_007_199_254_740_992.0] },
    ]);
    assert_eq!(outputs, expect);
}

#[tokio::test]
async fn what_is_no_array_travels_as_json_in_a_text() {
    let server = Server::of_argument(&json!({ "data_type": { "type": "unspecified" } }));
    let body = |text: &str| json!({ "inputs": [{ "name": "data", "shape": [1], "datatype": "BYTES", "data": [text] }] });
    let answer =
        infer(&server, "/v2/models/echo/infer", &body("{\"a\":[1,null]}"), b"").await.json();
    assert_eq!(answer["outputs"][0]["data"], json!(["{\"a\":[1,null]}"]));
    let answer = infer(&server, "/v2/models/echo/infer", &body("\"raise\""), b"").await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer.json()["error"], "ValueError: no such thing");
    let answer = infer(&server, "/v2/models/echo/infer", &body("{"), b"").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_best_classes_are_named_where_that_is_wanted() {
    let body = json!({
        "inputs": [{ "name": "data", "shape": [1, 4], "datatype": "FP32", "data": [5.0, 3.5, 1.5, 0.25] }],
        "outputs": [{ "name": "predict_proba", "parameters": { "classification": 2 } }],
    });
    let answer = infer(&iris(), "/v2/models/xgb-iris/infer", &body, b"").await.json();
    let output = &answer["outputs"][0];
    assert_eq!((&output["datatype"], &output["shape"]), (&json!("BYTES"), &json!([1, 2])));
    assert!(output["data"][0].as_str().unwrap().ends_with(":0"), "{output}");
}

#[tokio::test]
async fn wrong_requests_are_told_why() {
    let part = |name: &str, datatype: &str, shape: Value, rest: Value| {
        let mut part = json!({ "name": name, "datatype": datatype, "shape": shape });
        part.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        json!({ "inputs": [part] })
    };
    let four = || json!({ "data": [1, 2, 3, 4] });
    for (body, expect) in [
        (json!({ "inputs": [] }), "the input `data` is missing"),
        (part("x", "FP64", json!([1, 4]), four()), "no input `x`; the model takes `data`"),
        (part("data", "FP64", json!([4]), four()), "has shape [4], not (None, 4)"),
        (part("data", "FP64", json!([2, 4]), four()), "the shape has 8 elements, `data` has 4"),
        (
            part("data", "BYTES", json!([1, 4]), json!({ "data": ["a", "b", "c", "d"] })),
            "numbers, not BYTES",
        ),
        (part("data", "FP64", json!([1, 4]), json!({ "data": [1, 2, "x", 4] })), "text is no FP64"),
        (part("data", "FP64", json!([200_000, 0]), json!({ "data": [] })), "not (None, 4)"),
    ] {
        check_refused(&body, b"", StatusCode::BAD_REQUEST, expect).await;
    }
    let binary =
        part("data", "FP64", json!([1, 4]), json!({ "parameters": { "binary_data_size": 32 } }));
    check_refused(
        &binary,
        &[0; 31],
        StatusCode::BAD_REQUEST,
        "32 bytes are announced, 31 are left",
    )
    .await;
}

#[tokio::test]
async fn other_models_and_parts_that_are_left_out_are_errors() {
    let server = iris();
    for (path, expect) in [
        ("/v2/models/other", StatusCode::NOT_FOUND),
        ("/v2/models/xgb-iris/versions/2", StatusCode::NOT_FOUND),
        ("/v2/zzz", StatusCode::NOT_FOUND),
        ("/v2/models/xgb-iris/stats", StatusCode::NOT_IMPLEMENTED),
        ("/v2/systemsharedmemory/status", StatusCode::NOT_IMPLEMENTED),
        ("/v2/models/xgb-iris/infer", StatusCode::METHOD_NOT_ALLOWED),
    ] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, expect, "{path}");
        assert!(answer.json()["error"].is_string(), "{path}");
    }
    let headers = [("content-encoding", "gzip")];
    let answer = server
        .send(request(Method::POST, "/v2/models/xgb-iris/infer", &headers, Body::empty()))
        .await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn the_api_document_names_routes_that_answer() {
    let server = iris();
    let document = server.get("/openapi.json").await.json();
    let paths = document["paths"].as_object().unwrap();
    let paths: Vec<&String> = paths.keys().filter(|path| path.starts_with("/v2")).collect();
    assert_eq!(paths.len(), 7, "{paths:?}");
    for path in paths {
        let wanted =
            if path.ends_with("/infer") { StatusCode::METHOD_NOT_ALLOWED } else { StatusCode::OK };
        assert_eq!(server.get(path).await.status, wanted, "{path}");
    }
}

#[tokio::test]
async fn a_request_with_wrong_bytes_is_answered_or_refused() {
    let json = json!({
        "inputs": [
            { "name": "ok", "shape": [2], "datatype": "BOOL", "parameters": { "binary_data_size": 2 } },
            { "name": "city", "shape": [2], "datatype": "BYTES", "parameters": { "binary_data_size": 12 } },
            { "name": "age", "shape": [2], "datatype": "INT64", "data": [20, 30] },
            { "name": "income", "shape": [2, 1], "datatype": "FP64", "data": [[1.5], [2.5]] },
        ],
        "parameters": { "binary_data_output": true },
    });
    let json = json.to_string();
    let whole = [json.as_bytes(), &[1, 0], &[3, 0, 0, 0], b"abc", &[1, 0, 0, 0], b"d"].concat();
    let (server, length) = (table(), json.len().to_string());
    for place in 0..whole.len() {
        for byte in [0, b'9', b'"', 0xff] {
            let mut bytes = whole.clone();
            bytes[place] = byte;
            if byte == 0 {
                bytes.truncate(place);
            }
            let headers = [(JSON_LENGTH, length.as_str())];
            let path = "/v2/models/echo/infer";
            let answer =
                server.send(request(Method::POST, path, &headers, Body::from(bytes))).await;
            let known = [StatusCode::OK, StatusCode::BAD_REQUEST].contains(&answer.status);
            assert!(known, "{place}: {} {}", answer.status, answer.text());
        }
    }
}

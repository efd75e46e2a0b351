//! Models that Rust runs, asked over HTTP: the same answers as from the original libraries.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Server, data, json_file};

/// Asks for all rows of a file with answers, and compares bit for bit at the width of the library.
async fn check_trees(file: &str, f32_wide: bool) {
    let folder = data().join("trees");
    let server = Server::of_model(&folder.join(file));
    let name = file.split('.').next().unwrap();
    let expect = json_file(&folder.join(format!("{name}.answers.json")));
    let has_proba =
        server.get("/interface.json").await.json()["methods"]["predict_proba"].is_object();
    let route = if has_proba { "/predict_proba" } else { "/predict" };
    let answer = server.post(route, json!({ "data": expect["X"] }).to_string()).await;
    assert_eq!(answer.status, StatusCode::OK, "{file}: {}", answer.text());
    let answer = answer.json();
    for (row, (ours, theirs)) in rows(&answer).zip(rows(&expect["prob"])).enumerate() {
        // Of two classes the library gives the second one's probability.
        let ours = if ours.len() == 2 && theirs.len() == 1 { &ours[1..] } else { &ours[..] };
        for (ours, theirs) in ours.iter().zip(&theirs) {
            let same = if f32_wide {
                (*ours as f32).to_bits() == (*theirs as f32).to_bits()
            } else {
                ours.to_bits() == theirs.to_bits()
            };
            assert!(same, "{file} row {row}: {ours} is not {theirs}");
        }
    }
}

/// Rows of numbers; a bare number is a row of one.
fn rows(value: &Value) -> impl Iterator<Item = Vec<f64>> {
    value.as_array().unwrap().iter().map(|row| match row {
        Value::Array(cells) => cells.iter().map(|cell| cell.as_f64().unwrap()).collect(),
        cell => vec![cell.as_f64().unwrap()],
    })
}

#[tokio::test]
async fn xgboost_answers_bit_for_bit() {
    for file in ["xgb_iris.json", "xgb_bc.ubj", "xgb_diab.json"] {
        check_trees(file, true).await;
    }
}

#[tokio::test]
async fn lightgbm_answers_bit_for_bit() {
    for file in ["lgb_iris.txt", "lgb_bc_nan.txt", "lgb_diab.txt"] {
        check_trees(file, false).await;
    }
}

#[tokio::test]
async fn categories_are_asked_for_by_name() {
    for file in ["xgb_gbtree.ubj", "lgb.txt"] {
        let folder = data().join("frames");
        let server = Server::of_model(&folder.join(file));
        let stem = file.split('.').next().unwrap();
        let expect = json_file(&folder.join(format!("{stem}.answers.json")));
        let table = |rows: &Value| {
            let row = |row: &Value| json!({ "color": row[0], "size": row[1], "year": row[2] });
            json!({ "values": rows.as_array().unwrap().iter().map(row).collect::<Vec<_>>() })
        };
        let answer = server.predict(&table(&expect["X"])).await;
        assert_eq!(answer.status, StatusCode::OK, "{file}: {}", answer.text());
        for (ours, theirs) in rows(&answer.json()).zip(rows(&expect["prob"])) {
            assert_eq!(ours[0] as f32, theirs[0] as f32, "{file}");
        }
    }
    let server = Server::of_model(&data().join("frames/xgb_gbtree.json"));
    let row = json!({ "values": [{ "color": "purple", "size": 0.5, "year": 2001 }] });
    let answer = server.predict(&row).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.text().contains("`color`"), "{}", answer.text());
}

#[tokio::test]
async fn a_classifier_gives_classes_and_their_probabilities() {
    let server = Server::of_model(&data().join("trees/xgb_iris.json"));
    let answer = server.predict(&json!([[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]])).await;
    assert_eq!(answer.text(), "[0,2]");
    let body = json!({ "data": [[5.1, 3.5, 1.4, 0.2]] }).to_string();
    let rows = server.post("/predict_proba", body).await.json();
    let sum: f64 = rows[0].as_array().unwrap().iter().map(|share| share.as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-5, "{rows}");
}

#[tokio::test]
async fn one_row_and_many_rows_have_equal_answers() {
    let server = Server::of_model(&data().join("trees/xgb_iris.json"));
    let row = json!([5.9, 3.0, 5.1, 1.8]);
    let one = server.predict(&json!([row])).await.json()[0].clone();
    let many = server.predict(&Value::Array(vec![row; 1_000])).await.json();
    assert_eq!(many, Value::Array(vec![one; 1_000]));
}

#[tokio::test]
async fn trees_take_missing_values() {
    let server = Server::of_model(&data().join("trees/xgb_iris.json"));
    let answer = server.predict(&json!([[null, 3.0, 5.1, 1.8]])).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let answer = server.post("/predict", r#"{"data": [[NaN, 3.0, 5.1, 1.8]]}"#).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.json()["hint"].as_str().unwrap().contains("null"));
}

#[tokio::test]
async fn classic_onnx_models_answer_as_onnxruntime_did() {
    for name in ["logreg", "strlabels", "rf", "scale_lr"] {
        check_onnx(name, name).await;
    }
}

#[tokio::test]
async fn networks_answer_as_onnxruntime_did() {
    check_onnx("torch_cnn_legacy", "torch_cnn").await;
    check_onnx("torch_cnn_dynamo", "torch_cnn").await;
}

async fn check_onnx(name: &str, answers: &str) {
    let folder = data().join("onnx");
    let server = Server::of_model(&folder.join(format!("{name}.onnx")));
    let expect = json_file(&folder.join(format!("{answers}.answers.json")));
    let input = &expect["inputs"][0];
    let body = json!({ "data": nested(input) }).to_string();
    let answer = server.post("/predict", body.clone()).await;
    assert_eq!(answer.status, StatusCode::OK, "{name}: {}", answer.text());
    close(name, &answer.json(), &nested(&expect["outputs"][0]));
    if server.get("/interface.json").await.json()["methods"]["predict_proba"].is_object() {
        let answer = server.post("/predict_proba", body).await.json();
        let table = &expect["outputs"][1];
        if table["data"].is_array() {
            close(name, &answer, &nested(table));
        }
    }
}

/// Flat data with a shape → nested lists.
fn nested(tensor: &Value) -> Value {
    let shape: Vec<usize> =
        tensor["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect();
    let mut items: Vec<Value> = tensor["data"].as_array().unwrap().clone();
    for size in shape.iter().skip(1).rev() {
        items = items.chunks(*size).map(|chunk| Value::Array(chunk.to_vec())).collect();
    }
    Value::Array(items)
}

fn close(name: &str, ours: &Value, theirs: &Value) {
    match (ours, theirs) {
        (Value::Array(ours), Value::Array(theirs)) => {
            assert_eq!(ours.len(), theirs.len(), "{name}");
            ours.iter().zip(theirs).for_each(|(ours, theirs)| close(name, ours, theirs));
        }
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            assert!((a - b).abs() <= 1e-5 * b.abs().max(1.0), "{name}: {a} is not {b}");
        }
        _ => assert_eq!(ours, theirs, "{name}"),
    }
}

#[tokio::test]
async fn mlem_boosters_answer_what_mlem_answered() {
    for model in ["today/lightgbm-booster-ndarray", "y2023/catboost-classifier-ndarray"] {
        let folder = data().join("mlem").join(model);
        let server = Server::of_model(&folder.join("model.mlem"));
        let cases = json_file(&folder.join("cases.json"));
        let mut asked = 0;
        for case in cases["serve"]["standardize"]["cases"].as_array().unwrap() {
            let good = case["label"].is_null() && case["response"]["status"] == 200;
            if good {
                let route = format!("/{}", case["method"].as_str().unwrap());
                let answer = server.post(&route, case["request"].to_string()).await;
                assert_eq!(answer.json(), case["response"]["json"], "{model}{route}");
                asked += 1;
            }
        }
        assert!(asked > 0, "{model}");
    }
}

#[tokio::test]
async fn catboost_answers_with_the_names_of_its_file() {
    let folder = data().join("catboost");
    let server = Server::of_model(&folder.join("names.cbm"));
    let expect = json_file(&folder.join("names.answers.json"));
    let labels: Vec<Value> =
        expect["label"].as_array().unwrap().iter().map(|row| row[0].clone()).collect();
    assert_eq!(server.predict(&expect["X"]).await.json(), Value::Array(labels));
    let body = json!({ "data": expect["X"] }).to_string();
    assert_eq!(server.post("/predict_proba", body).await.json(), expect["prob"]);
}

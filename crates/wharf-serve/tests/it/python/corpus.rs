//! Models that MLEM saved, with the original's own answers: every Python kind, through a real interpreter.
//!
//! The interpreter needs the libraries that the models were saved with: scikit-learn 1.9.1, pandas 3.1.1 and so on.

use std::{
    fs,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use wharf_model::{
    recognise::recognise,
    tensor::{Data, Tensor},
};
use wharf_serve::runtime::{Column, Frame, Payload, Values};
use wharf_spec::{data_type::DataType, model::Method};

use super::{Running, settings};

/// One prediction of the original.
#[derive(Debug)]
struct Case {
    method: String,
    args: Vec<Value>,
    result: Value,
}

fn entry(name: &str) -> PathBuf {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wharf-model/tests/data/mlem/today");
    models.join(name)
}

fn cases(name: &str) -> Vec<Case> {
    let text = fs::read_to_string(entry(name).join("cases.json")).unwrap();
    let cases: Value = serde_json::from_str(&text).unwrap();
    let direct = cases["direct"].as_array().unwrap().iter();
    direct
        .filter(|case| case.get("result").is_some())
        .map(|case| Case {
            method: case["method"].as_str().unwrap().to_owned(),
            args: case["args"].as_array().unwrap().clone(),
            result: case["result"].clone(),
        })
        .collect()
}

async fn start(name: &str) -> Running {
    let model = recognise(&entry(name).join("model.mlem")).unwrap();
    let folder = TempDir::new().unwrap();
    model.write_bundle(folder.path()).unwrap();
    Running::start(folder, model.card, settings()).await
}

/// Calls what MLEM's method calls, whatever its route is now.
async fn call(running: &Running, method: &str, args: &[Value]) -> Value {
    let calls = |candidate: &&Method| candidate.steps[0].method == method;
    let method = running.card.methods.iter().find(calls).unwrap();
    let types = method.args.iter().map(|argument| &argument.data_type);
    let mut inputs: Vec<_> =
        args.iter().zip(types).map(|(arg, kind)| Some(payload(arg, kind))).collect();
    inputs.resize_with(method.args.len(), || None);
    to_json(running.worker.call(method, inputs).await.unwrap())
}

/// Every recorded prediction is repeated, to the last digit: the libraries are the same.
async fn check(name: &str) {
    let running = start(name).await;
    let cases = cases(name);
    assert!(!cases.is_empty(), "{name} has no answers");
    for case in cases {
        let answer = call(&running, &case.method, &case.args).await;
        assert!(is_close(&answer, &case.result), "{name}: {answer} instead of {}", case.result);
    }
}

fn is_close(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len()
                && one.iter().zip(other).all(|(one, other)| is_close(one, other))
        }
        (Value::Number(one), Value::Number(other)) if one.is_f64() && other.is_f64() => {
            let (one, other) = (one.as_f64().unwrap(), other.as_f64().unwrap());
            (one - other).abs() <= 1e-9 * other.abs()
        }
        _ => one == other,
    }
}

/// Makes an argument of this type from JSON as MLEM writes it.
fn payload(value: &Value, kind: &DataType) -> Payload {
    match kind {
        DataType::Ndarray(tensor) => Payload::Tensor(tensor_of(value, tensor.dtype == "int64")),
        DataType::DataFrame(_) => frame_of(value["values"].as_array().unwrap()),
        DataType::Series(_) => frame_of(value.as_array().unwrap()),
        DataType::Binary(_) => {
            let hex = value["hex"].as_str().unwrap();
            Payload::Binary(Bytes::from(wharf_spec::digest::unhex(hex).unwrap()))
        }
        _ => Payload::Json(value.clone()),
    }
}

fn tensor_of(value: &Value, is_integer: bool) -> Tensor {
    let mut shape = Vec::new();
    let mut items = vec![value];
    while let Some(Value::Array(first)) = items.first() {
        shape.push(first.len());
        items = items.iter().flat_map(|item| item.as_array().unwrap()).collect();
    }
    let data = if is_integer {
        Data::I64(items.iter().map(|item| item.as_i64().unwrap()).collect())
    } else {
        Data::F64(items.iter().map(|item| item.as_f64().unwrap()).collect())
    };
    Tensor::new(shape, data).unwrap()
}

fn frame_of(rows: &[Value]) -> Payload {
    let names = rows[0].as_object().unwrap().keys();
    let columns = names.map(|name| {
        let values: Vec<Value> = rows.iter().map(|row| row[name].clone()).collect();
        let values = match &values[0] {
            Value::Bool(_) => Values::Bool(values.iter().map(|v| v.as_bool().unwrap()).collect()),
            Value::Number(number) if number.is_i64() => {
                Values::I64(values.iter().map(|v| v.as_i64().unwrap()).collect())
            }
            Value::Number(_) => Values::F64(values.iter().map(|v| v.as_f64().unwrap()).collect()),
            _ => Values::Json(values),
        };
        Column { name: name.clone(), values }
    });
    Payload::Frame(Frame { columns: columns.collect() })
}

/// Writes an answer as MLEM does.
fn to_json(payload: Payload) -> Value {
    match payload {
        Payload::Json(value) => value,
        Payload::Binary(content) => json!({"hex": wharf_spec::digest::hex(&content)}),
        Payload::List(items) => items.into_iter().map(to_json).collect(),
        Payload::Tensor(tensor) => {
            let items = match tensor.data() {
                Data::F32(items) => items.iter().map(|item| json!(item)).collect(),
                Data::F64(items) => items.iter().map(|item| json!(item)).collect(),
                Data::I32(items) => items.iter().map(|item| json!(item)).collect(),
                Data::I64(items) => items.iter().map(|item| json!(item)).collect(),
                Data::U64(items) => items.iter().map(|item| json!(item)).collect(),
                Data::Bool(items) => items.iter().map(|item| json!(item)).collect(),
                Data::Str(items) => items.iter().map(|item| json!(item)).collect(),
            };
            nest(items, tensor.shape())
        }
        Payload::Frame(frame) => {
            let rows = (0..rows_of(&frame)).map(|row| {
                let cells =
                    frame.columns.iter().map(|column| (column.name.clone(), cell(column, row)));
                Value::Object(cells.collect::<Map<_, _>>())
            });
            json!({"values": rows.collect::<Vec<_>>()})
        }
    }
}

fn nest(mut items: Vec<Value>, shape: &[usize]) -> Value {
    for size in shape.iter().skip(1).rev() {
        items = items.chunks(*size).map(|chunk| Value::Array(chunk.to_vec())).collect();
    }
    if shape.is_empty() { items.remove(0) } else { Value::Array(items) }
}

fn rows_of(frame: &Frame) -> usize {
    match &frame.columns[0].values {
        Values::F64(items) => items.len(),
        Values::I64(items) => items.len(),
        Values::Bool(items) => items.len(),
        Values::Json(items) => items.len(),
    }
}

fn cell(column: &Column, row: usize) -> Value {
    match &column.values {
        Values::F64(items) => json!(items[row]),
        Values::I64(items) => json!(items[row]),
        Values::Bool(items) => json!(items[row]),
        Values::Json(items) => items[row].clone(),
    }
}

macro_rules! repeats {
    ($($test:ident: $entry:literal;)+) => {
        $(
            #[tokio::test]
            #[ignore = "needs python"]
            async fn $test() {
                check($entry).await;
            }
        )+
    };
}

repeats! {
    a_function_of_a_bool: "callable-bool";
    a_function_of_bytes: "callable-bytes";
    a_function_of_a_dict: "callable-dict";
    a_function_of_an_int: "callable-int";
    a_function_of_a_numpy_number: "callable-npnumber";
    a_callable_object: "callable-object";
    a_function_of_a_series: "callable-series";
    a_function_of_text: "callable-str";
    a_function_that_returns_a_tuple: "callable-tuple";
    an_array_that_mlem_sent_as_a_file: "file-ndarray";
    nested_lists: "identity-nested-05";
    nested_dicts: "identity-nested-13";
    kmeans: "sklearn-kmeans";
    a_logistic_regression: "sklearn-logreg-ndarray";
    the_probabilities_of_string_labels: "sklearn-logreg-strlabels";
    a_pipeline_over_a_mixed_table: "sklearn-pipeline-mixed-dataframe";
    a_pipeline_over_an_array: "sklearn-pipeline-ndarray";
    a_ridge_regression: "sklearn-ridge-ndarray";
}

/// MLEM could not write these answers, and recorded them as Python prints them.
async fn check_printed(name: &str, method: &str, arg: Value, expect: Value) {
    let running = start(name).await;
    assert_eq!(call(&running, method, &[arg]).await, expect, "{name}");
}

#[tokio::test]
#[ignore = "needs python"]
async fn string_labels() {
    let rows = json!([[5.1, 3.5, 1.4, 0.2], [4.9, 3.0, 1.4, 0.2], [4.7, 3.2, 1.3, 0.2]]);
    let expect = json!(["setosa", "setosa", "setosa"]);
    check_printed("sklearn-logreg-strlabels", "predict", rows, expect).await;
}

#[tokio::test]
#[ignore = "needs python"]
async fn a_function_that_was_saved_without_a_sample() {
    check_printed("callable-nosample", "__call__", json!(2), json!(4)).await;
}

#[tokio::test]
#[ignore = "needs python"]
async fn a_classifier_that_was_saved_without_a_sample() {
    let rows = json!([[5.1, 3.5, 1.4, 0.2], [4.9, 3.0, 1.4, 0.2]]);
    check_printed("sklearn-unspecified", "predict", rows, json!([0, 0])).await;
}

#[tokio::test]
#[ignore = "needs python"]
async fn a_sparse_answer_is_dense_rows() {
    let running = start("sklearn-countvectorizer").await;
    let answer = call(&running, "transform", &[json!(["a cat ran"])]).await;
    let row: Vec<i64> = serde_json::from_value(answer[0].clone()).unwrap();
    // The original: "2 stored elements and shape (1, 5)".
    assert_eq!((answer.as_array().unwrap().len(), row.len()), (1, 5));
    assert_eq!(row.iter().filter(|count| **count == 1).count(), 2);
}

//! Each example, from its folder to a prediction from a running container; every answer is compared with the one of
//! the library that made the model.

use serde_json::Value;
use wharf_testkit::http;

use crate::support::{User, examples, on_engine, port};

/// How far a number may be from the original's, relative to max(1, |original|).
#[derive(Clone, Copy)]
pub(crate) struct Tolerance(f64);

pub(crate) const BIT_FOR_BIT: Tolerance = Tolerance(0.0);
pub(crate) const SAME_LIBRARY: Tolerance = Tolerance(1e-9);
const ONNX: Tolerance = Tolerance(1e-5);

async fn story(name: &'static str, tolerance: Tolerance) {
    on_engine(name, async move |user| {
        user.example(name);
        let up = user.run(&["up", name, "--json", "--wait=120s"]).await.expect(0).json();
        let port = port(&up);
        compare(name, port, tolerance);
        page_answers(port);
        down_leaves_nothing(&user, name).await;
    })
    .await;
}

pub(crate) fn compare(name: &str, port: u16, tolerance: Tolerance) {
    let text = std::fs::read_to_string(examples().join(name).join("answers.json")).unwrap();
    let answers: Value = serde_json::from_str(&text).unwrap();
    let cases = answers["cases"].as_array().unwrap();
    assert!(cases.len() >= 3, "{name} has too few cases");
    for case in cases {
        let path = format!("/{}", case["method"].as_str().unwrap());
        let answer = http::request(port, "POST", &path, &[], case["body"].to_string().as_bytes());
        assert_eq!(answer.status, 200, "{name}: {}", String::from_utf8_lossy(&answer.body));
        let differs = difference(&answer.json(), &case["answer"], tolerance);
        assert!(differs.is_none(), "{name} {path} {}: {differs:?}", case["body"]);
    }
}

/// Returns the first place where two answers differ.
fn difference(ours: &Value, theirs: &Value, tolerance: Tolerance) -> Option<String> {
    match (ours, theirs) {
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).find_map(|(a, b)| difference(a, b, tolerance))
        }
        (Value::Object(a), Value::Object(b)) if a.len() == b.len() => b
            .iter()
            .find_map(|(key, b)| difference(a.get(key).unwrap_or(&Value::Null), b, tolerance)),
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            let near = (a - b).abs() <= tolerance.0 * b.abs().max(1.0);
            (a != b && !near).then(|| format!("{a} and {b}"))
        }
        (a, b) => (a != b).then(|| format!("{a} and {b}")),
    }
}

fn page_answers(port: u16) {
    let page = http::request(port, "GET", "/", &["accept: text/html"], b"");
    assert_eq!(page.status, 200);
    assert!(String::from_utf8_lossy(&page.body).contains("<form"), "a page with a form");
    for path in ["/healthz", "/readyz", "/openapi.json", "/interface.json", "/docs"] {
        assert_eq!(http::request(port, "GET", path, &[], b"").status, 200, "{path}");
    }
}

async fn down_leaves_nothing(user: &User, name: &str) {
    user.run(&["down", name, "--image"]).await.expect(0);
    assert_eq!(user.run(&["ps", "-a", "-q"]).await.out, "");
    assert!(!user.home.path().join(name).join(".wharf").exists());
}

#[tokio::test]
#[ignore = "needs engine"]
async fn iris() {
    story("iris", BIT_FOR_BIT).await;
}

#[tokio::test]
#[ignore = "needs engine"]
async fn iris_onnx() {
    story("iris-onnx", ONNX).await;
}

#[tokio::test]
#[ignore = "needs engine"]
async fn diabetes_lightgbm() {
    story("diabetes-lightgbm", BIT_FOR_BIT).await;
}

#[tokio::test]
#[ignore = "needs engine"]
async fn digits_cnn() {
    story("digits-cnn", ONNX).await;
}

#[tokio::test]
#[ignore = "needs engine"]
async fn callable() {
    story("callable", SAME_LIBRARY).await;
}

#[tokio::test]
#[ignore = "needs engine"]
async fn pipeline_sklearn() {
    story("pipeline-sklearn", SAME_LIBRARY).await;
}

//! What takes too long for every day: large requirements, many kills, many redeploys, other builders. `./test --long` runs it.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "../it/support.rs"]
mod support;

mod builders;

use std::{fs, path::Path, time::Duration};

use serde_json::Value;
use wharf_testkit::http;

use crate::support::{copy, nothing_is_left, on_engine, port, up_and_kill};

/// Numbers of an answer in float32, the width of the model.
fn in_f32(answer: &Value) -> Vec<f32> {
    match answer {
        Value::Array(items) => items.iter().flat_map(in_f32).collect(),
        #[expect(clippy::cast_possible_truncation, reason = "the answer is of that width")]
        number => vec![number.as_f64().unwrap() as f32],
    }
}

#[tokio::test]
#[ignore = "needs engine"]
async fn the_old_form_of_xgboost_answers_as_recorded() {
    on_engine("old-xgboost", async |user| {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wharf-model/tests/data/mlem");
        let folder = user.home.path().join("booster");
        copy(&data.join("y2023/xgboost-booster-ndarray"), &folder);
        let up =
            user.run(&["up", "booster/model.mlem", "--json", "--wait=120s"]).await.expect(0).json();
        let cases: Value =
            serde_json::from_slice(&fs::read(folder.join("cases.json")).unwrap()).unwrap();
        let cases = cases["serve"]["standardize"]["cases"].as_array().unwrap();
        let good: Vec<_> = cases.iter().filter(|case| case["label"].is_null()).collect();
        assert!(!good.is_empty());
        for case in good {
            let body = case["request"].to_string();
            let answer = http::request(port(&up), "POST", "/predict", &[], body.as_bytes());
            assert_eq!(in_f32(&answer.json()), in_f32(&case["response"]["json"]));
        }
        user.run(&["down", "model", "booster", "--image"]).await.expect(0);
    })
    .await;
}

#[tokio::test]
#[ignore = "needs engine"]
async fn a_hundred_kills_leave_nothing() {
    on_engine("kills", async |user| {
        let folder = user.example("iris");
        let declaration = fs::read_to_string(folder.join("wharf.yaml")).unwrap();
        for kill in 0_u64..100 {
            // Every other time there is something to replace.
            let name = format!("class-{}", kill / 2);
            fs::write(folder.join("wharf.yaml"), declaration.replace("setosa", &name)).unwrap();
            up_and_kill(&user, Duration::from_millis(kill * 37 % 900)).await;
        }
        user.run(&["up", "iris"]).await.expect(0);
        let listed = user.run(&["ps", "-a", "--json"]).await.expect(0).json();
        assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
        user.run(&["down", "iris", "--image"]).await.expect(0);
        nothing_is_left(&user).await;
    })
    .await;
}

#[tokio::test]
#[ignore = "needs engine"]
async fn twenty_redeploys_keep_port_and_name() {
    on_engine("redeploys", async |user| {
        let folder = user.example("iris");
        let declaration = fs::read_to_string(folder.join("wharf.yaml")).unwrap();
        let mut first = None;
        for version in 0..20 {
            let name = format!("version-{version}");
            fs::write(folder.join("wharf.yaml"), declaration.replace("setosa", &name)).unwrap();
            let up = user.run(&["up", "iris", "--json"]).await.expect(0).json();
            let port = port(&up);
            assert_eq!(*first.get_or_insert(port), port);
            let body = br#"{"data": [[5.1, 3.5, 1.4, 0.2]]}"#;
            let answer = http::request(port, "POST", "/predict", &[], body);
            assert_eq!(answer.json(), serde_json::json!([name]));
            user.run(&["logs", "iris"]).await.expect(0);
        }
        user.run(&["down", "iris", "--image"]).await.expect(0);
        nothing_is_left(&user).await;
    })
    .await;
}

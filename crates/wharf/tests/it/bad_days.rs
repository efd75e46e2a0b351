//! Bad days on the real engine: each ends in a clear error, its exit code, and nothing left behind.

use std::{fs, net::TcpListener, time::Duration};

use wharf_testkit::http;

use crate::support::{nothing_is_left, on_engine, port, up_and_kill};

#[tokio::test]
#[ignore = "needs engine"]
async fn a_taken_port_is_told() {
    on_engine("taken-port", async |user| {
        user.example("iris");
        let holder = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = holder.local_addr().unwrap().port().to_string();
        let outcome = user.run(&["up", "iris", "-p", &port]).await.expect(5);
        assert!(outcome.err.contains("error[W0210]"), "{}", outcome.err);
        nothing_is_left(&user).await;
    })
    .await;
}

#[tokio::test]
#[ignore = "needs engine"]
async fn a_requirement_that_does_not_exist_is_told() {
    on_engine("no-requirement", async |user| {
        let folder = user.example("callable");
        let declaration = fs::read_to_string(folder.join("wharf.yaml")).unwrap();
        let broken = format!("{declaration}\n  requirements: ['wharf-no-such-package==9.9']\n");
        fs::write(folder.join("wharf.yaml"), broken).unwrap();
        let outcome = user.run(&["up", "callable"]).await.expect(1);
        assert!(outcome.err.contains("error[W0407]"), "{}", outcome.err);
        assert!(outcome.err.contains("wharf-no-such-package"), "{}", outcome.err);
        nothing_is_left(&user).await;
    })
    .await;
}

#[tokio::test]
#[ignore = "needs engine"]
async fn a_model_that_raises_is_a_400_and_the_service_stays() {
    on_engine("raises", async |user| {
        let folder = user.home.path().join("raises");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("predict.py"), "def predict(x):\n    return 1 / x\n").unwrap();
        let up = user.run(&["up", "raises", "--json"]).await.expect(0).json();
        let answer = http::request(port(&up), "POST", "/predict", &[], b"{\"x\": 0}");
        assert_eq!(answer.status, 400);
        assert_eq!(answer.json()["error"], "ZeroDivisionError: division by zero");
        let answer = http::request(port(&up), "POST", "/predict", &[], b"{\"x\": 2}");
        assert_eq!(answer.json(), 0.5);
    })
    .await;
}

#[tokio::test]
#[ignore = "needs engine"]
async fn a_model_that_cannot_be_imported_is_told_with_its_lines() {
    on_engine("no-import", async |user| {
        let folder = user.home.path().join("no-import");
        fs::create_dir(&folder).unwrap();
        let code = "import no_such_module\n\n\ndef predict(x):\n    return x\n";
        fs::write(folder.join("predict.py"), code).unwrap();
        let outcome = user.run(&["up", "no-import", "--wait=30s"]).await;
        assert!(outcome.err.contains("error[W0410]"), "{}", outcome.err);
        assert!(outcome.err.contains("no_such_module"), "{}", outcome.err);
        nothing_is_left(&user).await;
    })
    .await;
}

#[tokio::test]
#[ignore = "needs engine"]
async fn a_changed_model_is_replaced_on_the_same_port() {
    on_engine("replaced", async |user| {
        let folder = user.example("iris");
        let first = user.run(&["up", "iris", "--json"]).await.expect(0).json();
        let declaration = fs::read_to_string(folder.join("wharf.yaml")).unwrap();
        fs::write(folder.join("wharf.yaml"), declaration.replace("setosa", "blue flag")).unwrap();
        let second = user.run(&["up", "iris", "--json"]).await.expect(0).json();
        assert_eq!(port(&first), port(&second));
        let body = br#"{"data": [[5.1, 3.5, 1.4, 0.2]]}"#;
        let answer = http::request(port(&second), "POST", "/predict", &[], body);
        assert_eq!(answer.json(), serde_json::json!(["blue flag"]));
    })
    .await;
}

#[tokio::test]
#[ignore = "needs engine"]
async fn a_killed_up_is_taken_up_by_the_next_one() {
    on_engine("killed", async |user| {
        user.example("iris");
        for delay in [20, 60, 120, 200, 350, 500] {
            up_and_kill(&user, Duration::from_millis(delay)).await;
            if delay % 40 == 0 {
                user.run(&["down", "iris"]).await.expect(0);
                nothing_is_left(&user).await;
            }
        }
        user.run(&["up", "iris"]).await.expect(0);
        let listed = user.run(&["ps", "-a", "--json"]).await.expect(0).json();
        assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
        user.run(&["down", "iris"]).await.expect(0);
        nothing_is_left(&user).await;
    })
    .await;
}

//! What lies in `.wharf/state/`, and which labels are believed.

use std::{fs, os::unix::fs::PermissionsExt as _, sync::Arc};

use wharf_engine::Engine as _;
use wharf_spec::{label, workload::Workload};

use crate::support::User;

fn record(user: &User) -> std::path::PathBuf {
    user.home.path().join("iris/.wharf/state/records/default/iris.json")
}

#[tokio::test]
async fn the_record_says_who_holds_the_port() {
    let (user, _) = User::of_fake();
    user.example("iris");
    user.run(&["up", "iris"]).await.expect(0);
    let record: serde_json::Value =
        serde_json::from_slice(&fs::read(record(&user)).unwrap()).unwrap();
    assert_eq!(record["schema"], "wharf.deployment/v1");
    assert_eq!(record["port_owner"], "engine");
    assert_eq!(record["current"]["generation"], 1);
    let key = user.home.path().join("iris/.wharf/state/seal.key");
    assert_eq!(fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600);
    let ignore = user.home.path().join("iris/.wharf/.gitignore");
    assert_eq!(fs::read_to_string(ignore).unwrap(), "state/\n");
}

#[tokio::test]
async fn lost_records_lose_history_and_not_control() {
    let (user, _) = User::of_fake();
    user.example("iris");
    user.run(&["up", "iris"]).await.expect(0);
    let before = user.run(&["ps", "--json"]).await.out;
    fs::remove_file(record(&user)).unwrap();
    assert_eq!(user.run(&["ps", "--json"]).await.out, before);
    let again = user.run(&["up", "iris", "--json"]).await.expect(0).json();
    assert_eq!(again["changed"], false);
    assert!(record(&user).exists(), "the record is written again");
}

#[tokio::test]
async fn a_damaged_record_is_told_with_a_way_out() {
    let (user, _) = User::of_fake();
    user.example("iris");
    user.run(&["up", "iris"]).await.expect(0);
    fs::write(record(&user), "{\"schema\": \"wharf.dep").unwrap();
    let outcome = user.run(&["up", "iris"]).await.expect(1);
    assert!(outcome.err.contains("error[W0804]"), "{}", outcome.err);
    assert!(outcome.err.contains("mv "), "{}", outcome.err);
    user.run(&["down", "iris"]).await.expect(0);
}

#[tokio::test]
async fn forged_labels_are_not_believed() {
    let (user, fake) = User::of_fake();
    user.example("iris");
    user.run(&["up", "iris", "--name", "one"]).await.expect(0);
    let genuine = fake.applied().pop().unwrap();
    let mut id = genuine.id.clone();
    id.name = "two".parse().unwrap();
    let forged = Workload { id, labels: genuine.labels.clone(), ..genuine };
    fake.apply(&forged).await.unwrap();
    let listed = user.run(&["ps", "--json"]).await.expect(0).json();
    let sealed = |at: usize| listed["items"][at]["sealed"].as_bool().unwrap();
    assert_eq!((sealed(0), sealed(1)), (true, false), "{listed}");
    let outcome = user.run(&["down", "two"]).await.expect(5);
    assert!(outcome.err.contains("error[W0506]"), "{}", outcome.err);
    let outcome = user.run(&["up", "iris", "--name", "two"]).await.expect(5);
    assert!(outcome.err.contains("error[W0506]"), "{}", outcome.err);
}

#[tokio::test]
async fn labels_of_a_store_that_nobody_knows_are_foreign() {
    let (user, _) = User::of_fake();
    user.example("iris");
    user.run(&["up", "iris"]).await.expect(0);
    fs::remove_dir_all(user.home.path().join("iris/.wharf")).unwrap();
    let listed = user.run(&["ps", "--json"]).await.expect(0).json();
    assert_eq!(listed["items"][0]["sealed"], false);
    let outcome = user.run(&["down", "iris"]).await.expect(5);
    assert!(outcome.err.contains("error[W0503]"), "{}", outcome.err);
}

#[tokio::test]
async fn every_label_is_there() {
    let (user, fake) = User::of_fake();
    user.example("iris");
    user.run(&["up", "iris"]).await.expect(0);
    let listed = Arc::clone(&fake).list(None).await.unwrap();
    let keys = [label::PROJECT, label::NAME, label::KIND, label::GENERATION, label::ATTEMPT];
    let more = [label::SPEC_DIGEST, label::IMAGE, label::STORE, label::SEAL];
    for key in keys.into_iter().chain(more) {
        assert!(listed[0].labels.contains_key(key), "{key} is missing");
    }
}

#[tokio::test]
async fn a_read_only_folder_has_its_state_in_the_users_data() {
    let (user, _) = User::of_fake();
    let folder = user.example("iris");
    // Root may write anywhere; a file in the way stands for a folder that takes none.
    fs::write(folder.join(".wharf"), "").unwrap();
    user.run(&["up", "iris"]).await.expect(0);
    assert!(user.home.path().join(".local/share/wharf/state").is_dir());
    user.run(&["down", "iris"]).await.expect(0);
}

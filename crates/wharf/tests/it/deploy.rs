//! `up` and `down`, on an engine in memory.

use std::{fs, path::PathBuf};

use tokio_util::sync::CancellationToken;
use wharf_spec::workload::{CapabilitySet, HostPort};

use crate::hermetic::files;
use crate::support::User;

#[tokio::test]
async fn the_same_again_changes_nothing() {
    let (user, fake) = User::of_fake();
    user.example("iris");
    let first = user.run(&["up", "iris", "--json"]).await.expect(0).json();
    assert_eq!(first["changed"], true);
    let again = user.run(&["up", "iris", "--json"]).await.expect(0).json();
    assert_eq!(again["changed"], false);
    assert_eq!(again["generation"], 1);
    assert_eq!(again["image_reused"], true);
    assert_eq!(fake.images_made().len(), 1);
}

#[tokio::test]
async fn a_changed_model_replaces_the_running_one() {
    let (user, _) = User::of_fake();
    let folder = user.example("iris");
    user.run(&["up", "iris"]).await.expect(0);
    let declaration = fs::read_to_string(folder.join("wharf.yaml")).unwrap();
    fs::write(folder.join("wharf.yaml"), declaration.replace("virginica", "versicolour")).unwrap();
    let changed = user.run(&["up", "iris", "--json"]).await.expect(0).json();
    assert_eq!(changed["generation"], 2);
    let running = user.run(&["ps", "-a", "--json"]).await.expect(0).json();
    assert_eq!(running["items"].as_array().unwrap().len(), 1, "{running}");
    assert_eq!(running["items"][0]["sealed"], true);
}

#[tokio::test]
async fn what_is_started_is_shut_tightly() {
    let (user, fake) = User::of_fake();
    user.example("iris");
    user.run(&["up", "iris", "--memory", "64MiB", "--cpu", "0.5"]).await.expect(0);
    let workload = fake.applied().pop().unwrap();
    assert_eq!(workload.hardening.capabilities, CapabilitySet::None);
    assert!(workload.hardening.read_only_root);
    assert_eq!(workload.ports[0].address.to_string(), "127.0.0.1");
    assert_eq!(workload.ports[0].host, HostPort::From(8080));
    assert_eq!(workload.resources.memory.unwrap().0, 64 << 20);
    assert_eq!(workload.resources.cpu_millis, Some(500));
}

#[tokio::test]
async fn down_leaves_nothing_but_the_image() {
    let (user, fake) = User::of_fake();
    let folder = user.example("iris");
    let before = files(user.home.path());
    user.run(&["up", "iris"]).await.expect(0);
    assert!(folder.join(".wharf/state").is_dir());
    user.run(&["down", "iris"]).await.expect(0);
    let left: Vec<_> =
        files(user.home.path()).into_iter().filter(|path| !before.contains(path)).collect();
    let data = user.home.path().join(".local");
    assert!(left.iter().all(|path| path.starts_with(&data) && path.is_dir()), "{left:?}");
    assert!(fake.projects().is_empty(), "{:?}", fake.projects());
    user.run(&["down", "iris"]).await.expect(0);
}

#[tokio::test]
async fn down_works_from_any_folder() {
    let (user, _) = User::of_fake();
    user.example("iris");
    user.run(&["up", "iris"]).await.expect(0);
    fs::create_dir(user.home.path().join("elsewhere")).unwrap();
    user.run(&["-C", "elsewhere", "down", "iris"]).await.expect(0);
    assert_eq!(user.run(&["ps", "-a", "-q"]).await.out, "");
}

#[tokio::test]
async fn a_container_that_dies_at_start_is_told_and_removed() {
    let (user, fake) = User::of_fake();
    user.example("iris");
    fake.fail_start("iris", 3, &["loading", "cannot read the model"]);
    fake.exec_answers(1, "");
    let before = files(user.home.path());
    let outcome = user.run(&["up", "iris"]).await.expect(1);
    assert!(outcome.err.contains("error[W0501]: `iris` ended while starting"), "{}", outcome.err);
    assert!(outcome.err.contains("  | cannot read the model"), "{}", outcome.err);
    assert!(outcome.err.contains("code 3"), "{}", outcome.err);
    assert!(fake.projects().is_empty(), "nothing is left on the engine");
    let left: Vec<_> =
        files(user.home.path()).into_iter().filter(|path| !before.contains(path)).collect();
    assert!(left.iter().all(|path| path.is_dir()), "{left:?}");
}

#[tokio::test]
async fn a_failed_replacement_goes_back_to_what_ran() {
    let (user, fake) = User::of_fake();
    let folder = user.example("iris");
    user.run(&["up", "iris"]).await.expect(0);
    let declaration = fs::read_to_string(folder.join("wharf.yaml")).unwrap();
    fs::write(folder.join("wharf.yaml"), declaration.replace("virginica", "other")).unwrap();
    fake.exec_answers(1, "starting: loading");
    let outcome = user.run(&["up", "iris", "--wait=1s"]).await.expect(7);
    assert!(outcome.err.contains("generation 1 runs again"), "{}", outcome.err);
    fake.exec_answers(0, "");
    let running = user.run(&["ps", "-a", "--json"]).await.expect(0).json();
    assert_eq!(running["items"].as_array().unwrap().len(), 1);
    assert_eq!(running["items"][0]["generation"], 1);
    assert_eq!(running["items"][0]["status"], "healthy");
}

#[tokio::test]
async fn the_same_name_from_another_folder_is_a_conflict() {
    let (user, _) = User::of_fake();
    let folder = user.example("iris");
    user.run(&["up", "iris"]).await.expect(0);
    let other = user.home.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::rename(folder.join("iris.json"), other.join("iris.json")).unwrap();
    let outcome = user.run(&["up", "other/iris.json", "--name", "iris"]).await.expect(5);
    assert!(outcome.err.contains("error[W0503]"), "{}", outcome.err);
    assert!(!other.join(".wharf").exists(), "nothing is left in the other folder");
    assert_eq!(user.run(&["ps", "-q"]).await.out, "iris\n");
}

/// Puts two models into one folder, after which both are called.
fn two_models(user: &User) -> PathBuf {
    let (folder, other) = (user.example("iris"), user.example("diabetes-lightgbm"));
    fs::remove_file(folder.join("wharf.yaml")).unwrap();
    fs::rename(folder.join("iris.json"), folder.join("model.json")).unwrap();
    fs::copy(other.join("diabetes.txt"), folder.join("model.txt")).unwrap();
    folder
}

#[tokio::test]
async fn a_second_file_does_not_end_the_first_ones_service() {
    let (user, _) = User::of_fake();
    two_models(&user);
    user.run(&["up", "iris/model.json"]).await.expect(0);
    let refused = user.run(&["up", "iris/model.txt"]).await.expect(5);
    assert!(refused.err.contains("error[W0503]: `iris` runs `iris/model.json`"), "{}", refused.err);
    assert!(refused.err.contains("`wharf up iris/model.txt --name NAME`"), "{}", refused.err);
    user.run(&["up", "iris/model.txt", "--name", "trees"]).await.expect(0);
    assert_eq!(user.run(&["ps", "-q"]).await.out, "iris\ntrees\n");
    let again = user.run(&["up", "./iris/model.json", "-e", "A=1"]).await.expect(0);
    assert!(!again.err.contains("until now"), "{}", again.err);
}

#[tokio::test]
async fn a_second_file_takes_a_name_that_is_said() {
    let (user, _) = User::of_fake();
    two_models(&user);
    user.run(&["up", "iris/model.json"]).await.expect(0);
    let replaced = user.run(&["up", "iris/model.txt", "--name", "iris"]).await.expect(0);
    let told =
        "note: `iris` served `iris/model.json` until now; with `--name NAME` `iris/model.txt` gets";
    assert!(replaced.err.contains(told), "{}", replaced.err);
}

#[tokio::test]
async fn a_file_takes_the_place_of_one_that_is_gone() {
    let (user, _) = User::of_fake();
    let folder = two_models(&user);
    user.run(&["up", "iris/model.json"]).await.expect(0);
    fs::remove_file(folder.join("model.json")).unwrap();
    let replaced = user.run(&["up", "iris/model.txt"]).await.expect(0);
    assert!(replaced.err.contains("until now"), "{}", replaced.err);
}

#[tokio::test]
async fn a_folder_serves_what_its_description_names() {
    let (user, _) = User::of_fake();
    let folder = two_models(&user);
    user.run(&["up", "iris/model.json"]).await.expect(0);
    fs::write(folder.join("wharf.yaml"), "model:\n  path: model.txt\n").unwrap();
    let replaced = user.run(&["up", "iris"]).await.expect(0);
    assert!(replaced.err.contains("until now"), "{}", replaced.err);
}

#[tokio::test]
async fn a_cancelled_command_leaves_nothing() {
    let (user, fake) = User::of_fake();
    user.example("iris");
    let cancel = CancellationToken::new();
    cancel.cancel();
    user.run_until(&["up", "iris"], cancel).await.expect(130);
    assert!(fake.projects().is_empty());
}

//! `up --weights`: a model that is mounted into its container, and not packed into the image.

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde_json::Value;
use wharf_engine::fake::Fake;
use wharf_spec::{label, workload::Workload};

use crate::{
    hermetic::files,
    stub::StubEngine,
    support::{User, on_engine},
};

const MOUNT: [&str; 5] = ["up", "iris", "--weights", "mount", "--json"];

fn user() -> (User, Arc<Fake>, PathBuf) {
    let (user, fake) = User::of_fake();
    let model = user.example("iris").join("iris.json");
    (user, fake, model)
}

async fn up(user: &User, args: &[&str]) -> Value {
    user.run(args).await.expect(0).json()
}

/// Puts another model of the same size in the place of the file, as careful programs do: by rename.
fn replace(model: &Path) {
    let text = fs::read_to_string(model).unwrap();
    let at = text.find('.').unwrap() + 1;
    let digit = if &text[at..=at] == "1" { "2" } else { "1" };
    let new = model.with_extension("new");
    fs::write(&new, format!("{}{digit}{}", &text[..at], &text[at + 1..])).unwrap();
    fs::rename(new, model).unwrap();
}

/// Returns source and target of every mount, the targets sorted.
fn mounts(workload: &Workload) -> Vec<(PathBuf, &str)> {
    let mut mounts: Vec<_> = workload
        .mounts
        .iter()
        .inspect(|mount| assert!(mount.read_only, "{mount:?}"))
        .map(|mount| (PathBuf::from(&mount.source), mount.target.as_str()))
        .collect();
    mounts.sort_by_key(|(_, target)| *target);
    mounts
}

#[tokio::test]
async fn the_image_holds_the_server_and_the_container_gets_the_model() {
    let (user, fake, model) = user();
    let document = up(&user, &MOUNT).await;
    assert_eq!(document["weights"], "mount");
    assert_eq!(fake.layers_sent(), [1]);
    let workload = fake.applied().pop().unwrap();
    let mounts = mounts(&workload);
    let targets: Vec<_> = mounts.iter().map(|(_, target)| *target).collect();
    assert_eq!(targets, ["/model/card.json", "/model/model.json", "/model/mounted.json"]);
    assert_eq!(mounts[1].0, fs::canonicalize(model).unwrap());
    assert_eq!(workload.labels[label::MOUNTED], document["model_hash"]);
    let listed = user.run(&["ps", "--json"]).await.expect(0).json();
    assert_eq!(listed["items"][0]["weights"], "mount");
}

#[tokio::test]
async fn a_mounted_model_has_the_hash_that_it_has_in_an_image() {
    let (user, fake, _) = user();
    let mounted = up(&user, &MOUNT).await;
    let packed = up(&user, &["up", "iris", "--weights", "image", "--json"]).await;
    assert_eq!(packed["model_hash"], mounted["model_hash"]);
    assert_ne!(packed["image_digest"], mounted["image_digest"]);
    assert_eq!((&packed["weights"], &packed["changed"]), (&"image".into(), &true.into()));
    assert_eq!(mounts(&fake.applied()[1]), []);
    assert!(!user.home.path().join("iris/.wharf/state/mounted").exists());
}

#[tokio::test]
async fn another_model_in_its_place_replaces_the_container_without_an_image() {
    let (user, fake, model) = user();
    let first = up(&user, &MOUNT).await;
    replace(&model);
    let second = up(&user, &MOUNT).await;
    assert_eq!((&second["generation"], &second["image_reused"]), (&2.into(), &true.into()));
    assert_ne!(second["model_hash"], first["model_hash"]);
    assert_eq!(fake.images_made().len(), 1);
    let kept = fs::read_dir(user.home.path().join("iris/.wharf/state/mounted/default/iris"));
    assert_eq!(kept.unwrap().count(), 1, "what the first one had is gone");
}

#[tokio::test]
async fn the_same_content_changes_nothing() {
    let (user, _, model) = user();
    up(&user, &MOUNT).await;
    assert_eq!(up(&user, &MOUNT).await["changed"], false);
    let touched = File::options().write(true).open(&model).unwrap();
    touched.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(up(&user, &MOUNT).await["changed"], false);
}

#[tokio::test]
async fn a_state_is_vouched_for_only_where_it_is_known() {
    let (user, fake, model) = user();
    let vouched = || {
        let workload = fake.applied().pop().unwrap();
        let mounted: Value =
            serde_json::from_slice(&fs::read(&mounts(&workload)[2].0).unwrap()).unwrap();
        !mounted["files"][0]["stamp"].is_null()
    };
    // What was changed a moment ago could be changed again and look the same.
    let touch = |modified| {
        File::options().write(true).open(&model).unwrap().set_modified(modified).unwrap();
    };
    touch(SystemTime::now() + Duration::from_secs(60));
    up(&user, &MOUNT).await;
    assert!(!vouched());
    touch(SystemTime::UNIX_EPOCH + Duration::from_millis(1500));
    tokio::time::sleep(Duration::from_millis(100)).await;
    up(&user, &MOUNT).await;
    assert!(vouched());
}

#[tokio::test]
async fn a_failed_replacement_promises_no_more_than_it_can() {
    let (user, fake, model) = user();
    up(&user, &MOUNT).await;
    replace(&model);
    fake.exec_answers(1, "starting: loading");
    let failed = user.run(&["up", "iris", "--weights", "mount", "--wait=1s"]).await.expect(7);
    assert!(failed.err.contains("it runs only if the file is as it was"), "{}", failed.err);
    let kept = fs::read_dir(user.home.path().join("iris/.wharf/state/mounted/default/iris"));
    assert_eq!(kept.unwrap().count(), 1, "what runs keeps its card, and nothing else is left");
}

#[tokio::test]
async fn down_leaves_nothing_of_it() {
    let (user, _, _) = user();
    let before = files(user.home.path());
    up(&user, &MOUNT).await;
    user.run(&["down", "iris"]).await.expect(0);
    let data = [".local", ".cache"].map(|folder| user.home.path().join(folder));
    let left = files(user.home.path());
    let left = left.iter().filter(|path| !before.contains(path));
    let left: Vec<_> =
        left.filter(|path| !data.iter().any(|data| path.starts_with(data))).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn what_is_small_is_packed_unless_somebody_says_otherwise() {
    let (user, fake, _) = user();
    assert_eq!(up(&user, &["up", "iris", "--json"]).await["weights"], "image");
    assert_eq!(fake.layers_sent(), [2]);
}

#[track_caller]
fn refused(err: &str, why: &str) {
    assert!(err.contains("W0208") && err.contains("`--weights"), "{err}");
    assert!(err.contains(why), "{err}");
}

#[tokio::test]
async fn what_cannot_be_mounted_is_refused_before_anything_is_made() {
    let (user, fake, model) = user();
    fs::set_permissions(&model, fs::Permissions::from_mode(0o600)).unwrap();
    let outcome = user.run(&MOUNT).await.expect(2);
    refused(&outcome.err, "chmod o+r");
    fs::set_permissions(&model, fs::Permissions::from_mode(0o644)).unwrap();
    let by_docker = [&MOUNT[..], &["--builder", "docker"]].concat();
    refused(&user.run(&by_docker).await.expect(2).err, "copies the model into the image");
    user.example("pipeline-sklearn");
    let python = ["up", "pipeline-sklearn", "--weights", "mount"];
    refused(&user.run(&python).await.expect(2).err, "a model that runs Python");
    user.example("own-dockerfile");
    let app = ["up", "own-dockerfile", "--weights", "mount"];
    refused(&user.run(&app).await.expect(2).err, "what a Dockerfile copies");
    assert!(fake.images_made().is_empty() && fake.applied().is_empty());
}

#[tokio::test]
async fn an_engine_that_sees_other_files_is_not_given_any() {
    let (mut user, _, _) = user();
    let stub = StubEngine::start(user.home.path(), "engine.sock", |_| None);
    user.engine = Some(stub.connect().await);
    refused(&user.run(&MOUNT).await.expect(2).err, "files of its own");
}

/// Says whether the service answers, as the model in the example does.
async fn predicts(user: &User) -> bool {
    let asked = user.run(&["predict", "iris", "-i", "data=[[5.1, 3.5, 1.4, 0.2]]"]).await;
    asked.code == 0 && asked.out.contains("setosa")
}

#[tokio::test]
#[ignore = "needs engine"]
async fn a_mounted_model_is_served_swapped_and_watched() {
    on_engine("weights", async |user: Arc<User>| {
        let model = user.example("iris").join("iris.json");
        tokio::time::sleep(Duration::from_millis(200)).await;
        let first = up(&user, &MOUNT).await;
        assert!(predicts(&user).await);

        replace(&model);
        let second = up(&user, &MOUNT).await;
        assert_eq!((&second["changed"], &second["image_reused"]), (&true.into(), &true.into()));
        assert_ne!(second["model_hash"], first["model_hash"]);
        assert!(predicts(&user).await);

        // What runs has read its file; what starts reads it again, and refuses another one.
        fs::write(&model, "{}").unwrap();
        assert!(predicts(&user).await);
        let engine = user.engine.as_ref().unwrap();
        let id = engine.list(Some(&user.project.parse().unwrap())).await.unwrap().remove(0).id;
        engine.stop(&id, Duration::from_secs(5)).await.unwrap();
        engine.start(&id).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let log = user.run(&["logs", "iris"]).await;
        let said = format!("{}{}", log.out, log.err);
        assert!(said.contains("is not the model that was deployed"), "{said}");
        assert!(!predicts(&user).await);

        user.example("iris");
        assert_eq!(up(&user, &MOUNT).await["model_hash"], first["model_hash"]);
        assert!(predicts(&user).await);
        user.run(&["down", "iris", "--image"]).await.expect(0);
    })
    .await;
}

//! What images that wharf assembles say of themselves: when they were made, and from what.

use std::{fs, path::Path};

use serde_json::Value;

use crate::{registry::told, support::User};

/// Builds `iris` as a layout in the user's home; returns its manifest and config.
async fn built(user: &User) -> (Value, Value) {
    let args = ["build", "iris", "--to", "oci-dir:out", "--json"];
    let digest = user.run(&args).await.expect(0).json()["results"][0]["digest"].clone();
    let out = user.home.path().join("out");
    let manifest = blob(&out, &digest);
    let config = blob(&out, &manifest["config"]["digest"]);
    (manifest, config)
}

fn blob(layout: &Path, digest: &Value) -> Value {
    let hex = digest.as_str().unwrap().strip_prefix("sha256:").unwrap();
    serde_json::from_slice(&fs::read(layout.join("blobs/sha256").join(hex)).unwrap()).unwrap()
}

fn user_at(epoch: Option<&str>) -> User {
    let (mut user, _) = User::of_fake();
    user.variables.extend(epoch.map(|epoch| ("SOURCE_DATE_EPOCH".into(), epoch.into())));
    user.example("iris");
    user
}

#[tokio::test]
async fn a_manifest_says_what_is_in_the_image() {
    let user = user_at(None);
    let (manifest, config) = built(&user).await;
    let said = &manifest["annotations"];
    let labels = &config["config"]["Labels"];
    assert_eq!(said["io.wharf.model.hash"], labels["io.wharf.model.hash"]);
    assert_eq!(said["io.wharf.model.kind"], "xgboost");
    assert_eq!(said["io.wharf.version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(said["org.opencontainers.image.title"], "iris");
    assert_eq!(said["org.opencontainers.image.created"], "1980-01-01T00:00:00Z");
    assert_eq!((manifest, config), built(&user_at(None)).await, "another user has another image");
}

#[tokio::test]
async fn an_epoch_is_the_time_of_the_image_and_of_nothing_else() {
    let (plain, _) = built(&user_at(None)).await;
    let (manifest, config) = built(&user_at(Some("1700000000"))).await;
    let time = "2023-11-14T22:13:20Z";
    assert_eq!(manifest["annotations"]["org.opencontainers.image.created"], time);
    assert_eq!(config["created"], time);
    assert!(config["history"].as_array().unwrap().iter().all(|step| step["created"] == time));
    assert_eq!(manifest["layers"], plain["layers"], "layers have a time of their own");
    assert_eq!(manifest, built(&user_at(Some("1700000000"))).await.0);
}

#[tokio::test]
async fn an_image_of_another_time_is_another_one() {
    let mut user = user_at(Some("1700000000"));
    let build = ["build", "iris", "-t", "iris:1", "--json"];
    let first = user.run(&build).await.expect(0).json();
    let again = user.run(&build).await.expect(0).json();
    assert_eq!(again["results"][0]["reused"], true);
    user.variables.retain(|(name, _)| name != "SOURCE_DATE_EPOCH");
    let later = user.run(&build).await.expect(0).json();
    assert_eq!(later["results"][0]["reused"], false);
    assert_ne!(first["results"][0]["digest"], later["results"][0]["digest"]);
}

#[tokio::test]
async fn an_epoch_that_is_none_is_refused() {
    for epoch in ["today", "-1", "99999999999999"] {
        let user = user_at(Some(epoch));
        for args in [&["build", "iris"][..], &["push", "iris", "--to", "localhost:1/iris:1"]] {
            let outcome = user.run(args).await;
            told(&outcome, "W0101", 2);
            assert!(
                outcome.err.contains(&format!("SOURCE_DATE_EPOCH is `{epoch}`")),
                "{}",
                outcome.err
            );
        }
    }
}

#[tokio::test]
async fn a_bare_archive_is_pushed_by_its_form() {
    let (user, _) = User::of_fake();
    fs::write(user.home.path().join("app.tar"), "").unwrap();
    fs::create_dir(user.home.path().join("app")).unwrap();
    fs::write(user.home.path().join("app/oci-layout"), "{}").unwrap();
    for (path, form) in
        [("app.tar", "docker-archive"), ("app.tar", "oci-archive"), ("app", "oci-dir")]
    {
        let outcome = user.run(&["push", path, "--to", "localhost:1/app:1"]).await;
        told(&outcome, "W0101", 2);
        let hint = format!("`wharf push {form}:{path} --to localhost:1/app:1`");
        assert!(outcome.err.contains(&hint), "{}", outcome.err);
    }
}

//! Images of models that run Python, assembled by wharf itself upon a base that only the engine has.

use std::{fs, path::Path, process::Command, sync::Arc};

use serde_json::{Value, json};
use wharf_engine::{ImageFacts, fake::Fake};

use crate::{
    hermetic::image,
    python_native::user,
    registry::{output, told},
    stories::{SAME_LIBRARY, compare},
    support::{on_engine, port},
};

/// A base of a registry where nobody listens.
const BASE: &str = "localhost:1/own:3.11";

/// An engine that has it.
fn engine_with_base() -> Arc<Fake> {
    let fake = Fake::default();
    fake.exec_answers(0, "");
    let env = vec!["PYTHON_VERSION=3.11.9".to_owned(), "PATH=/usr/local/bin".to_owned()];
    fake.add_image(BASE, ImageFacts { env, ..image("own") });
    Arc::new(fake)
}

/// Reads a document of a layout.
fn document(layout: &Path, digest: &Value) -> Value {
    let hex = digest.as_str().unwrap().strip_prefix("sha256:").unwrap();
    serde_json::from_slice(&fs::read(layout.join("blobs/sha256").join(hex)).unwrap()).unwrap()
}

#[tokio::test]
async fn what_no_registry_gives_is_taken_from_the_engine() {
    let mut user = user("amd64");
    let build = |pull: &'static str| {
        ["build", "needy", "--base", BASE, "--to", "oci-dir:out", "--force", "--pull", pull]
    };
    told(&user.run(&build("missing")).await, "W0310", 6);
    user.engine = Some(engine_with_base());
    let mut digests = Vec::new();
    for pull in ["missing", "never"] {
        let built = user.run(&[&build(pull)[..], &["--json"]].concat()).await.expect(0).json();
        digests.push(built["results"][0]["digest"].clone());
    }
    assert_eq!(digests[0], digests[1]);
    let out = user.home.path().join("out");
    let manifest = document(&out, &digests[0]);
    let config = document(&out, &manifest["config"]["digest"]);
    assert_eq!(config["config"]["Env"][0], "PYTHON_VERSION=3.11.9");
    // No registry knows the manifest of such a base.
    assert_eq!(manifest["annotations"].get("org.opencontainers.image.base.digest"), None);
    told(&user.run(&build("always")).await, "W0208", 2);
}

#[tokio::test]
async fn the_engine_that_a_declaration_names_is_asked() {
    let (user, host) = (user("amd64"), "tcp://127.0.0.1:2");
    let declaration =
        format!("type: docker\nimage: {{name: needy}}\npush: false\ndaemon: {{host: '{host}'}}\n");
    fs::write(user.home.path().join("builder.mlem"), declaration).unwrap();
    let build = ["build", "needy", "-f", "builder.mlem", "--base", BASE, "--pull", "never"];
    let outcome = user.run(&[&build[..], &["--to", "oci-dir:out"]].concat()).await;
    told(&outcome, "W0203", 6);
    assert!(outcome.err.contains(host), "{}", outcome.err);
}

#[tokio::test]
async fn a_model_is_deployed_from_an_image_of_wharfs_own() {
    let mut user = user("amd64");
    let fake = engine_with_base();
    user.engine = Some(fake.clone());
    let up = ["up", "needy", "--base", BASE, "--builder", "native", "--json"];
    let first = user.run(&up).await.expect(0).json();
    assert_eq!((&first["builder"], &first["image_reused"]), (&json!("native"), &json!(false)));
    let again = user.run(&up).await.expect(0).json();
    assert_eq!((&again["changed"], &again["image_reused"]), (&json!(false), &json!(true)));
    // The wheel, the server and the model.
    assert_eq!(fake.layers_sent(), [3]);
    assert_eq!(fake.images_saved(), 1, "what is known of the base is enough");
}

#[tokio::test]
#[ignore = "needs engine"]
async fn docker_gets_what_it_lacks_and_the_model_answers() {
    on_engine("native-up", async move |user| {
        user.example("pipeline-sklearn");
        let up = ["up", "pipeline-sklearn", "--builder", "native", "--base", "python:3.11-slim"];
        let up = [&up[..], &["--pull", "never", "--json", "--wait=120s"]].concat();
        let first = user.run(&up).await.expect(0).json();
        compare("pipeline-sklearn", port(&first), SAME_LIBRARY);
        let again = user.run(&up).await.expect(0).json();
        assert_eq!((&again["changed"], &again["image_reused"]), (&json!(false), &json!(true)));
        let layers = |image: &str| {
            let format = "{{range .RootFS.Layers}}{{.}} {{end}}";
            output(Command::new("docker").args(["image", "inspect", "-f", format, image]))
        };
        let own = layers(first["image"].as_str().unwrap());
        assert!(own.starts_with(layers("python:3.11-slim").trim_end()), "{own}");
        user.run(&["down", "pipeline-sklearn", "--image"]).await.expect(0);
    })
    .await;
}

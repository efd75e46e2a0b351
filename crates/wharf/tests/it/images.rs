//! Images of others: pulled, pushed from files, copied, listed and removed; with Debian's `docker-registry` and skopeo.

use std::{path::Path, process::Command};

use serde_json::{Value, json};
use wharf_oci::{
    descriptor::{Descriptor, Document, INDEX},
    layout,
    tree::Tree,
};

use crate::{
    hermetic::{files, image},
    registry::{Lab, output, told, user},
    support::{User, on_engine},
};

/// Pushes the example to a registry, and returns its name and digest.
async fn pushed(lab: &Lab, user: &User) -> (String, String) {
    let name = lab.name("ml/iris:1");
    let outcome = user.run(&["push", "iris", "--to", &name, "--no-sbom"]).await.expect(0);
    let digest = outcome.out.trim().strip_prefix(&format!("{name}@")).unwrap().to_owned();
    (name, digest)
}

fn skopeo(args: &[&str]) -> String {
    output(Command::new("skopeo").args(args))
}

/// Runs a command that answers with a document.
async fn json_of(user: &User, args: &[&str]) -> Value {
    user.run(&[args, &["--json"]].concat()).await.expect(0).json()
}

#[tokio::test]
#[ignore = "needs registry"]
async fn an_image_keeps_its_digest_in_every_form() {
    let (lab, user) = (Lab::start("", ""), user());
    let (name, digest) = pushed(&lab, &user).await;
    for (at, form) in ["oci-dir:d", "oci-archive:o.tar", "docker-archive:a.tar"].iter().enumerate()
    {
        let pulled = json_of(&user, &["pull", &name, "--to", form]).await;
        assert_eq!(
            (&pulled["schema"], &pulled["digest"]),
            (&json!("wharf.pull/v1"), &json!(digest))
        );
        let to = lab.name(&format!("form{at}/iris:1"));
        let again = json_of(&user, &["push", form, "--to", &to]).await;
        assert_eq!(again["digest"], json!(digest), "{form}");
    }
    let path = |file: &str| user.home.path().join(file).display().to_string();
    let seen =
        skopeo(&["inspect", "--format", "{{.Digest}}", &format!("oci-archive:{}", path("o.tar"))]);
    assert_eq!(seen.trim(), digest);
    skopeo(&["inspect", &format!("docker-archive:{}", path("a.tar"))]);
    skopeo(&["inspect", &format!("oci:{}", path("d"))]);
}

#[tokio::test]
#[ignore = "needs registry"]
async fn what_skopeo_writes_is_read() {
    let (lab, user) = (Lab::start("", ""), user());
    let (name, digest) = pushed(&lab, &user).await;
    let from = format!("docker://{name}");
    for (ours, theirs) in
        [("oci-dir", "oci"), ("oci-archive", "oci-archive"), ("docker-archive", "docker-archive")]
    {
        let path = user.home.path().join(theirs);
        let to = format!("{theirs}:{}:ml/iris:1", path.display());
        let copy = ["copy", "--src-tls-verify=false", &from, &to];
        // Without being asked to keep digests skopeo compresses layers anew; a docker archive has none to keep.
        let flags: &[&str] = if ours == "docker-archive" { &[] } else { &["--preserve-digests"] };
        skopeo(&[&copy[..], flags].concat());
        let source = format!("{ours}:{}", path.display());
        let sent = json_of(&user, &["push", &source, "--to", &lab.name("again/iris:1")]).await;
        if ours != "docker-archive" {
            assert_eq!(sent["digest"], json!(digest), "{ours}");
        }
        skopeo(&[
            "inspect",
            "--tls-verify=false",
            &format!("docker://{}", lab.name("again/iris:1")),
        ]);
    }
}

#[tokio::test]
#[ignore = "needs registry"]
async fn images_are_copied_between_registries_and_within_one() {
    let (lab, other, user) = (Lab::start("", ""), Lab::start("", ""), user());
    let (name, digest) = pushed(&lab, &user).await;
    let far = other.name("team/iris:1");
    let copied = json_of(&user, &["image", "copy", &name, &far]).await;
    assert_eq!((&copied["digest"], &copied["changed"]), (&json!(digest), &json!(true)));
    let again = json_of(&user, &["image", "copy", &name, &far]).await;
    assert_eq!((&again["changed"], &again["sent"]), (&json!(false), &json!(0)));
    let near = json_of(&user, &["image", "copy", &name, &lab.name("near/iris:1")]).await;
    let sent = near["sent"].as_u64().unwrap();
    assert!(sent < 4096, "layers are taken over, and {sent} bytes were sent");
    let by_digest = format!("{}@{digest}", lab.name("ml/iris"));
    let pulled = json_of(&user, &["pull", &by_digest, "--to", "oci-dir:x"]).await;
    assert_eq!(pulled["digest"], json!(digest));
}

#[tokio::test]
#[ignore = "needs registry"]
async fn tags_are_listed_added_and_removed() {
    let (lab, user) = (Lab::start("", ""), user());
    let (name, digest) = pushed(&lab, &user).await;
    user.run(&["image", "tag", &name, "stable"]).await.expect(0);
    let listed = json_of(&user, &["image", "ls", &lab.name("ml/iris")]).await;
    let items = listed["items"].as_array().unwrap();
    assert_eq!(items.len(), 2, "{listed}");
    assert!(items.iter().all(|item| item["digest"] == json!(digest)));
    let table = user.run(&["image", "ls", &lab.name("ml/iris")]).await.expect(0).out;
    assert!(table.starts_with("REFERENCE") && table.contains("linux/"), "{table}");
    let repositories = user.run(&["image", "ls", &lab.host()]).await.expect(0).out;
    assert_eq!(repositories, format!("{}\n", lab.name("ml/iris")));
    let shown = json_of(&user, &["image", "show", &name]).await;
    assert_eq!(shown["platforms"][0]["digest"], json!(digest));

    let refused = user.run(&["image", "rm", &name]).await;
    told(&refused, "W0322", 5);
    assert!(refused.err.contains("`stable` would go with it"), "{}", refused.err);
    let removed = json_of(&user, &["image", "rm", &name, "--force"]).await;
    assert_eq!(removed["tags"], json!(["1", "stable"]));
    told(&user.run(&["image", "show", &name]).await, "W0314", 3);
}

#[tokio::test]
#[ignore = "needs engine"]
async fn images_of_docker_go_to_a_registry_and_back() {
    on_engine("images", |user| async move {
        let lab = Lab::start("", "");
        let tar = user.home.path().join("python.tar").display().to_string();
        output(Command::new("docker").args(["save", "-o", &tar, "python:3.11-slim"]));
        let name = lab.name("python:3.11");
        user.run(&["push", &format!("docker-archive:{tar}"), "--to", &name]).await.expect(0);
        let layers = |name: &str| {
            output(Command::new("docker").args([
                "image",
                "inspect",
                "-f",
                "{{.RootFS.Layers}}",
                name,
            ]))
        };
        let pulled = user.run(&["pull", &name]).await;
        let again = user.run(&["pull", &name, "--json"]).await;
        let found = layers(&name);
        output(Command::new("docker").args(["rmi", &name]));
        pulled.expect(0);
        assert_eq!(again.expect(0).json()["changed"], json!(false));
        assert_eq!(found, layers("python:3.11-slim"));
        // Docker itself takes what was pushed.
        output(Command::new("docker").args(["pull", "-q", &name]));
        let found = layers(&name);
        output(Command::new("docker").args(["rmi", &name]));
        assert_eq!(found, layers("python:3.11-slim"));
    })
    .await;
}

#[tokio::test]
#[ignore = "needs registry"]
async fn an_image_of_the_engine_is_pushed_as_it_is() {
    let (lab, (user, _)) = (Lab::start("", ""), User::of_fake());
    user.example("iris");
    user.run(&["build", "iris", "-t", "iris:1"]).await.expect(0);
    let to = lab.name("ml/iris:1");
    let push = ["push", "iris:1", "--to", &to];
    let pushed = json_of(&user, &push).await;
    assert_eq!((&pushed["changed"], pushed.get("model_hash")), (&json!(true), None));
    let again = json_of(&user, &push).await;
    assert_eq!((&again["changed"], &again["sent"]), (&json!(false), &json!(0)));
    // Of native models the engine has the very layers that wharf made.
    let built = json_of(&user, &["push", "iris", "--to", &lab.name("ml/built:1")]).await;
    assert_eq!(built["size"], pushed["size"]);
    let left = files(&user.home.path().join(".cache/wharf/images"));
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn what_wharf_made_is_listed_where_the_engine_has_it() {
    let (user, fake) = User::of_fake();
    user.example("iris");
    fake.add_image("python:3.11-slim", image("python"));
    user.run(&["build", "iris", "-t", "iris:1"]).await.expect(0);
    let listed = json_of(&user, &["image", "ls"]).await;
    let names: Vec<_> =
        listed["items"].as_array().unwrap().iter().map(|item| &item["reference"]).collect();
    assert_eq!(names, ["iris:1"]);
    let table = user.run(&["image", "ls"]).await.expect(0).out;
    assert!(table.starts_with("REFERENCE") && table.contains("iris:1"), "{table}");
    told(&user.run(&["image", "ls", "--plain-http"]).await, "W0208", 2);
}

#[tokio::test]
#[ignore = "needs registry"]
async fn images_are_explained_wherever_they_are() {
    let (lab, (user, _)) = (Lab::start("", ""), User::of_fake());
    user.example("iris");
    user.run(&["build", "iris", "-t", "iris:1", "--to", "engine", "--to", "oci-dir:d"])
        .await
        .expect(0);
    let (name, _) = pushed(&lab, &user).await;
    for image in ["iris:1", "engine:iris:1", "oci-dir:d", &name] {
        let explained = json_of(&user, &["image", "explain", image, "--since", &name]).await;
        let layers = explained["layers"].as_array().unwrap();
        assert_eq!(layers[0]["title"], json!("server wharf-serve"), "{image}");
        assert!(layers.iter().all(|layer| layer["state"] == json!("shared")), "{explained}");
    }
    told(&user.run(&["image", "explain", "engine:iris:2"]).await, "W0206", 3);
}

#[tokio::test]
#[ignore = "needs engine"]
async fn what_only_docker_has_is_pushed_and_pulled_again() {
    on_engine("images-only", |user| async move {
        let lab = Lab::start("", "");
        let name = lab.name("python:3.11");
        user.run(&["push", "python:3.11-slim", "--to", &name]).await.expect(0);
        let facts = |name: &str| {
            let format = "{{.RootFS.Layers}} {{.Config.Env}}";
            output(Command::new("docker").args(["image", "inspect", "-f", format, name]))
        };
        output(Command::new("docker").args(["pull", "-q", &name]));
        let found = facts(&name);
        output(Command::new("docker").args(["rmi", &name]));
        assert_eq!(found, facts("python:3.11-slim"));
    })
    .await;
}

/// A layout of an index that names one image for a machine of a kind that nobody has.
fn index_of_nobody(folder: &Path) {
    let child = br#"{"schemaVersion":2}"#;
    let child = Descriptor::of("application/vnd.oci.image.manifest.v1+json", child);
    let bytes = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
        {"mediaType": child.media_type, "digest": child.digest, "size": child.size,
         "platform": {"os": "linux", "architecture": "abacus"}}]});
    let document = Document { media_type: INDEX.to_owned(), bytes: bytes.to_string().into() };
    let tree = Tree { document, config: None, layers: Vec::new(), children: Vec::new() };
    layout::write_folder(tree, &[], folder).unwrap();
}

#[tokio::test]
async fn images_that_cannot_be_used_are_told_by_their_part() {
    let user = user();
    let path = user.home.path().join("x");
    index_of_nobody(&path);
    let copy = ["image", "copy", "oci-dir:x", "localhost:1/x:1", "--platform", "linux/amd64"];
    let none = user.run(&copy).await;
    told(&none, "W0321", 3);
    assert!(none.err.contains("linux/abacus"), "{}", none.err);

    std::fs::write(path.join("index.json"), "{\"schemaVersion\": 2, \"manifests\": {}}").unwrap();
    told(&user.run(&["push", "oci-dir:x", "--to", "localhost:1/x:1"]).await, "W0320", 1);
    std::fs::write(user.home.path().join("x.tar"), [7; 512]).unwrap();
    let damaged = user.run(&["push", "docker-archive:x.tar", "--to", "localhost:1/x:1"]).await;
    told(&damaged, "W0320", 1);
    assert!(damaged.err.contains("at byte 0 is no header"), "{}", damaged.err);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_before_anybody_is_asked() {
    let user = user();
    for args in [
        &["pull", "localhost:1/x:1", "--to", "context:x"][..],
        &["pull", "localhost:1/x:1", "--to", "oci-dir:x", "--platform", "amd64"],
        &["image", "tag", "localhost:1/x:1", "other/x:1"],
        &["push", "iris", "--image", "x", "--to", "localhost:1/x:1"],
    ] {
        told(&user.run(args).await, "W0101", 2);
    }
    let kept = user.home.path().join("mine");
    std::fs::create_dir(&kept).unwrap();
    std::fs::write(kept.join("thesis.txt"), "x").unwrap();
    told(&user.run(&["pull", "localhost:1/x:1", "--to", "oci-dir:mine"]).await, "W0413", 5);
}

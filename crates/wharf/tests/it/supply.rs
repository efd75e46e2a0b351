//! What goes with an image: SBOM, provenance and signatures in Debian's registry, read back by others; and refusals.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    process::Command,
    thread,
};

use serde_json::Value;

use crate::{
    registry::{Lab, PASSWORD, login, output, told, user},
    support::User,
};

const KEY: &str =
    "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out wharf.key 2>/dev/null
    openssl pkey -in wharf.key -pubout -out wharf.pub
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out other.key 2>/dev/null
    openssl pkey -in other.key -pubout -out other.pub
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out p384.key 2>/dev/null";

/// Makes two pairs of keys in the user's home, and one of another kind.
fn make_keys(user: &User) {
    output(Command::new("sh").args(["-ec", KEY]).current_dir(user.home.path()));
}

/// What skopeo reads of a manifest.
fn raw(reference: &str) -> Value {
    let at = format!("docker://{reference}");
    let text = output(Command::new("skopeo").args(["inspect", "--tls-verify=false", "--raw", &at]));
    serde_json::from_str(&text).unwrap()
}

/// What skopeo and curl read of the attachments of an image, by their media type.
fn attached(lab: &Lab, digest: &str) -> Vec<(String, Value)> {
    let list = raw(&lab.name(&format!("iris:{}", digest.replace(':', "-"))));
    let one = |entry: &Value| {
        let manifest = raw(&lab.name(&format!("iris@{}", entry["digest"].as_str().unwrap())));
        assert_eq!(manifest["subject"]["digest"], digest);
        let blob = manifest["layers"][0]["digest"].as_str().unwrap();
        let url = format!("http://{}/v2/iris/blobs/{blob}", lab.host());
        let document = output(Command::new("curl").args(["-sSf", &url]));
        let kind = entry["artifactType"].as_str().unwrap().to_owned();
        (kind, serde_json::from_str(&document).unwrap())
    };
    list["manifests"].as_array().unwrap().iter().map(one).collect()
}

#[tokio::test]
#[ignore = "needs registry"]
async fn a_push_attaches_what_the_image_is_made_of_once() {
    let (user, lab) = (user(), Lab::start("", ""));
    let to = lab.name("iris:1");
    let push = async |more: &[&str]| {
        user.run(&[&["push", "iris", "--to", &to, "--json"], more].concat()).await.expect(0).json()
    };
    assert_eq!(push(&["--no-sbom"]).await["attached"], 0);
    let first = push(&[]).await;
    assert_eq!((&first["changed"], &first["attached"]), (&false.into(), &2.into()));
    assert_eq!(push(&[]).await["attached"], 0, "the same again attaches nothing");

    let digest = first["digest"].as_str().unwrap();
    let attached = attached(&lab, digest);
    let [(sbom_type, sbom), (provenance_type, provenance)] = attached.as_slice() else {
        panic!("{attached:?}")
    };
    assert_eq!(sbom_type, "application/vnd.cyclonedx+json");
    assert_eq!(sbom["metadata"]["component"]["version"], digest);
    let kinds: Vec<_> =
        sbom["components"].as_array().unwrap().iter().map(|part| &part["type"]).collect();
    assert_eq!(kinds, ["application", "machine-learning-model"]);
    assert_eq!(provenance_type, "application/vnd.in-toto+json");
    assert_eq!(provenance["subject"][0]["digest"]["sha256"], digest["sha256:".len()..]);
    assert_eq!(provenance["predicateType"], "https://slsa.dev/provenance/v1");
}

#[tokio::test]
#[ignore = "needs registry"]
async fn who_signed_an_image_can_be_checked() {
    let (user, lab) = (user(), Lab::start("", ""));
    make_keys(&user);
    let to = lab.name("iris:1");
    let run = async |args: &[&str]| user.run(args).await;
    let pushed = run(&["push", "iris", "--to", &to, "--json"]).await.expect(0).json();
    let digest = pushed["digest"].as_str().unwrap().to_owned();
    told(&run(&["image", "verify", &to, "--key", "wharf.pub"]).await, "W0325", 1);
    let sign = ["image", "sign", &to, "--key", "wharf.key", "--json"];
    assert_eq!(run(&sign).await.expect(0).json()["signed"], serde_json::json!([digest]));
    assert_eq!(run(&sign).await.expect(0).json()["changed"], false);
    let verified = run(&["image", "verify", &to, "--key", "other.pub", "--key", "wharf.pub"]).await;
    assert_eq!(verified.expect(0).out, format!("{}@{digest}\n", lab.name("iris")));
    told(&run(&["image", "verify", &to, "--key", "other.pub"]).await, "W0326", 1);

    // Where `cosign verify --key` looks for the older form.
    let classic = raw(&lab.name(&format!("iris:{}.sig", digest.replace(':', "-"))));
    assert_eq!(
        classic["layers"][0]["mediaType"],
        "application/vnd.dev.cosign.simplesigning.v1+json"
    );

    // The image is built anew: its signature is the old one's.
    let project = user.home.path().join("iris/wharf.yaml");
    let text = fs::read_to_string(&project).unwrap();
    fs::write(&project, text.replacen("setosa", "bristly", 1)).unwrap();
    run(&["push", "iris", "--to", &to, "--sign", "other.key"]).await.expect(0);
    told(&run(&["image", "verify", &to, "--key", "wharf.pub"]).await, "W0326", 1);
    run(&["image", "verify", &to, "--key", "other.pub"]).await.expect(0);
}

#[tokio::test]
#[ignore = "needs registry"]
async fn provenance_is_signed_by_the_push_that_made_it() {
    let (user, lab) = (user(), Lab::start("", ""));
    make_keys(&user);
    let (signed, later) = (lab.name("iris:1"), lab.name("later/iris:1"));
    let run = async |args: &[&str]| user.run(args).await.expect(0).json();
    let push = ["push", "iris", "--to", &signed, "--sign", "wharf.key", "--json"];
    assert_eq!(run(&push).await["attached"], 4, "SBOM, provenance, and two signatures");
    assert_eq!(run(&push).await["attached"], 0, "the same again attaches nothing");
    let verify = async |name: &str| {
        let keys = ["--key", "wharf.pub", "--json"];
        run(&[&["image", "verify", name], &keys[..]].concat()).await["provenance_signed"].clone()
    };
    assert_eq!(verify(&signed).await, true);
    // Who signs an image later knows nothing of where its provenance comes from.
    run(&["push", "iris", "--to", &later, "--json"]).await;
    run(&["image", "sign", &later, "--key", "wharf.key", "--json"]).await;
    assert_eq!(verify(&later).await, false);
}

#[tokio::test]
#[ignore = "needs registry"]
async fn an_image_is_explained_layer_by_layer() {
    let (user, lab) = (user(), Lab::start("", ""));
    let (one, two) = (lab.name("iris:1"), lab.name("iris:2"));
    user.run(&["push", "iris", "--to", &one]).await.expect(0);
    let alone = user.run(&["image", "explain", &one]).await.expect(0);
    assert!(alone.out.contains("server wharf-serve"), "{}", alone.out);
    assert!(alone.out.lines().next().unwrap().starts_with("LAYER"), "{}", alone.out);

    let project = user.home.path().join("iris/wharf.yaml");
    let text = fs::read_to_string(&project).unwrap();
    fs::write(&project, text.replacen("setosa", "bristly", 1)).unwrap();
    user.run(&["push", "iris", "--to", &two]).await.expect(0);
    let explained = user.run(&["image", "explain", &two, "--since", &one, "--json"]).await;
    let explained = explained.expect(0).json();
    let states: Vec<_> =
        explained["layers"].as_array().unwrap().iter().map(|layer| &layer["state"]).collect();
    assert_eq!(states, ["shared", "changed"], "{explained}");
    let changed: Vec<_> =
        explained["changes"].as_array().unwrap().iter().map(|change| &change["what"]).collect();
    assert_eq!(changed, ["label io.wharf.model.hash"]);
}

#[tokio::test]
#[ignore = "needs registry"]
async fn what_was_signed_is_run_from_a_registry_that_wants_a_password() {
    let ((user, fake), lab) = (User::of_fake(), Lab::with_password());
    user.example("iris");
    make_keys(&user);
    login(&user, &lab.host(), PASSWORD, &[]).expect(0);
    let to = lab.name("iris:1");
    let push = ["push", "iris", "--to", &to, "--sign", "wharf.key", "--json"];
    let pushed = user.run(&push).await.expect(0).json();
    let digest = pushed["digest"].as_str().unwrap();
    let up = ["up", &to, "--verify", "--key", "wharf.pub", "--no-wait", "--json"];
    let up = user.run(&up).await.expect(0).json();
    // The name says which content was verified, whatever the tag stands for by now.
    let name = format!("{}:{}", lab.name("iris"), &digest["sha256:".len()..][..12]);
    assert_eq!(up["image"], name);
    assert_eq!(fake.images_made(), [name]);
    let other = ["up", &to, "--verify", "--key", "other.pub", "--no-wait"];
    told(&user.run(&other).await, "W0326", 1);
}

/// A registry that has an image, and can keep nothing else.
fn registry_without_attachments() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap();
    let manifest = r#"{"schemaVersion":2,"layers":[]}"#;
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut request = vec![0; 64 << 10];
            let count = stream.read(&mut request).unwrap_or(0);
            let line = String::from_utf8_lossy(&request[..count]).into_owned();
            let (status, body) = match line.split(' ').nth(1).unwrap_or_default() {
                "/v2/" => ("200 OK", ""),
                path if path.ends_with("/manifests/1") => ("200 OK", manifest),
                path if path.contains("/referrers/") => ("404 Not Found", ""),
                _ => ("405 Method Not Allowed", ""),
            };
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
            );
            // A client that speaks TLS is none of ours.
            if line.is_ascii() {
                stream.write_all(format!("{head}{body}").as_bytes()).ok();
            }
        }
    });
    format!("{host}/iris:1")
}

#[tokio::test]
async fn a_registry_without_attachments_is_told_from_an_image_without_a_signature() {
    let (user, _) = User::of_fake();
    make_keys(&user);
    let at = registry_without_attachments();
    told(&user.run(&["image", "verify", &at, "--key", "wharf.pub"]).await, "W0327", 1);
}

#[tokio::test]
async fn keys_that_cannot_be_used_are_told_before_anything_is_asked() {
    let (user, _) = User::of_fake();
    make_keys(&user);
    let nowhere = "nowhere.invalid/iris:1";
    for key in ["p384.key", "wharf.pub"] {
        told(&user.run(&["image", "sign", nowhere, "--key", key]).await, "W0328", 2);
    }
    told(&user.run(&["image", "verify", nowhere, "--key", "wharf.key"]).await, "W0328", 2);
    told(&user.run(&["image", "verify", nowhere, "--key", "no-such"]).await, "W0802", 1);
}

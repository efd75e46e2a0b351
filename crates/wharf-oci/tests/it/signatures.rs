//! Signatures of images in a registry: made, found again, and refused.

use std::{
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use wharf_oci::{
    attachment::list_tag,
    descriptor::{Descriptor, MANIFEST},
    registry::{ManifestName, Registry},
    sign::{
        Form, SignError, Statement, attest,
        document::statement,
        is_attested,
        key::{KeyFile, PublicKey, SigningKey},
        sign, verify,
    },
};
use wharf_spec::digest::Digest;

use crate::{
    push::send,
    stub::{Answer, Stub, image},
};

fn key() -> SigningKey {
    KeyFile::parse(include_str!("../data/keys/ec.pem")).unwrap().open(None).unwrap()
}

fn public() -> PublicKey {
    PublicKey::parse(include_str!("../data/keys/ec.pub")).unwrap()
}

fn other() -> PublicKey {
    PublicKey::parse(include_str!("../data/keys/other.pub")).unwrap()
}

/// A registry with an image in it.
async fn with_image(stub: &Stub) -> (Registry, Digest) {
    let registry = stub.connect().await.unwrap();
    let digest = send(&image(), &registry).await.unwrap().digest;
    (registry, digest)
}

async fn signed(registry: &Registry) -> Vec<Digest> {
    sign(registry, "ml/iris", &ManifestName::Tag("1"), &key()).await.unwrap()
}

#[tokio::test]
async fn an_image_is_signed_once_and_verified() {
    for stub in
        [Stub::start(|_, _| Answer::Normal), Stub::start(|_, _| Answer::Normal).that_lists()]
    {
        let (registry, digest) = with_image(&stub).await;
        let unsigned = verify(&registry, "ml/iris", digest, &[public()]).await;
        assert!(matches!(unsigned, Err(SignError::Unsigned { .. })), "{unsigned:?}");
        assert_eq!(signed(&registry).await, [digest]);
        let form = verify(&registry, "ml/iris", digest, &[other(), public()]).await.unwrap();
        assert_eq!(form, Form::Bundle);
        let by_other = verify(&registry, "ml/iris", digest, &[other()]).await;
        assert!(matches!(by_other, Err(SignError::OtherKey { .. })), "{by_other:?}");
        let sent = stub.count("PUT", "");
        assert_eq!(signed(&registry).await, [], "what is signed is left alone");
        assert_eq!(stub.count("PUT", ""), sent);
    }
}

#[tokio::test]
async fn the_classic_form_alone_is_enough() {
    let is_signed = Arc::new(AtomicBool::new(false));
    let gone = is_signed.clone();
    let stub = Stub::start(move |seen, _| {
        // The list of attachments is gone: only the tag of the older form is left.
        let is_list = seen.path.contains("/manifests/sha256-") && !seen.path.ends_with(".sig");
        match is_list && gone.load(Ordering::SeqCst) {
            true => Answer::With(404, Vec::new(), String::new()),
            false => Answer::Normal,
        }
    });
    let (registry, digest) = with_image(&stub).await;
    signed(&registry).await;
    is_signed.store(true, Ordering::SeqCst);
    let form = verify(&registry, "ml/iris", digest, &[public()]).await.unwrap();
    assert_eq!(form, Form::Classic);
}

#[tokio::test]
async fn a_signature_is_of_one_digest() {
    let stub = Stub::start(|_, _| Answer::Normal);
    let (registry, digest) = with_image(&stub).await;
    signed(&registry).await;
    let another = wharf_oci::descriptor::digest_of(b"another image");
    // Somebody shows the signatures of the first image for another one.
    for suffix in ["", ".sig"] {
        let (from, to) =
            (format!("{}{suffix}", list_tag(digest)), format!("{}{suffix}", list_tag(another)));
        let manifest = registry.manifest("ml/iris", &ManifestName::Tag(&from)).await.unwrap();
        let media_type = serde_json::from_slice::<Value>(&manifest).unwrap()["mediaType"].clone();
        let document = wharf_oci::descriptor::Document {
            media_type: media_type.as_str().unwrap().to_owned(),
            bytes: manifest,
        };
        registry.put_manifest("ml/iris", &ManifestName::Tag(&to), &document).await.unwrap();
    }
    let moved = verify(&registry, "ml/iris", another, &[public()]).await;
    assert!(matches!(moved, Err(SignError::OtherKey { .. })), "{moved:?}");
}

#[tokio::test]
async fn a_signed_statement_is_attached_once_and_is_no_signature_of_the_image() {
    const MADE: &str = "https://slsa.dev/provenance/v1";
    let stub = Stub::start(|_, _| Answer::Normal);
    let (registry, digest) = with_image(&stub).await;
    let manifest = registry.manifest("ml/iris", &ManifestName::Tag("1")).await.unwrap();
    let subject = Descriptor::of(MANIFEST, &manifest);
    let attested = async |by: &str| {
        let bytes = statement(digest, MADE, &serde_json::json!({"by": by}));
        let statement = Statement { predicate_type: MADE, bytes: &bytes };
        attest(&registry, "ml/iris", &subject, statement, &key()).await.unwrap()
    };
    let holds = async |predicate_type: &str, key: PublicKey| {
        is_attested(&registry, "ml/iris", digest, predicate_type, &[key]).await.unwrap()
    };
    assert!(!holds(MADE, public()).await);
    assert!(attested("us").await);
    assert!(!attested("us").await, "the same again is there");
    assert!(attested("them").await, "another statement is another one");
    assert!(holds(MADE, public()).await && !holds(MADE, other()).await);
    assert!(!holds("https://example.com/other", public()).await);
    let unsigned = verify(&registry, "ml/iris", digest, &[public()]).await;
    assert!(matches!(unsigned, Err(SignError::Unsigned { .. })), "{unsigned:?}");
}

#[tokio::test]
async fn each_platform_of_an_index_is_signed() {
    use wharf_oci::descriptor::{Document, INDEX};
    let stub = Stub::start(|_, _| Answer::Normal);
    let (registry, digest) = with_image(&stub).await;
    let manifest = registry.manifest("ml/iris", &ManifestName::Tag("1")).await.unwrap();
    let index = serde_json::json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
        {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": manifest.len()}
    ]});
    let document = Document { media_type: INDEX.to_owned(), bytes: index.to_string().into() };
    let top = registry.put_manifest("ml/iris", &ManifestName::Tag("all"), &document).await.unwrap();
    let done = sign(&registry, "ml/iris", &ManifestName::Tag("all"), &key()).await.unwrap();
    assert_eq!(done, [top, digest]);
}

/// Cosign itself is not run here; that what is stored is what it expects is held by names, places and bytes, and the
/// signatures are checked by another program than the one that made them.
#[tokio::test]
#[ignore = "needs openssl"]
async fn openssl_accepts_both_forms_as_they_are_stored() {
    let stub = Stub::start(|_, _| Answer::Normal);
    let (registry, digest) = with_image(&stub).await;
    signed(&registry).await;

    let tag = format!("sha256-{}.sig", digest.hex());
    let classic = json(&registry.manifest("ml/iris", &ManifestName::Tag(&tag)).await.unwrap());
    let layer = &classic["layers"][0];
    assert_eq!(layer["mediaType"], "application/vnd.dev.cosign.simplesigning.v1+json");
    let signature = layer["annotations"]["dev.cosignproject.cosign/signature"].as_str().unwrap();
    let payload = blob(&stub, layer["digest"].as_str().unwrap());
    assert_eq!(json(&payload)["critical"]["image"]["docker-manifest-digest"], digest.to_string());
    check_by_openssl(&payload, &STANDARD.decode(signature).unwrap());

    let listed = registry.referrers("ml/iris", digest).await.unwrap();
    let kind = "application/vnd.dev.sigstore.bundle.v0.3+json";
    assert_eq!(listed[0].artifact_type.as_deref(), Some(kind));
    let bundle = json(&registry.attached("ml/iris", listed[0].digest).await.unwrap());
    assert_eq!(bundle["mediaType"], kind);
    let envelope = &bundle["dsseEnvelope"];
    let statement = STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap();
    assert_eq!(json(&statement)["subject"][0]["digest"]["sha256"], digest.hex());
    let kind = envelope["payloadType"].as_str().unwrap();
    let mut message = format!("DSSEv1 {} {kind} {} ", kind.len(), statement.len()).into_bytes();
    message.extend_from_slice(&statement);
    let signature = envelope["signatures"][0]["sig"].as_str().unwrap();
    check_by_openssl(&message, &STANDARD.decode(signature).unwrap());
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

fn blob(stub: &Stub, digest: &str) -> Vec<u8> {
    stub.held(|held| held.blobs[&format!("ml/iris@{digest}")].clone())
}

#[track_caller]
fn check_by_openssl(message: &[u8], signature: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let (text, sig) = (folder.path().join("message"), folder.path().join("signature"));
    std::fs::write(&text, message).unwrap();
    std::fs::write(&sig, signature).unwrap();
    let status = Command::new("openssl")
        .args(["dgst", "-sha256", "-verify", "tests/data/keys/ec.pub", "-signature"])
        .args([&sig, &text])
        .stdout(Stdio::null())
        .status()
        .expect("openssl: `./test` installs it");
    assert!(status.success());
}

//! What goes with an image: in registries that list it, and in those that do not.

use wharf_oci::{
    attachment::{Attachment, list_tag},
    descriptor::{Descriptor, INDEX, MANIFEST},
    registry::{ManifestName, error::RegistryError},
};
use wharf_spec::{codes, error::Explain as _};

use crate::{
    push::forgetful,
    stub::{Answer, Stub},
};

fn subject() -> Descriptor {
    Descriptor::of(MANIFEST, b"an image")
}

fn note(text: &'static str) -> Attachment {
    Attachment::new("text/plain", text)
}

async fn attached(stub: &Stub) -> Vec<String> {
    let registry = stub.connect().await.unwrap();
    let mut texts = Vec::new();
    for referrer in registry.referrers("ml/iris", subject().digest).await.unwrap() {
        assert_eq!(referrer.artifact_type.as_deref(), Some("text/plain"));
        let bytes = registry.attached("ml/iris", referrer.digest).await.unwrap();
        texts.push(String::from_utf8(bytes.to_vec()).unwrap());
    }
    texts.sort();
    texts
}

async fn check_two_notes(stub: &Stub) {
    let registry = stub.connect().await.unwrap();
    assert_eq!(attached(stub).await, Vec::<String>::new());
    assert_eq!(registry.attach("ml/iris", &subject(), &[note("one")]).await.unwrap(), 1);
    assert_eq!(registry.attach("ml/iris", &subject(), &[note("two")]).await.unwrap(), 1);
    assert_eq!(attached(stub).await, ["one", "two"]);
    let sent = stub.count("PUT", "");
    assert_eq!(registry.attach("ml/iris", &subject(), &[note("one")]).await.unwrap(), 0);
    assert_eq!(stub.count("PUT", ""), sent, "what is attached is not sent again");
}

#[tokio::test]
async fn a_registry_that_lists_attachments_needs_no_tag() {
    let stub = Stub::start(|_, _| Answer::Normal).that_lists();
    check_two_notes(&stub).await;
    assert_eq!(stub.count("PUT", &list_tag(subject().digest)), 0);
}

#[tokio::test]
async fn elsewhere_they_are_listed_under_a_tag() {
    let stub = Stub::start(|_, _| Answer::Normal);
    check_two_notes(&stub).await;
    assert_eq!(stub.count("PUT", &list_tag(subject().digest)), 2);
}

#[tokio::test]
async fn whatever_is_said_instead_of_a_list_means_the_tag() {
    let garbage = || Answer::With(200, vec![("content-type", INDEX.to_owned())], "[]".to_owned());
    let page =
        || Answer::With(200, vec![("content-type", "text/html".to_owned())], "hi".to_owned());
    let elsewhere =
        || Answer::With(303, vec![("location", "http://192.0.2.1/".to_owned())], String::new());
    for answer in [garbage, page, elsewhere] {
        let stub = Stub::start(move |seen, _| match seen.path.contains("/referrers/") {
            true => answer(),
            false => Answer::Normal,
        });
        check_two_notes(&stub).await;
    }
}

#[tokio::test]
async fn a_list_that_another_writer_replaced_is_written_again() {
    let path = format!("/v2/ml/iris/manifests/{}", list_tag(subject().digest));
    let watched = path.clone();
    // It is looked at twice, written, read back: somebody else's list stands there by then, which does not have ours.
    let stub = Stub::start(move |seen, nth| {
        match seen.path == watched && seen.method == "GET" && matches!(nth, 2 | 3) {
            true => Answer::With(200, Vec::new(), r#"{"manifests":[]}"#.to_owned()),
            false => Answer::Normal,
        }
    });
    let registry = stub.connect().await.unwrap();
    assert_eq!(registry.attach("ml/iris", &subject(), &[note("one")]).await.unwrap(), 1);
    assert_eq!(stub.count("PUT", &path), 2);
    assert_eq!(attached(&stub).await, ["one"]);
}

#[tokio::test]
async fn an_attachment_is_sent_again_when_its_document_is_missed() {
    let stub = Stub::start(forgetful(1));
    let registry = stub.connect().await.unwrap();
    assert_eq!(registry.attach("ml/iris", &subject(), &[note("one")]).await.unwrap(), 1);
    assert_eq!(attached(&stub).await, ["one"]);
}

#[tokio::test]
async fn a_registry_without_attachments_is_an_error_of_its_own() {
    let stub = Stub::start(|seen, _| match seen.path.contains("/manifests/sha256:") {
        true if seen.method == "PUT" => Answer::With(400, Vec::new(), "no".to_owned()),
        _ => Answer::Normal,
    });
    let registry = stub.connect().await.unwrap();
    let error = registry.attach("ml/iris", &subject(), &[note("one")]).await.unwrap_err();
    assert_eq!(error.code(), codes::NO_ATTACHMENTS, "{error:?}");
}

#[tokio::test]
async fn endless_lists_and_documents_stop_at_their_limit() {
    let stub = Stub::start(|seen, _| match seen.path.contains("/manifests/sha256-") {
        true => Answer::Endless(200),
        false => Answer::Normal,
    });
    let registry = stub.connect().await.unwrap();
    let error = registry.referrers("ml/iris", subject().digest).await.unwrap_err();
    assert!(matches!(error, RegistryError::TooLarge { .. }), "{error:?}");

    let stub = Stub::start(|seen, _| match seen.path.contains("/blobs/sha256:") {
        true if seen.method == "GET" => Answer::Endless(200),
        _ => Answer::Normal,
    });
    let registry = stub.connect().await.unwrap();
    registry.attach("ml/iris", &subject(), &[note("one")]).await.unwrap();
    let listed = registry.referrers("ml/iris", subject().digest).await.unwrap();
    let error = registry.attached("ml/iris", listed[0].digest).await.unwrap_err();
    assert!(matches!(error, RegistryError::TooLarge { .. }), "{error:?}");
    assert!(registry.manifest("ml/iris", &ManifestName::Tag("none")).await.is_err());
}

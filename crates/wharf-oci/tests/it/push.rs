//! An image into a registry: what is sent, what is not, and what happens when the line breaks.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use wharf_oci::{
    copy::{Copied, Observer, Step, Target, Way, copy},
    descriptor::digest_of,
    image::Image,
    layer::Content,
    registry::{ManifestName, Registry, error::RegistryError},
};

use crate::stub::{Answer, Seen, Stub, image, image_of};

pub(crate) fn target() -> Target {
    Target { repository: "ml/iris".to_owned(), tag: "1".to_owned(), mount_from: Vec::new() }
}

pub(crate) async fn send(image: &Image, registry: &Registry) -> Result<Copied, RegistryError> {
    let silent: Observer = Arc::new(|_| {});
    copy(image, registry, &target(), &silent).await
}

#[tokio::test]
async fn what_is_there_is_not_sent() {
    let stub = Stub::start(|_, _| Answer::Normal);
    let registry = stub.connect().await.unwrap();
    let first = send(&image(), &registry).await.unwrap();
    assert!(first.sent > 3 << 20 && !first.unchanged, "{first:?}");
    let manifest = registry.manifest("ml/iris", &ManifestName::Tag("1")).await.unwrap();
    assert_eq!(digest_of(&manifest), first.digest);
    let puts = stub.count("PUT", "");
    let again = send(&image(), &registry).await.unwrap();
    assert_eq!(again, Copied { digest: first.digest, unchanged: true, sent: 0 });
    assert_eq!(stub.count("PUT", ""), puts, "the same image is not sent again");
}

#[tokio::test]
async fn layers_are_taken_over_from_a_repository_that_is_named() {
    let stub = Stub::start(|_, _| Answer::Normal);
    let registry = stub.connect().await.unwrap();
    let (steps, image) = (Arc::new(Mutex::new(Vec::new())), image());
    send(&image, &registry).await.unwrap();
    let watched = steps.clone();
    let observer: Observer = Arc::new(move |step| watched.lock().unwrap().push(step));
    let other = Target {
        repository: "ml/other".to_owned(),
        mount_from: vec!["no/such".to_owned(), "ml/iris".to_owned()],
        ..target()
    };
    let copied = copy(&image, &registry, &other, &observer).await.unwrap();
    assert!(copied.sent < 1000, "only the config is sent: {copied:?}");
    let steps = steps.lock().unwrap();
    assert!(matches!(steps[..], [Step::Done { way: Way::Mounted, .. }]), "{steps:?}");
}

#[tokio::test]
async fn a_layer_is_sent_again_when_the_line_breaks() {
    let stub = Stub::start(|seen, _| match seen.path.contains("uploads/0?") {
        true if seen.method == "PUT" => Answer::Cut(1 << 20),
        _ => Answer::Normal,
    });
    let registry = stub.connect().await.unwrap();
    let copied = send(&image(), &registry).await.unwrap();
    assert_eq!(stub.held(|held| held.blobs.len()), 2, "layer and config");
    assert!(copied.sent > 3 << 20);
}

#[tokio::test]
async fn a_line_that_always_breaks_is_an_error_in_the_end() {
    let stub = Stub::start(|seen, _| match seen.method.as_str() {
        "PUT" => Answer::Cut(1000),
        _ => Answer::Normal,
    });
    let registry = stub.connect().await.unwrap();
    let error = send(&image(), &registry).await.unwrap_err();
    assert!(matches!(error, RegistryError::Network { .. }), "{error:?}");
    assert_eq!(stub.count("PUT", "/blobs/"), 5);
    assert_eq!(stub.count("PUT", "/manifests/"), 0, "the tag did not move");
}

#[tokio::test]
async fn a_push_goes_on_after_the_registry_died_under_it() {
    let is_dead = Arc::new(AtomicBool::new(false));
    let dying = is_dead.clone();
    let stub = Stub::start(move |seen, nth| {
        // The layer has arrived, and the config is to come.
        if seen.method == "POST" && nth == 1 {
            dying.store(true, Ordering::SeqCst);
        }
        if dying.load(Ordering::SeqCst) { Answer::Cut(0) } else { Answer::Normal }
    });
    let registry = stub.connect().await.unwrap();
    let error = send(&image(), &registry).await.unwrap_err();
    assert!(matches!(error, RegistryError::Network { .. }), "{error:?}");
    assert_eq!(stub.held(|held| (held.blobs.len(), held.manifests.len())), (1, 0));

    is_dead.store(false, Ordering::SeqCst);
    let copied = send(&image(), &stub.connect().await.unwrap()).await.unwrap();
    assert!(copied.sent < 1000, "only the config is sent: {copied:?}");
    assert_eq!(stub.held(|held| held.blobs.len()), 2, "layer and config");
}

/// Returns the manners of a registry that misses blobs which it has when it gets a manifest, so many times; in the
/// words of Debian's.
pub(crate) fn forgetful(times: usize) -> impl Fn(&Seen, usize) -> Answer + Send + Sync {
    const SAID: &str = r#"{"errors":[{"code":"DIGEST_INVALID"},{"code":"MANIFEST_BLOB_UNKNOWN"}]}"#;
    move |seen, nth| match seen.is("PUT", "/manifests/") && nth < times {
        true => Answer::With(400, Vec::new(), SAID.to_owned()),
        false => Answer::Normal,
    }
}

#[tokio::test]
async fn a_manifest_is_sent_again_when_blobs_are_missed_that_are_there() {
    let stub = Stub::start(forgetful(2));
    let registry = stub.connect().await.unwrap();
    let copied = send(&image(), &registry).await.unwrap();
    assert_eq!(stub.count("PUT", "/manifests/"), 3);
    assert_eq!(registry.resolve("ml/iris", "1").await.unwrap(), Some(copied.digest));
}

#[tokio::test]
async fn blobs_that_are_missed_for_good_are_an_error() {
    let stub = Stub::start(forgetful(usize::MAX));
    let registry = stub.connect().await.unwrap();
    let error = send(&image(), &registry).await.unwrap_err();
    assert!(matches!(error, RegistryError::Refused { .. }), "{error:?}");
    assert_eq!(stub.count("PUT", "/manifests/"), 5);
}

#[tokio::test]
async fn a_registry_that_refuses_whole_layers_gets_chunks() {
    let stub = Stub::start(|seen, _| {
        let size = seen.headers.get("content-length").map_or(0, |text| text.parse().unwrap());
        if size > 2 << 20 { Answer::With(413, vec![], String::new()) } else { Answer::Normal }
    });
    let registry = stub.connect_with(|access| access.chunk = 2 << 20).await.unwrap();
    send(&image(), &registry).await.unwrap();
    let ranges: Vec<_> = stub
        .seen()
        .iter()
        .filter_map(|seen| seen.headers.get("content-range").cloned())
        .take(2)
        .collect();
    assert_eq!(ranges, ["0-2097151", "2097152-3147263"]);
    assert_eq!(stub.held(|held| held.blobs.len()), 2, "layer and config");
}

#[tokio::test]
async fn chunks_go_on_where_the_registry_says() {
    let stub = Stub::start(|seen, _| match seen.method.as_str() {
        "PUT" if seen.headers.get("content-length").is_some_and(|size| size.len() > 6) => {
            Answer::With(413, vec![], String::new())
        }
        // The first chunk arrives by half.
        "PATCH" if seen.path.contains("state=first") => Answer::KeepAndCut((1 << 20) + 7),
        _ => Answer::Normal,
    });
    let registry = stub.connect_with(|access| access.chunk = 2 << 20).await.unwrap();
    send(&image(), &registry).await.unwrap();
    let second = stub.seen().into_iter().filter(|seen| seen.method == "PATCH").nth(1).unwrap();
    assert_eq!(second.headers["content-range"], format!("{}-3145734", (1 << 20) + 7));
    assert_eq!(stub.held(|held| held.blobs.len()), 2, "layer and config");
}

#[tokio::test]
async fn a_file_that_changes_meanwhile_is_told_and_not_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.bin");
    std::fs::write(&path, vec![1; 3 << 20]).unwrap();
    let image = image_of(Content::File { path: path.clone(), size: 3 << 20 });
    std::fs::write(&path, vec![1; 2 << 20]).unwrap();
    let stub = Stub::start(|_, _| Answer::Normal);
    let registry = stub.connect().await.unwrap();
    let error = send(&image, &registry).await.unwrap_err();
    assert!(matches!(error, RegistryError::Image(_)), "{error:?}");
    assert_eq!(stub.count("POST", "uploads"), 1);
}

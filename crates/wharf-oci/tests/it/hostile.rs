//! Registries that steal, mislead or exhaust: each gets a clear error, and nothing goes elsewhere.

use wharf_oci::{
    descriptor::digest_of,
    registry::{ManifestName, PlainHttp, Registry, error::RegistryError},
};
use wharf_spec::error::Explain as _;

use crate::{
    push::send,
    stub::{Answer, Seen, Stub, access, ann, image},
};

/// No test lets more than this through.
const BOUND: u64 = 24 << 20;

fn at(location: String) -> Answer {
    Answer::With(307, vec![("location", location)], String::new())
}

#[track_caller]
fn stays(error: &RegistryError, trap: &Stub) {
    assert!(matches!(error, RegistryError::Elsewhere { .. }), "{error:?}");
    assert_eq!(error.code().to_string(), "W0316");
    assert_eq!(trap.connections(), 0, "somebody was asked whom the user did not name");
}

#[tokio::test]
async fn a_token_server_elsewhere_is_not_asked() {
    let trap = Stub::trap();
    let realm = format!("Bearer realm=\"{}\"", trap.url("/token"));
    let stub = Stub::start(move |_, _| {
        Answer::With(401, vec![("www-authenticate", realm.clone())], String::new())
    });
    let error = stub.connect().await.unwrap_err();
    stays(&error, &trap);
    let hints = error.hints().join(" ");
    assert!(hints.contains("`--token-host 127.0.0.1`"), "{hints}");
}

#[tokio::test]
async fn a_token_server_that_sends_on_is_not_followed() {
    let trap = Stub::trap();
    let elsewhere = trap.url("/token");
    let stub = Stub::start(move |seen, _| match seen.path.starts_with("/token") {
        true => at(elsewhere.clone()),
        false => {
            let challenge = "Bearer realm=\"/token\"".to_owned();
            Answer::With(401, vec![("www-authenticate", challenge)], String::new())
        }
    });
    let registry = stub.connect().await.unwrap();
    stays(&registry.verify().await.unwrap_err(), &trap);
}

/// Sends whoever asks for this elsewhere, and pushes.
async fn misled(wrong: impl Fn(&Seen, &str) -> Option<Answer> + Send + Sync + 'static) {
    let trap = Stub::trap();
    let elsewhere = trap.url("/x");
    let stub = Stub::start(move |seen, _| wrong(seen, &elsewhere).unwrap_or(Answer::Normal));
    let registry = stub.connect().await.unwrap();
    stays(&send(&image(), &registry).await.unwrap_err(), &trap);
}

#[tokio::test]
async fn redirects_of_manifests_are_not_followed_elsewhere() {
    misled(|seen, to| seen.is("HEAD", "/manifests/").then(|| at(to.to_owned()))).await;
    misled(|seen, to| seen.is("PUT", "/manifests/").then(|| at(to.to_owned()))).await;
}

#[tokio::test]
async fn uploads_do_not_go_elsewhere() {
    let opened = |to: &str| Answer::With(202, vec![("location", to.to_owned())], String::new());
    misled(move |seen, to| seen.is("POST", "/uploads/").then(|| opened(to))).await;
    misled(move |seen, _| seen.is("POST", "/uploads/").then(|| opened("http://169.254.169.254/")))
        .await;
    misled(|seen, to| seen.is("PUT", "/uploads/").then(|| at(to.to_owned()))).await;
}

#[tokio::test]
async fn a_blob_that_is_said_to_be_elsewhere_is_believed_and_not_asked_for() {
    let trap = Stub::trap();
    let elsewhere = trap.url("/x");
    let stub = Stub::start(move |seen, _| match seen.is("HEAD", "/blobs/") {
        true => at(elsewhere.clone()),
        false => Answer::Normal,
    });
    let registry = stub.connect().await.unwrap();
    assert_eq!(send(&image(), &registry).await.unwrap().sent, 0);
    assert_eq!(trap.connections(), 0);
}

#[tokio::test]
async fn redirects_within_the_registry_end() {
    let stub = Stub::start(|seen, _| match seen.path.contains("/manifests/") {
        true => at("/v2/ml/iris/manifests/1".to_owned()),
        false => Answer::Normal,
    });
    let registry = stub.connect().await.unwrap();
    let error = registry.manifest("ml/iris", &ManifestName::Tag("1")).await.unwrap_err();
    assert_eq!(error.code().to_string(), "W0317");
    assert!(stub.seen().len() < 10);
}

#[tokio::test]
async fn a_manifest_without_end_is_left_at_its_limit() {
    let stub = Stub::start(|seen, _| match seen.path.contains("/manifests/") {
        true => Answer::Endless(200),
        false => Answer::Normal,
    });
    let registry = stub.connect().await.unwrap();
    let error = registry.manifest("ml/iris", &ManifestName::Tag("1")).await.unwrap_err();
    assert!(matches!(error, RegistryError::TooLarge { what: "manifest", .. }), "{error:?}");
    assert!(stub.written() < BOUND, "{} bytes were taken", stub.written());
}

#[tokio::test]
async fn a_token_without_end_is_left_at_its_limit() {
    let stub = Stub::start(|seen, _| match seen.path.starts_with("/token") {
        true => Answer::Endless(200),
        false => {
            let challenge = "Bearer realm=\"/token\"".to_owned();
            Answer::With(401, vec![("www-authenticate", challenge)], String::new())
        }
    });
    let error = stub.connect().await.unwrap().verify().await.unwrap_err();
    assert!(matches!(error, RegistryError::TooLarge { what: "token", .. }), "{error:?}");
    assert!(stub.written() < BOUND, "{} bytes were taken", stub.written());
}

#[tokio::test]
async fn an_error_without_end_is_shown_by_its_beginning() {
    let stub = Stub::start(|seen, _| match seen.path.contains("/manifests/") {
        true => Answer::Endless(403),
        false => Answer::Normal,
    });
    let registry = stub.connect().await.unwrap();
    let error = registry.manifest("ml/iris", &ManifestName::Tag("1")).await.unwrap_err();
    assert_eq!(error.code().to_string(), "W0313");
    assert!(stub.written() < BOUND, "{} bytes were taken", stub.written());
}

#[tokio::test]
async fn a_long_error_is_cut() {
    let stub = Stub::start(|seen, _| match seen.path.contains("/manifests/") {
        true => Answer::With(500 + 5, vec![], "x".repeat(50_000)),
        false => Answer::Normal,
    });
    let registry = stub.connect().await.unwrap();
    let error = registry.manifest("ml/iris", &ManifestName::Tag("1")).await.unwrap_err();
    let said = std::error::Error::source(&error).unwrap().to_string();
    assert!((900..1200).contains(&said.len()), "{} characters", said.len());
}

#[tokio::test]
async fn other_content_than_was_asked_for_is_refused() {
    let stub = Stub::start(|seen, _| match seen.path.contains("/manifests/") {
        true => Answer::With(200, vec![], "{}".to_owned()),
        false => Answer::Normal,
    });
    let registry = stub.connect().await.unwrap();
    let asked = ManifestName::Digest(digest_of(b"another"));
    let error = registry.manifest("ml/iris", &asked).await.unwrap_err();
    assert!(matches!(error, RegistryError::Digest { .. }), "{error:?}");
}

#[tokio::test]
async fn a_manifest_that_is_taken_for_another_is_an_error() {
    let stub = Stub::start(|seen, _| match seen.is("PUT", "/manifests/") {
        true => {
            let other = digest_of(b"another").to_string();
            Answer::With(201, vec![("docker-content-digest", other)], String::new())
        }
        false => Answer::Normal,
    });
    let registry = stub.connect().await.unwrap();
    let error = send(&image(), &registry).await.unwrap_err();
    assert!(matches!(error, RegistryError::Digest { .. }), "{error:?}");
}

#[tokio::test]
async fn a_registry_that_does_not_say_what_it_took_is_asked() {
    let stub = Stub::start(|seen, _| match seen.path.contains("/manifests/") {
        true if seen.method == "PUT" => Answer::With(201, vec![], String::new()),
        true if seen.method == "GET" => Answer::With(200, vec![], "another".to_owned()),
        _ => Answer::Normal,
    });
    let registry = stub.connect().await.unwrap();
    let error = send(&image(), &registry).await.unwrap_err();
    assert!(matches!(error, RegistryError::Digest { .. }), "{error:?}");
}

#[tokio::test]
async fn too_many_requests_are_not_made_more() {
    let stub = Stub::start(|seen, _| match seen.path.contains("/manifests/") {
        true => Answer::With(429, vec![], String::new()),
        false => Answer::Normal,
    });
    let registry = stub.connect().await.unwrap();
    let error = registry.resolve("ml/iris", "1").await.unwrap_err();
    assert_eq!(error.code().to_string(), "W0315");
    assert_eq!(stub.count("HEAD", "/manifests/"), 5);
}

#[tokio::test]
async fn a_busy_registry_is_asked_again() {
    let stub = Stub::start(|seen, earlier| match seen.path.contains("/manifests/") {
        true if earlier < 2 => Answer::With(503, vec![], String::new()),
        _ => Answer::Normal,
    });
    let registry = stub.connect().await.unwrap();
    assert_eq!(registry.resolve("ml/iris", "1").await.unwrap(), None);
}

#[tokio::test]
async fn plain_http_leaves_this_machine_only_when_told() {
    let stub = Stub::start(|_, _| Answer::Normal);
    // Leads to this machine, and is not a loopback address by its number.
    let connect = async |plain_http| {
        let access = wharf_oci::registry::Access { plain_http, ..access() };
        let host = format!("0.0.0.0:{}", stub.address.port()).parse().unwrap();
        Registry::connect_as(host, Some(ann()), &access).await
    };
    assert!(connect(PlainHttp::Loopback).await.is_err());
    assert_eq!(stub.count("GET", "/v2/"), 0, "nothing was said in plain text");
    connect(PlainHttp::Allowed).await.unwrap();
    stub.connect_with(|access| access.plain_http = PlainHttp::Loopback).await.unwrap();
}

//! Proof of who asks: which header goes where, and when it is made anew.

use wharf_oci::{
    keychain::Credential,
    registry::{Registry, error::RegistryError},
};
use wharf_spec::{error::Explain as _, secret::Secret};

use crate::{
    push::send,
    stub::{Answer, BASIC, PASSWORD, Seen, Stub, access, image},
};

fn bearer(path: &str) -> Answer {
    let challenge = format!("Bearer realm=\"{path}\",service=\"reg\"");
    Answer::With(401, vec![("www-authenticate", challenge)], String::new())
}

fn has(seen: &Seen, authorization: &str) -> bool {
    seen.headers.get("authorization").is_some_and(|value| value == authorization)
}

/// Wants a token for everything but the token server.
fn wants_token(seen: &Seen) -> Answer {
    if seen.path.starts_with("/token") || has(seen, "Bearer t") {
        Answer::Normal
    } else {
        bearer("/token")
    }
}

#[tokio::test]
async fn the_password_goes_to_the_token_server_and_the_token_to_the_registry() {
    let stub = Stub::start(|seen, _| wants_token(seen));
    let registry = stub.connect().await.unwrap();
    send(&image(), &registry).await.unwrap();
    for seen in stub.seen() {
        let expect = if seen.path.starts_with("/token") { BASIC } else { "Bearer t" };
        let is_ping = seen.path == "/v2/";
        assert!(is_ping || has(&seen, expect), "{seen:?}");
    }
    let scopes = stub.count("GET", "/token?service=reg&scope=repository%3Aml%2Firis%3Apull%2Cpush");
    assert_eq!(scopes, 1, "one token for all of it");
}

#[tokio::test]
async fn an_identity_token_is_posted() {
    let stub = Stub::start(|seen, _| match seen.method.as_str() {
        "POST" if seen.path == "/token" => {
            Answer::With(200, vec![], "{\"access_token\": \"t\"}".to_owned())
        }
        _ => wants_token(seen),
    });
    let token = Credential::IdentityToken(Secret::new(PASSWORD.to_owned()));
    let host = stub.address.to_string().parse().unwrap();
    let registry = Registry::connect_as(host, Some(token), &access()).await.unwrap();
    registry.verify().await.unwrap();
    assert_eq!(stub.count("POST", "/token"), 1);
    assert_eq!(stub.count("GET", "/token"), 0);
}

#[tokio::test]
async fn a_token_that_ends_in_the_middle_of_an_upload_is_renewed() {
    let stub = Stub::start(|seen, earlier| match seen.method.as_str() {
        "PUT" if earlier == 0 && seen.path.contains("uploads") => bearer("/token"),
        _ => wants_token(seen),
    });
    let registry = stub.connect().await.unwrap();
    send(&image(), &registry).await.unwrap();
    assert_eq!(stub.held(|held| held.blobs.len()), 2, "layer and config");
}

#[tokio::test]
async fn basic_is_for_registries_that_ask_for_it() {
    let stub = Stub::start(|seen, _| {
        let challenge = ("www-authenticate", "Basic realm=\"reg\"".to_owned());
        if has(seen, BASIC) {
            Answer::Normal
        } else {
            Answer::With(401, vec![challenge], String::new())
        }
    });
    stub.connect().await.unwrap().verify().await.unwrap();
}

#[tokio::test]
async fn an_open_registry_gets_no_password() {
    let stub = Stub::start(|_, _| Answer::Normal);
    let registry = stub.connect().await.unwrap();
    send(&image(), &registry).await.unwrap();
    assert!(stub.seen().iter().all(|seen| !seen.headers.contains_key("authorization")));
}

#[tokio::test]
async fn a_registry_that_always_wants_more_is_asked_twice() {
    let stub = Stub::start(|seen, _| match seen.path.starts_with("/token") {
        true => Answer::Normal,
        false => bearer("/token"),
    });
    let registry = stub.connect().await.unwrap();
    let error = registry.verify().await.unwrap_err();
    assert!(matches!(error, RegistryError::Credentials { .. }), "{error:?}");
    assert_eq!(error.code().to_string(), "W0312");
    assert!(stub.seen().len() < 8, "{:?}", stub.seen());
}

#[tokio::test]
async fn a_wrong_password_is_told_without_it() {
    let stub = Stub::start(|seen, _| match seen.path.starts_with("/token") {
        true => Answer::With(
            401,
            vec![],
            "{\"errors\":[{\"code\":\"UNAUTHORIZED\",\"message\":\"wrong\"}]}".to_owned(),
        ),
        false => bearer("/token"),
    });
    let error = stub.connect().await.unwrap().verify().await.unwrap_err();
    assert_eq!(error.code().to_string(), "W0312");
    assert!(!format!("{error:?} {error}").contains(PASSWORD), "{error:?}");
}

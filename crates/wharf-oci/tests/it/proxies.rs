//! A registry behind a proxy with a password: what is for one of them is not shown to the other.

use wharf_net::client::{Client, Pem, Proxy as Proxies, Roots, Settings};
use wharf_oci::registry::{Access, PlainHttp, Registry, error::RegistryError};
use wharf_spec::error::Explain as _;
use wharf_testkit::{proxy::Proxy, tls};

use crate::{
    push::send,
    stub::{Answer, BASIC, PASSWORD, Stub, access, ann, image},
};

const PROXY_PASSWORD: &str = "c4nary";

/// A registry that wants Basic, and the proxy before it.
fn network() -> (Stub, Proxy) {
    let stub = Stub::start(|seen, _| match seen.headers.get("authorization") {
        Some(value) if value == BASIC => Answer::Normal,
        _ => {
            let challenge = ("www-authenticate", "Basic realm=\"reg\"".to_owned());
            Answer::With(401, vec![challenge], String::new())
        }
    });
    let hosts = [("registry.example", tls::before(stub.address))];
    let proxy = Proxy::start(&format!("me:{PROXY_PASSWORD}"), hosts);
    (stub, proxy)
}

fn through(proxy: &Proxy, password: &str) -> Access {
    let pem = Pem { name: "ca.pem".to_owned(), bytes: tls::AUTHORITY.as_bytes().to_vec() };
    let https = Some(format!("http://me:{password}@{}", proxy.host));
    let settings = Settings {
        roots: Roots { bundle: None, extra: vec![pem] },
        proxy: Proxies { https, ..Proxies::default() },
    };
    Access { client: Client::new(&settings).unwrap(), plain_http: PlainHttp::Loopback, ..access() }
}

async fn connect(access: &Access) -> Result<Registry, RegistryError> {
    Registry::connect_as("registry.example".parse().unwrap(), Some(ann()), access).await
}

#[tokio::test]
async fn an_image_and_its_credentials_go_through_the_tunnel() {
    let (stub, proxy) = network();
    let registry = connect(&through(&proxy, PROXY_PASSWORD)).await.unwrap();
    send(&image(), &registry).await.unwrap();
    assert_eq!(stub.held(|held| held.blobs.len()), 2, "layer and config");
    assert_eq!(proxy.hosts(), ["registry.example:443"]);
    let heads = proxy.heads().concat();
    assert!(!heads.contains(BASIC) && !heads.contains(PASSWORD), "{heads}");
    let is_for_proxy = |name: &String| name.starts_with("proxy-");
    let seen = stub.seen();
    assert!(!seen.iter().any(|seen| seen.headers.keys().any(is_for_proxy)), "{seen:?}");
}

#[tokio::test]
async fn a_proxy_that_refuses_is_told_apart_from_the_registry() {
    let (stub, proxy) = network();
    let error = connect(&through(&proxy, "wr0ng")).await.unwrap_err();
    assert_eq!(error.code().to_string(), "W0310", "{error:?}");
    assert!(error.hints()[0].contains("HTTPS_PROXY="), "{:?}", error.hints());
    assert!(!format!("{error:?}").contains("wr0ng"), "{error:?}");
    assert!(stub.seen().is_empty());
    assert_eq!(proxy.heads().len(), 1, "asking again does not help");
}

//! HTTPS through a proxy that wants a password, to a host whose authority only this network knows.

use std::net::SocketAddr;

use wharf_net::{
    client::{Client, Method, Pem, Proxy as Proxies, Request, Roots, Settings},
    error::NetError,
};
use wharf_testkit::{
    packages::{Index, Wheel},
    proxy::Proxy,
    tls,
};

/// A password that an address can hold in another spelling only.
const PAIR: &str = "me:c4n@ry";
const IN_ADDRESS: &str = "me:c4n%40ry";

/// A server that is reached through a proxy only, and by TLS.
struct Network {
    index: Index,
    proxy: Proxy,
}

const PAGE: &str = "https://packages.example/simple/alpha/";

impl Network {
    fn start() -> Self {
        let index = Index::start([Wheel::new("alpha", "1.0", "py3-none-any", &[])]);
        let plain: SocketAddr = index.host.parse().unwrap();
        let proxy = Proxy::start(PAIR, [("packages.example", tls::before(plain))]);
        Self { index, proxy }
    }

    fn settings(&self, user: &str) -> Settings {
        let https = Some(format!("http://{user}@{}", self.proxy.host));
        Settings { proxy: Proxies { https, ..Proxies::default() }, roots: authority() }
    }
}

fn authority() -> Roots {
    let pem = Pem { name: "ca.pem".to_owned(), bytes: tls::AUTHORITY.as_bytes().to_vec() };
    Roots { bundle: None, extra: vec![pem] }
}

async fn get(settings: &Settings, url: &str) -> Result<u16, NetError> {
    let request = Request::new(Method::Get, url.parse()?).authorization("Bearer t0ken");
    Ok(Client::new(settings)?.send(request).await?.status())
}

#[tokio::test]
async fn the_proxy_gets_its_password_and_the_server_its_own() {
    let network = Network::start();
    assert_eq!(get(&network.settings(IN_ADDRESS), PAGE).await.unwrap(), 200);
    let heads = network.proxy.heads();
    let [head] = heads.as_slice() else { panic!("{heads:?}") };
    assert!(head.starts_with("CONNECT packages.example:443 HTTP/1.1\r\n"), "{head}");
    assert!(!head.contains("t0ken"), "what is for the server goes through the tunnel: {head}");
    assert_eq!(network.index.asked()[0].authorization.as_deref(), Some("Bearer t0ken"));
}

#[tokio::test]
async fn a_proxy_that_refuses_is_told_without_the_password() {
    let network = Network::start();
    let error = get(&network.settings("me:wr0ng"), PAGE).await.unwrap_err();
    let NetError::ProxyPassword { url } = &error else { panic!("{error:?}") };
    assert_eq!(url, PAGE);
    assert!(!error.is_passing(), "asking again does not help");
    assert!(!format!("{error:?} {error}").contains("wr0ng"), "{error:?}");
    assert!(network.index.asked().is_empty());
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_told() {
    let network = Network::start();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let https = Some(format!("http://{IN_ADDRESS}@{nobody}"));
    let settings =
        Settings { proxy: Proxies { https, ..Proxies::default() }, roots: Roots::default() };
    let error = get(&settings, PAGE).await.unwrap_err();
    assert!(matches!(error, NetError::Unreachable { .. }), "{error:?}");
    assert!(!format!("{error:?} {error}").contains("c4n"), "{error:?}");
    assert!(network.index.asked().is_empty());
}

#[tokio::test]
async fn a_proxy_does_not_make_a_certificate_good() {
    let network = Network::start();
    let settings = Settings { roots: Roots::default(), ..network.settings(IN_ADDRESS) };
    let error = get(&settings, PAGE).await.unwrap_err();
    assert!(matches!(error, NetError::Certificate { .. }), "{error:?}");
    assert!(network.index.asked().is_empty());
}

#[tokio::test]
async fn a_bundle_stands_in_place_of_the_built_in_authorities() {
    let network = Network::start();
    let Roots { extra, .. } = authority();
    let roots = Roots { bundle: extra.into_iter().next(), extra: Vec::new() };
    let settings = Settings { roots, ..network.settings(IN_ADDRESS) };
    assert_eq!(get(&settings, PAGE).await.unwrap(), 200);
}

#[tokio::test]
async fn hosts_of_the_list_and_this_machine_are_asked_directly() {
    let network = Network::start();
    let at = tls::before(network.index.host.parse().unwrap());
    let page = format!("https://localhost:{}/simple/alpha/", at.port());
    assert_eq!(get(&network.settings(IN_ADDRESS), &page).await.unwrap(), 200);
    for list in ["packages.example", ".example", "example", "other.invalid, packages.example", "*"]
    {
        let mut settings = network.settings(IN_ADDRESS);
        settings.proxy.except = Some(list.to_owned());
        // Nobody has that name; what matters is who is asked for it.
        get(&settings, PAGE).await.unwrap_err();
        assert!(network.proxy.heads().is_empty(), "the proxy was asked in spite of `{list}`");
    }
    let mut settings = network.settings(IN_ADDRESS);
    settings.proxy.except = Some("ackages.example,other.example".to_owned());
    assert_eq!(get(&settings, PAGE).await.unwrap(), 200);
    assert_eq!(network.proxy.hosts(), ["packages.example:443"]);
}

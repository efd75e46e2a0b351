//! Keeps other sites out: a page elsewhere must not use a model server that runs on the visitor's machine.
//!
//! `Host` stops names that were bent to this address (DNS rebinding), `Origin` and `Sec-Fetch-Site` stop requests
//! that a browser sends for another site. The content type says nothing: curl sends a form's with `-d`.

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::http::{HeaderMap, Method, Uri, header};

/// Names under which the server may be asked, in lower case, besides loopback names and addresses.
#[derive(Debug, Clone, Default)]
pub(crate) struct AllowedHosts(Vec<String>);

/// Why a request is another site's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Foreign {
    #[error("the request has no usable `Host`")]
    NoHost,
    #[error("`{0}` is not a name of this server")]
    Host(String),
    #[error("the request comes from another site, `{0}`")]
    Origin(String),
    #[error("the request comes from another site, says its `Sec-Fetch-Site`")]
    Site,
}

impl AllowedHosts {
    /// Returns the list; a port after a name is dropped.
    pub(crate) fn new(names: &[String]) -> Self {
        Self(names.iter().map(|name| host_of(name).to_ascii_lowercase()).collect())
    }

    /// Says whether a request may come in.
    pub(crate) fn check(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<(), Foreign> {
        let authority = authority(uri, headers)?;
        if !self.knows(host_of(authority)) {
            return Err(Foreign::Host(shown(authority)));
        }
        // A link from elsewhere to the page is fine; making a prediction from elsewhere is not.
        if method == Method::GET || method == Method::HEAD {
            return Ok(());
        }
        for origin in headers.get_all(header::ORIGIN) {
            let origin = origin.to_str().unwrap_or_default();
            if !same_site(origin, authority) {
                return Err(Foreign::Origin(shown(origin)));
            }
        }
        for site in headers.get_all("sec-fetch-site") {
            if !matches!(site.as_bytes(), b"same-origin" | b"none") {
                return Err(Foreign::Site);
            }
        }
        Ok(())
    }

    fn knows(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        is_address(host)
            || host.eq_ignore_ascii_case("localhost")
            || ends_with_ignoring_case(host, ".localhost")
            || self.0.iter().any(|name| name.eq_ignore_ascii_case(host))
    }
}

/// Returns host and port that the request is for: exactly one, and the same in both places.
fn authority<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Result<&'a str, Foreign> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok()).ok_or(Foreign::NoHost)?;
    if hosts.next().is_some() {
        return Err(Foreign::NoHost);
    }
    match uri.authority() {
        Some(authority) if !authority.as_str().eq_ignore_ascii_case(host) => Err(Foreign::NoHost),
        _ => Ok(host),
    }
}

/// Returns the name before the port.
fn host_of(authority: &str) -> &str {
    if let Some(end) = authority.strip_prefix('[').and_then(|rest| rest.find(']')) {
        return &authority[..end + 2];
    }
    authority.rsplit_once(':').map_or(authority, |(host, _)| host)
}

fn is_address(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inside) => inside.parse::<Ipv6Addr>().is_ok(),
        None => host.parse::<Ipv4Addr>().is_ok(),
    }
}

fn ends_with_ignoring_case(text: &str, end: &str) -> bool {
    let start = text.len().checked_sub(end.len());
    start.and_then(|start| text.get(start..)).is_some_and(|tail| tail.eq_ignore_ascii_case(end))
}

/// Compares host and port; the scheme may differ, since TLS may end in front of us.
fn same_site(origin: &str, authority: &str) -> bool {
    let (rest, port) = match (origin.strip_prefix("http://"), origin.strip_prefix("https://")) {
        (Some(rest), _) => (rest, ":80"),
        (_, Some(rest)) => (rest, ":443"),
        _ => return false,
    };
    let bare = |authority: &'_ str| authority.strip_suffix(port).unwrap_or(authority).to_owned();
    bare(rest).eq_ignore_ascii_case(&bare(authority))
}

fn shown(foreign: &str) -> String {
    foreign.chars().take(100).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: Method, headers: &[(&'static str, &str)]) -> Result<(), Foreign> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let hosts = AllowedHosts::new(&["Iris".to_owned(), "models.example:8080".to_owned()]);
        hosts.check(&method, &Uri::from_static("/predict"), &map)
    }

    #[test]
    fn loopback_names_addresses_and_given_names_come_in() {
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "iris.localhost:80",
            "127.0.0.1:32768",
            "[::1]:8080",
            "[::1]",
            "10.1.2.3",
            "iris:8080",
            "models.example",
            "models.example.:443",
        ] {
            assert_eq!(check(Method::POST, &[("host", host)]), Ok(()), "{host}");
        }
    }

    #[test]
    fn other_names_stay_out() {
        for host in
            ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "[evil]", ""]
        {
            let foreign = check(Method::GET, &[("host", host)]);
            assert_eq!(foreign, Err(Foreign::Host(host.to_owned())), "{host}");
        }
        assert_eq!(check(Method::GET, &[]), Err(Foreign::NoHost));
        let twice = [("host", "localhost"), ("host", "localhost")];
        assert_eq!(check(Method::GET, &twice), Err(Foreign::NoHost));
    }

    #[test]
    fn other_origins_may_look_and_not_call() {
        let host = ("host", "localhost:8080");
        for origin in
            ["http://evil.example", "null", "http://localhost:3000", "file://localhost:8080"]
        {
            let headers = [host, ("origin", origin)];
            assert!(matches!(check(Method::POST, &headers), Err(Foreign::Origin(_))), "{origin}");
            assert_eq!(check(Method::GET, &headers), Ok(()), "{origin}");
        }
        assert_eq!(check(Method::POST, &[host, ("origin", "http://localhost:8080")]), Ok(()));
        let tls = [("host", "models.example"), ("origin", "https://models.example")];
        assert_eq!(check(Method::POST, &tls), Ok(()));
    }

    #[test]
    fn what_a_browser_calls_another_site_is_one() {
        let site = |site| check(Method::POST, &[("host", "localhost"), ("sec-fetch-site", site)]);
        assert_eq!(site("same-origin"), Ok(()));
        assert_eq!(site("none"), Ok(()));
        assert_eq!(site("cross-site"), Err(Foreign::Site));
        assert_eq!(site("same-site"), Err(Foreign::Site));
    }
}

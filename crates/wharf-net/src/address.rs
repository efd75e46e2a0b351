//! Where a request goes: an `http` or `https` address, and its origin.

use std::{fmt, net::IpAddr, str::FromStr};

use reqwest::Url;

use crate::error::NetError;

/// An address without user and password. It is shown without its query, which may hold what others should not see.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(Url);

/// Scheme, host and port: what credentials belong to (RFC 6454).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

impl Address {
    /// Returns the origin.
    pub fn origin(&self) -> Origin {
        Origin {
            scheme: self.0.scheme().to_owned(),
            host: self.host().to_owned(),
            port: self.0.port_or_known_default().unwrap_or_default(),
        }
    }

    /// Returns the host in lower case, without brackets and port.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default().trim_matches(['[', ']'])
    }

    /// Says whether requests are encrypted.
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Says whether the host is this machine itself, by name or number.
    pub fn is_loopback(&self) -> bool {
        let host = self.host();
        let by_number = || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        host == "localhost" || by_number()
    }

    /// Returns the address that a server means by an absolute or relative `Location` in its answer to this one.
    ///
    /// # Errors
    /// When it is no address.
    pub fn join(&self, location: &str) -> Result<Self, NetError> {
        let url = self.0.join(location);
        url.ok().and_then(checked).ok_or_else(|| wrong(location))
    }

    /// Adds a parameter to the query, which keeps what it has.
    #[must_use]
    pub fn with_query(mut self, name: &str, value: &str) -> Self {
        self.0.query_pairs_mut().append_pair(name, value);
        self
    }

    pub(crate) fn url(&self) -> &Url {
        &self.0
    }
}

impl FromStr for Address {
    type Err = NetError;

    fn from_str(text: &str) -> Result<Self, NetError> {
        Url::parse(text).ok().and_then(checked).ok_or_else(|| wrong(text))
    }
}

fn checked(url: Url) -> Option<Address> {
    let fine = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none();
    fine.then_some(Address(url))
}

fn wrong(text: &str) -> NetError {
    // What stands after `?` or before `@` may be a secret.
    let shown = text.split(['?', '#']).next().unwrap_or_default();
    let shown = match (shown.split_once("://"), shown.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://{rest}"),
        _ => shown.to_owned(),
    };
    NetError::Address { url: shown }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut url = self.0.clone();
        url.set_query(None);
        url.set_fragment(None);
        write!(f, "{url}")
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme, self.host, self.port)
    }
}

/// Writes parameters as the body of a form (`application/x-www-form-urlencoded`).
pub fn form(pairs: &[(&str, &str)]) -> String {
    let mut url = Url::parse("http://form").expect("a fixed address");
    url.query_pairs_mut().extend_pairs(pairs);
    url.query().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let origin = |text| address(text).origin();
        assert_eq!(origin("https://Reg.example/v2/"), origin("https://reg.example:443/x"));
        assert_ne!(origin("https://reg.example/"), origin("http://reg.example/"));
        assert_ne!(origin("https://reg.example/"), origin("https://reg.example:444/"));
        assert_ne!(origin("https://reg.example/"), origin("https://reg.example.evil/"));
    }

    #[test]
    fn locations_are_relative_or_absolute() {
        let at = address("http://reg:5000/v2/x/blobs/uploads/");
        let join = |location| at.join(location).unwrap().to_string();
        assert_eq!(join("/v2/x/1"), "http://reg:5000/v2/x/1");
        assert_eq!(join("https://other/y"), "https://other/y");
        assert_eq!(join("//other/y"), "http://other/y");
        for location in ["ftp://other/", "file:///etc/passwd", "http://me:pw@other/"] {
            assert!(at.join(location).is_err(), "{location} passed");
        }
    }

    #[test]
    fn this_machine_is_known_by_name_and_number() {
        for host in ["localhost", "127.0.0.1", "127.9.9.9", "[::1]"] {
            assert!(address(&format!("http://{host}:1/")).is_loopback(), "{host}");
        }
        for host in ["localhost.evil", "10.0.0.1", "127.0.0.1.evil"] {
            assert!(!address(&format!("http://{host}/")).is_loopback(), "{host}");
        }
    }

    #[test]
    fn secrets_in_addresses_are_not_shown() {
        assert_eq!(format!("{:?}", address("http://reg/x?token=s3cret")), "http://reg/x");
        let error = "http://me:s3cret@reg/?a=s3cret".parse::<Address>().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    }

    #[test]
    fn forms_are_encoded() {
        assert_eq!(
            form(&[("scope", "repository:a/b:pull,push"), ("x", "a&b =")]),
            "scope=repository%3Aa%2Fb%3Apull%2Cpush&x=a%26b+%3D"
        );
    }
}

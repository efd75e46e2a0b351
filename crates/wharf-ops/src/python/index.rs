//! Where packages come from, as this machine's pip and uv are set, and how passwords in addresses are kept apart.

use std::{borrow::Cow, path::PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use wharf_net::address::Address;
use wharf_spec::secret::Secret;

/// The index when nobody names another.
const PYPI: &str = "https://pypi.org/simple";

/// Indexes and folders of packages. Addresses may hold passwords, so they are never shown.
#[derive(Debug, Clone, Default)]
pub struct Indexes {
    /// In place of PyPI.
    pub index: Option<Secret<String>>,
    pub extra: Vec<Secret<String>>,
    /// Folders, and addresses of pages with links.
    pub find_links: Vec<Secret<String>>,
    /// Whether no index is asked, only `find_links`.
    pub no_index: bool,
    /// Hosts whose certificates uv need not believe.
    pub trusted_hosts: Vec<String>,
}

impl Indexes {
    /// Returns the indexes that are asked, the further ones first, as uv has it.
    pub(super) fn asked(&self) -> Vec<&str> {
        if self.no_index {
            return Vec::new();
        }
        let index = self.index.as_ref().map_or(PYPI, unnamed);
        self.extra.iter().map(unnamed).chain([index]).collect()
    }

    /// Returns the folders among `find_links`.
    pub(super) fn folders(&self) -> Vec<PathBuf> {
        let links = self.find_links.iter().map(|link| link.expose().as_str());
        links.filter_map(local_path).filter(|path| path.is_dir()).collect()
    }

    /// Returns the pages among `find_links`.
    pub(super) fn pages(&self) -> Vec<&str> {
        let links = self.find_links.iter().map(|link| link.expose().as_str());
        links.filter(|link| link.starts_with("http")).collect()
    }

    /// Returns every address that may hold credentials.
    pub(super) fn addresses(&self) -> impl Iterator<Item = &str> {
        let extra = self.extra.iter().chain(&self.find_links);
        self.index.iter().chain(extra).map(unnamed)
    }
}

/// Returns the address of an index, which may have a name before it as uv takes it: `internal=https://…`.
fn unnamed(index: &Secret<String>) -> &str {
    let index = index.expose();
    match index.split_once('=') {
        Some((name, address)) if !name.contains(['/', ':']) => address,
        _ => index,
    }
}

/// Returns the path of a `file:` address or of a plain absolute path.
pub(super) fn local_path(place: &str) -> Option<PathBuf> {
    let path = match place.strip_prefix("file://") {
        Some(rest) => percent_decode(rest.strip_prefix("localhost").unwrap_or(rest)),
        None => place.to_owned(),
    };
    path.starts_with('/').then(|| PathBuf::from(path))
}

/// An address, and the value of `Authorization` that its user and password mean.
pub(super) struct Signed {
    pub(super) address: Address,
    pub(super) authorization: Option<Secret<String>>,
}

/// Takes user and password out of an address; `None` where it is none for HTTP.
pub(super) fn signed(address: &str) -> Option<Signed> {
    let (scheme, user, rest) = parts(address)?;
    let authorization = user.map(|user| {
        let (name, password) = user.split_once(':').unwrap_or((user, ""));
        let pair = format!("{}:{}", percent_decode(name), percent_decode(password));
        Secret::new(format!("Basic {}", STANDARD.encode(pair)))
    });
    Some(Signed { address: format!("{scheme}://{rest}").parse().ok()?, authorization })
}

/// Returns an address as it may be written down: without user, query and fragment.
pub(super) fn without_secrets(address: &str) -> String {
    let bare = address.split(['?', '#']).next().unwrap_or_default();
    match parts(bare) {
        Some((scheme, _, rest)) => format!("{scheme}://{rest}"),
        None => bare.to_owned(),
    }
}

/// Removes users and passwords from every address in a line of a tool.
pub(super) fn scrub(line: &str) -> Cow<'_, str> {
    if !line.contains("://") {
        return Cow::Borrowed(line);
    }
    let mut clean = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        clean.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || "/?#\"'`<>(),".contains(c));
        let host = &after[..end.unwrap_or(after.len())];
        clean.push_str(host.rsplit('@').next().unwrap_or_default());
        rest = &after[host.len()..];
    }
    clean.push_str(rest);
    Cow::Owned(clean)
}

/// Splits an address into scheme, user with password, and the rest.
fn parts(address: &str) -> Option<(&str, Option<&str>, String)> {
    let (scheme, rest) = address.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    Some(match authority.rsplit_once('@') {
        Some((user, host)) => (scheme, Some(user), format!("{host}{path}")),
        None => (scheme, None, rest.to_owned()),
    })
}

/// Undoes `%41`; what is no such thing stays.
pub(super) fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, others)) = rest.split_first() {
        let digits = others.get(..2).filter(|_| first == b'%');
        let decoded = digits
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            .and_then(|digits| u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(decoded.unwrap_or(first));
        rest = if decoded.is_some() { &others[2..] } else { others };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_leave_addresses_and_lines() {
        assert_eq!(without_secrets("https://me:p%40w@h:1/a?token=x#sha256=0"), "https://h:1/a");
        assert_eq!(without_secrets("https://h/a@b"), "https://h/a@b");
        let line = "error: http://me:c4nary@h/x and (https://t0ken@h) failed, me@example.org";
        assert_eq!(scrub(line), "error: http://h/x and (https://h) failed, me@example.org");
    }

    #[test]
    fn a_user_becomes_basic_credentials() {
        let signed = signed("https://me:p%40w@h/simple").unwrap();
        assert_eq!(signed.address.to_string(), "https://h/simple");
        assert_eq!(signed.authorization.unwrap().expose(), "Basic bWU6cEB3");
        assert!(super::signed("https://h/").unwrap().authorization.is_none());
        assert!(super::signed("/a/folder").is_none());
    }

    #[test]
    fn files_are_told_from_addresses() {
        assert_eq!(local_path("file:///a%20b/c"), Some("/a b/c".into()));
        assert_eq!(local_path("/a b"), Some("/a b".into()));
        assert_eq!(local_path("https://h/a"), None);
    }

    #[test]
    fn nothing_secret_is_shown() {
        let indexes = Indexes {
            index: Some(Secret::new("https://me:c4nary@h".into())),
            ..Indexes::default()
        };
        assert!(!format!("{indexes:?}").contains("c4nary"));
    }
}

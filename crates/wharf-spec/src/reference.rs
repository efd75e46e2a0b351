//! Image references with Docker's defaults: `[host[:port]/]path[:tag][@digest]` (distribution's `reference` grammar).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// A parsed reference: `python:3.11-slim` is `python` with the tag `3.11-slim`, on Docker's own registry.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference {
    host: Option<String>,
    path: String,
    tag: Option<String>,
    digest: Option<String>,
}

/// Why a text is no reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an image reference: {why}")]
pub struct ParseReferenceError {
    text: String,
    why: &'static str,
}

impl Reference {
    /// Returns the reference of an image in the engine's own store.
    ///
    /// # Errors
    /// When name or tag have a form that registries refuse.
    pub fn local(path: &str, tag: &str) -> Result<Self, ParseReferenceError> {
        format!("{path}:{tag}").parse()
    }

    /// Returns the registry's host and port, if the reference names one.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// Returns the repository's path, without host, tag and digest.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the tag; `latest` where neither tag nor digest is given.
    pub fn tag(&self) -> Option<&str> {
        match (&self.tag, &self.digest) {
            (Some(tag), _) => Some(tag),
            (None, None) => Some("latest"),
            (None, Some(_)) => None,
        }
    }

    /// Returns the digest, if the reference names one.
    pub fn digest(&self) -> Option<Digest> {
        self.digest.as_ref().map(|digest| digest.parse().expect("it was parsed before"))
    }
}

impl FromStr for Reference {
    type Err = ParseReferenceError;

    fn from_str(text: &str) -> Result<Self, ParseReferenceError> {
        let fail = |why| Err(ParseReferenceError { text: text.to_owned(), why });
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        let is_digest = |text: &str| text.starts_with("sha256:") && text.parse::<Digest>().is_ok();
        if digest.is_some_and(|digest| !is_digest(digest)) {
            return fail("a digest is `sha256:` and 64 hex digits");
        }
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        let tag_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        if tag.is_some_and(|tag| {
            tag.is_empty()
                || tag.len() > 128
                || !tag.bytes().all(tag_byte)
                || tag.starts_with(['.', '-'])
        }) {
            return fail("a tag has letters, digits, `_`, `.` and `-`, at most 128");
        }
        // As Docker has it: the first part is a host when it looks like one.
        let (host, path) = match name.split_once('/') {
            Some((first, path)) if first.contains(['.', ':']) || first == "localhost" => {
                (Some(first), path)
            }
            _ => (None, name),
        };
        if host.is_some_and(|host| !is_host(host)) {
            return fail("a host has letters, digits, `-`, `.` and `:PORT`");
        }
        if path.is_empty() || path.len() > 255 {
            return fail("it must name a repository of 1 to 255 characters");
        }
        let word = |part: &str| {
            let byte = |byte: u8| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte)
            };
            !part.is_empty()
                && part.bytes().all(byte)
                && !part.starts_with(['.', '_', '-'])
                && !part.ends_with(['.', '_', '-'])
        };
        if !path.split('/').all(word) {
            return fail("a repository has a-z, 0-9, and `.`, `_`, `-` between them");
        }
        Ok(Self {
            host: host.map(str::to_owned),
            path: path.to_owned(),
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
        })
    }
}

/// Says whether a text is a host with its port, if it has one.
fn is_host(text: &str) -> bool {
    let is_byte = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    let is_address = text.starts_with('[');
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !is_address || host.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    host.bytes().all(is_byte)
        && (is_address || host.split([':', '.']).all(|part| !part.is_empty()))
        && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

impl TryFrom<String> for Reference {
    type Error = ParseReferenceError;

    fn try_from(text: String) -> Result<Self, ParseReferenceError> {
        text.parse()
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> Self {
        reference.to_string()
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(host) = &self.host {
            write!(f, "{host}/")?;
        }
        f.write_str(&self.path)?;
        if let Some(tag) = self.tag() {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        assert_eq!(text.parse::<Reference>().unwrap().to_string(), expect, "{text}");
    }

    #[test]
    fn defaults_are_dockers() {
        check("python", "python:latest");
        check("python:3.11-slim", "python:3.11-slim");
        check("localhost:5000/ml/iris:1", "localhost:5000/ml/iris:1");
        check("localhost/iris", "localhost/iris:latest");
        let digest = format!("iris@sha256:{}", "0".repeat(64));
        check(&digest, &digest);
    }

    proptest::proptest! {
        #[test]
        fn a_reference_reads_what_it_writes(text in "[a-z0-9._:/@-]{1,60}") {
            if let Ok(reference) = text.parse::<Reference>() {
                let shown = reference.to_string();
                assert_eq!(shown.parse::<Reference>().map(|again| again.to_string()), Ok(shown));
            }
        }
    }

    #[test]
    fn a_host_looks_like_one() {
        let host = |text: &str| text.parse::<Reference>().unwrap().host().map(str::to_owned);
        assert_eq!(host("ml/iris"), None);
        assert_eq!(host("reg.example/iris").as_deref(), Some("reg.example"));
        assert_eq!(host("reg:5000/iris").as_deref(), Some("reg:5000"));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "Iris",
            "iris:",
            "iris:$(id)",
            "iris@sha256:1",
            "iris@sha256:../../../v2/other/manifests/latest?x=0123456789012345678901234567",
            "a//b",
            "-a",
            "iris:\n",
            "../x",
            "a..b/x",
            "a.b?/x",
            ".:1/x",
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text} passed");
        }
    }
}

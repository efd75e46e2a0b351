//! What a machine must be for an image: `linux/amd64`, `linux/arm/v7`.

use std::{fmt, str::FromStr};

use super::Entry;

/// Words as Go has them (`GOOS`, `GOARCH`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    pub os: String,
    pub architecture: String,
    pub variant: Option<String>,
}

/// Why a text is no platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a platform: write `OS/ARCHITECTURE` or `OS/ARCHITECTURE/VARIANT`, as in `linux/arm64`"
)]
pub struct ParsePlatformError {
    text: String,
}

impl Platform {
    /// Returns the platform of images that run on this machine.
    pub fn of_this_machine() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            "powerpc64" => "ppc64le",
            other => other,
        };
        Self { os: "linux".to_owned(), architecture: architecture.to_owned(), variant: None }
    }

    /// Returns how well an image for `other` suits this one; `None` where it does not run.
    fn suits(&self, other: &Self) -> Option<u32> {
        if (&self.os, &self.architecture) != (&other.os, &other.architecture) {
            return None;
        }
        let level = |variant: &Option<String>| {
            let usual = if self.architecture == "arm64" { 8 } else { 1 };
            let usual = if self.architecture == "arm" { 7 } else { usual };
            let Some(variant) = variant else { return usual };
            variant.trim_start_matches('v').parse().unwrap_or(u32::MAX)
        };
        // What was made for an older machine runs on a newer one; the newest of those is the best.
        Some(level(&other.variant)).filter(|theirs| *theirs <= level(&self.variant))
    }

    /// Returns the manifest of an index that suits best.
    pub(crate) fn choose<'a>(&self, entries: &'a [Entry]) -> Option<&'a Entry> {
        let suiting = entries.iter().filter_map(|entry| {
            let level = self.suits(entry.platform.as_ref()?)?;
            Some((level, entry))
        });
        // The first of equals, as Docker has it.
        suiting.rev().max_by_key(|(level, _)| *level).map(|(_, entry)| entry)
    }
}

impl FromStr for Platform {
    type Err = ParsePlatformError;

    fn from_str(text: &str) -> Result<Self, ParsePlatformError> {
        let words: Vec<&str> = text.split('/').collect();
        let is_word =
            |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
        match words.as_slice() {
            [os, architecture, variant @ ..] if variant.len() < 2 && words.iter().all(is_word) => {
                Ok(Self {
                    os: (*os).to_owned(),
                    architecture: (*architecture).to_owned(),
                    variant: variant.first().map(|word| (*word).to_owned()),
                })
            }
            _ => Err(ParsePlatformError { text: text.to_owned() }),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::descriptor::Descriptor;

    fn chosen(wanted: &str, offered: &[&str]) -> Option<String> {
        let entries: Vec<_> = offered
            .iter()
            .map(|text| Entry {
                descriptor: Descriptor::of("x", text.as_bytes()),
                platform: text.parse().ok(),
                annotations: BTreeMap::new(),
            })
            .collect();
        let wanted: Platform = wanted.parse().unwrap();
        wanted.choose(&entries)?.platform.as_ref().map(Platform::to_string)
    }

    #[test]
    fn the_best_that_runs_is_chosen() {
        let all =
            ["unknown/unknown", "linux/arm/v5", "linux/arm/v7", "linux/amd64", "linux/arm64/v8"];
        assert_eq!(chosen("linux/amd64", &all).as_deref(), Some("linux/amd64"));
        assert_eq!(chosen("linux/arm64", &all).as_deref(), Some("linux/arm64/v8"));
        assert_eq!(chosen("linux/arm", &all).as_deref(), Some("linux/arm/v7"));
        assert_eq!(chosen("linux/arm/v6", &all).as_deref(), Some("linux/arm/v5"));
        assert_eq!(chosen("linux/amd64", &["linux/amd64/v3"]), None);
        assert_eq!(chosen("windows/amd64", &all), None);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "linux", "linux/", "a/b/c/d", "li nux/amd64", "../x"] {
            assert!(text.parse::<Platform>().is_err(), "{text} passed");
        }
    }
}

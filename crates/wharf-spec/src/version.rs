//! The version of a Python, as text: `3.10` is not the number 3.1.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

/// A version that can stand in the tag of `python:VERSION-slim`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PythonVersion(String);

impl PythonVersion {
    /// Returns the version as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a Python version: write one such as `3.11` or `3.11.9`")]
pub struct ParseVersionError {
    text: String,
}

impl FromStr for PythonVersion {
    type Err = ParseVersionError;

    fn from_str(text: &str) -> Result<Self, ParseVersionError> {
        let byte = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.';
        let is_version = (1..=40).contains(&text.len())
            && text.bytes().all(byte)
            && text.starts_with(|first: char| first.is_ascii_alphanumeric());
        if is_version {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseVersionError { text: text.to_owned() })
        }
    }
}

impl<'de> Deserialize<'de> for PythonVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = PythonVersion;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a Python version such as '3.11', in quotes")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<PythonVersion, E> {
                text.parse().map_err(E::custom)
            }
        }
        // Not `deserialize_any`: YAML would make a number of it.
        deserializer.deserialize_str(Text)
    }
}

impl fmt::Display for PythonVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_can_stand_in_a_tag() {
        for text in ["3.10", "3.11.9", "3.13rc1", "3"] {
            assert_eq!(text.parse::<PythonVersion>().unwrap().as_str(), text);
        }
        for text in ["", "3 10", "3.10-slim\nRUN id", "../3", &"3".repeat(41)] {
            assert!(text.parse::<PythonVersion>().is_err(), "{text} passed");
        }
    }
}

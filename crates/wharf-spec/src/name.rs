//! Names that people give: DNS labels, so that they work as container names, host names and files.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Why a text cannot be a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` cannot be the name of a {noun}: {why}")]
pub struct ParseNameError {
    name: String,
    noun: &'static str,
    why: String,
}

fn check(noun: &'static str, name: &str, longest: usize) -> Result<(), ParseNameError> {
    let fail = |why: String| Err(ParseNameError { name: name.to_owned(), noun, why });
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if name.is_empty() || name.len() > longest {
        fail(format!("it must have 1 to {longest} characters"))
    } else if !name.bytes().all(|byte| word(byte) || byte == b'-') {
        fail("use a-z, 0-9 and -".to_owned())
    } else if name.starts_with('-') || name.ends_with('-') {
        fail("it must begin and end with a letter or digit".to_owned())
    } else {
        Ok(())
    }
}

macro_rules! name {
    ($(#[$meta:meta])* $type:ident, $noun:literal, $longest:literal) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// Returns the name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = ParseNameError;

            fn from_str(name: &str) -> Result<Self, ParseNameError> {
                check($noun, name, $longest).map(|()| Self(name.to_owned()))
            }
        }

        impl TryFrom<String> for $type {
            type Error = ParseNameError;

            fn try_from(name: String) -> Result<Self, ParseNameError> {
                check($noun, &name, $longest).map(|()| Self(name))
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// A project's name: a DNS label (RFC 1123) of at most 40 characters.
    ProjectName, "project", 40
}

name! {
    /// The name of a service or job within its project: a DNS label of at most 40 characters.
    WorkloadName, "service", 40
}

impl ProjectName {
    /// The project of those who never named one.
    pub fn default_project() -> Self {
        Self("default".to_owned())
    }
}

impl WorkloadName {
    /// Returns the nearest name for any text, such as a file's or folder's; `None` when nothing of it is left.
    pub fn from_text(text: &str) -> Option<Self> {
        let mapped: String = text
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
            .collect();
        let words: Vec<&str> = mapped.split('-').filter(|word| !word.is_empty()).collect();
        let joined = words.join("-");
        joined[..joined.len().min(40)].trim_end_matches('-').parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dns_labels() {
        for name in ["a", "iris", "iris-2", &"x".repeat(40)] {
            assert!(name.parse::<ProjectName>().is_ok(), "{name} was refused");
        }
        for name in ["", "-a", "a-", "A", "a_b", "a.b", "ü", "a\n", "$(id)", &"x".repeat(41)] {
            assert!(name.parse::<ProjectName>().is_err(), "{name} passed");
        }
    }

    #[test]
    fn any_text_has_a_nearest_name() {
        let cases = [("Iris Model", "iris-model"), ("my_model.v2", "my-model-v2"), ("--x--", "x")];
        for (text, name) in cases {
            assert_eq!(WorkloadName::from_text(text).map(String::from).as_deref(), Some(name));
        }
        assert_eq!(WorkloadName::from_text("…"), None);
    }

    proptest::proptest! {
        #[test]
        fn a_nearest_name_is_a_name(text in ".{0,80}") {
            if let Some(name) = WorkloadName::from_text(&text) {
                assert!(name.as_str().parse::<WorkloadName>().is_ok(), "{name} from {text:?}");
            }
        }
    }

    #[test]
    fn a_refusal_says_why() {
        let error = "My_Model".parse::<WorkloadName>().unwrap_err();
        insta::assert_snapshot!(error, @"`My_Model` cannot be the name of a service: use a-z, 0-9 and -");
    }
}

//! The version of Docker's API that both sides speak.

use std::{fmt, str::FromStr};

use crate::error::{EngineError, Result};

/// A version of the API: 1.41 came with Docker 20.10.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ApiVersion(pub(super) u16, pub(super) u16);

impl ApiVersion {
    /// What wharf's requests need.
    pub(super) const LEAST: Self = Self(1, 41);
    /// The newest whose answers wharf knows.
    pub(super) const NEWEST: Self = Self(1, 53);
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// A text is no version of the API.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ParseVersionError;

impl FromStr for ApiVersion {
    type Err = ParseVersionError;

    fn from_str(text: &str) -> Result<Self, ParseVersionError> {
        let (major, minor) = text.split_once('.').ok_or(ParseVersionError)?;
        let number = |text: &str| text.parse().map_err(|_| ParseVersionError);
        Ok(Self(number(major)?, number(minor)?))
    }
}

/// Returns the newest version that both speak.
///
/// # Errors
/// When the engine's newest is too old, or its oldest too new.
pub(super) fn agree(address: &str, newest: &str, oldest: Option<&str>) -> Result<ApiVersion> {
    let refuse = |found: &str| {
        let supported = format!("{} to {}", ApiVersion::LEAST, ApiVersion::NEWEST);
        EngineError::Version { address: address.to_owned(), found: found.to_owned(), supported }
    };
    let theirs: ApiVersion = newest.parse().map_err(|_| refuse(newest))?;
    let agreed = theirs.min(ApiVersion::NEWEST);
    let floor = oldest.and_then(|oldest| oldest.parse().ok()).unwrap_or(ApiVersion(0, 0));
    if agreed < ApiVersion::LEAST {
        Err(refuse(newest))
    } else if agreed < floor {
        Err(refuse(&format!("{floor} to {theirs}")))
    } else {
        Ok(agreed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(newest: &str, oldest: &str, expect: &str) {
        let agreed = agree("unix:///s", newest, Some(oldest));
        let shown = agreed.map_or_else(|error| error.to_string(), |api| api.to_string());
        assert_eq!(shown, expect, "{newest} down to {oldest}");
    }

    #[test]
    fn the_newest_common_version_is_taken() {
        check("1.41", "1.12", "1.41");
        check("1.52", "1.44", "1.52");
        check("1.99", "1.44", "1.53");
    }

    #[test]
    fn without_a_common_version_the_error_names_both() {
        let tail = "wharf speaks 1.41 to 1.53";
        check("1.40", "1.12", &format!("the engine at unix:///s speaks API 1.40, {tail}"));
        check("1.99", "1.60", &format!("the engine at unix:///s speaks API 1.60 to 1.99, {tail}"));
        check("new", "1.12", &format!("the engine at unix:///s speaks API new, {tail}"));
    }
}

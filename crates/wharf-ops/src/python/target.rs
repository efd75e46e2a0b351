//! What wheels are chosen for: a Python, a platform, and the C library there.

use std::{fmt, str::FromStr};

use wharf_spec::platform::Platform;

/// The version of a CPython. Where only `3.11` is known, the patch is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Python {
    pub major: u32,
    pub minor: u32,
    pub patch: u32,
}

impl Python {
    /// The one that is meant where neither the model nor the machine says another.
    pub const DEFAULT: Self = Self { major: 3, minor: 12, patch: 0 };

    /// Returns the minor version as text: `3.11`.
    pub fn minor_text(self) -> String {
        format!("{}.{}", self.major, self.minor)
    }

    /// Says whether this Python is at least of that minor version.
    pub fn is_at_least(self, other: Self) -> bool {
        (self.major, self.minor) >= (other.major, other.minor)
    }
}

impl fmt::Display for Python {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// Why a text is no version of CPython 3.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a version of Python 3: write one such as `3.11` or `3.11.9`")]
pub struct ParsePythonError {
    text: String,
}

impl FromStr for Python {
    type Err = ParsePythonError;

    fn from_str(text: &str) -> Result<Self, ParsePythonError> {
        let wrong = || ParsePythonError { text: text.to_owned() };
        let mut parts = text.split('.').map(|part| part.parse::<u32>().map_err(|_| wrong()));
        let mut next = || parts.next();
        let (major, minor) = (next().ok_or_else(wrong)??, next().ok_or_else(wrong)??);
        let patch = next().transpose()?.unwrap_or_default();
        if major != 3 || minor > 999 || next().is_some() {
            return Err(wrong());
        }
        Ok(Self { major, minor, patch })
    }
}

/// The C library that native code of a wheel is linked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Libc {
    /// glibc 2.`minor`.
    Glibc { minor: u32 },
    /// musl 1.`minor`.
    Musl { minor: u32 },
}

impl fmt::Display for Libc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Glibc { minor } => write!(f, "glibc 2.{minor}"),
            Self::Musl { minor } => write!(f, "musl 1.{minor}"),
        }
    }
}

/// Where wheels are to be installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    pub python: Python,
    pub platform: Platform,
    pub libc: Libc,
}

impl Target {
    /// Returns the machine as Python names it: `x86_64`.
    pub fn machine(&self) -> &'static str {
        match self.platform {
            Platform::LinuxAmd64 => "x86_64",
            Platform::LinuxArm64 => "aarch64",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Python {} on {} with {}", self.python.minor_text(), self.platform, self.libc)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_numbers_of_python_three() {
        let check = |text: &str| text.parse::<Python>().map(|python| python.to_string()).ok();
        assert_eq!(check("3.11").as_deref(), Some("3.11.0"));
        assert_eq!(check("3.10.4").as_deref(), Some("3.10.4"));
        for wrong in ["", "3", "2.7", "3.x", "3.11.1.1", "3.-1", "3.99999999999"] {
            assert_eq!(check(wrong), None, "{wrong}");
        }
    }
}

//! Content digests: `sha256:…` for images (OCI image-spec, descriptor), `b3:…` for models and specs of ours.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Which hash a digest holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// SHA-256, what registries and engines name images by.
    Sha256,
    /// BLAKE3 with 32 bytes of output, what wharf names models and specs by.
    Blake3,
}

impl Algorithm {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256:",
            Self::Blake3 => "b3:",
        }
    }
}

/// A digest of 32 bytes, written `sha256:<64 hex digits>` or `b3:<64 hex digits>`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest {
    algorithm: Algorithm,
    bytes: [u8; 32],
}

impl Digest {
    /// Returns the digest with these bytes.
    pub const fn new(algorithm: Algorithm, bytes: [u8; 32]) -> Self {
        Self { algorithm, bytes }
    }

    /// Returns the BLAKE3 digest of bytes.
    pub fn blake3(bytes: &[u8]) -> Self {
        Self::new(Algorithm::Blake3, *blake3::hash(bytes).as_bytes())
    }

    /// Returns which hash it is.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns the digits alone, without the prefix.
    pub fn hex(&self) -> String {
        hex(&self.bytes)
    }

    /// Returns what people are shown: the prefix and twelve digits.
    pub fn short(&self) -> String {
        format!("{}{}", self.algorithm.prefix(), &self.hex()[..12])
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.algorithm.prefix(), self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a digest: write `sha256:` or `b3:` and 64 hex digits")]
pub struct ParseDigestError {
    text: String,
}

impl FromStr for Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, ParseDigestError> {
        [Algorithm::Sha256, Algorithm::Blake3]
            .into_iter()
            .find_map(|algorithm| {
                let bytes = unhex(text.strip_prefix(algorithm.prefix())?)?;
                Some(Self::new(algorithm, bytes.try_into().ok()?))
            })
            .ok_or_else(|| ParseDigestError { text: text.to_owned() })
    }
}

impl TryFrom<String> for Digest {
    type Error = ParseDigestError;

    fn try_from(text: String) -> Result<Self, ParseDigestError> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

/// Returns bytes as lower-case hex digits.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|nibble| char::from(DIGITS[usize::from(nibble)]))
        .collect()
}

/// Returns the bytes that lower-case hex digits stand for.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_what_it_writes() {
        let digest = Digest::blake3(b"iris");
        assert_eq!(digest.to_string().parse(), Ok(digest));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "sha256:", "sha256:12", "md5:00", &"b3:0".repeat(64), "sha256:zz"] {
            assert!(text.parse::<Digest>().is_err(), "{text} passed");
        }
    }
}

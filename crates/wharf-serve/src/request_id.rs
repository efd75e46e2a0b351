//! The number under which a request is found again in the log.

use std::{
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
};

use axum::http::{HeaderMap, HeaderValue};

/// The header that carries it both ways.
pub(crate) const HEADER: &str = "x-request-id";

/// Longest number that is taken over.
const MAX_LENGTH: usize = 64;

/// A number of 1 to 64 characters of `[A-Za-z0-9._-]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().expect("made of letters, digits, dots, dashes and underscores")
    }

    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }

    fn taken_over(headers: &HeaderMap) -> Option<Self> {
        let given = headers.get(HEADER)?;
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
        let bytes = given.as_bytes();
        let fits = (1..=MAX_LENGTH).contains(&bytes.len()) && bytes.iter().all(plain);
        fits.then(|| Self(given.clone()))
    }
}

/// Makes numbers that differ between processes and within one; they are no secret.
#[derive(Debug)]
pub(crate) struct RequestIds {
    start: u64,
    count: AtomicU64,
}

impl RequestIds {
    pub(crate) fn new() -> Self {
        // The standard library seeds its hash maps from the system's randomness.
        Self { start: RandomState::new().hash_one("wharf"), count: AtomicU64::new(0) }
    }

    /// Returns the number of a request: its own where it has a good one, else a new one.
    pub(crate) fn of(&self, headers: &HeaderMap) -> RequestId {
        RequestId::taken_over(headers).unwrap_or_else(|| self.make())
    }

    fn make(&self) -> RequestId {
        // An odd factor makes neighbours look different, and no two alike.
        let count = self.count.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let text = format!("{:016x}", self.start.wrapping_add(count));
        RequestId(text.try_into().expect("hexadecimal digits are a header's value"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_number_is_taken_over_and_a_bad_one_replaced() {
        let ids = RequestIds::new();
        let of = |value: &str| {
            let headers = HeaderMap::from_iter([(HEADER.parse().unwrap(), value.parse().unwrap())]);
            ids.of(&headers).as_str().to_owned()
        };
        assert_eq!(of("trace-1.a_B"), "trace-1.a_B");
        for bad in ["", "a b", "ä", &"x".repeat(65)] {
            assert_ne!(of(bad), bad);
            assert_eq!(of(bad).len(), 16);
        }
        assert_ne!(of(""), of(""));
    }
}

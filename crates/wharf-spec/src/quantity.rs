//! Sizes and durations as people write them: `16GB`, `512MiB`, `90s`, `1h30m`.

use std::{fmt, str::FromStr, time::Duration};

use serde::Serialize;

/// Why a text is no size or duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {what}")]
pub struct ParseQuantityError {
    text: String,
    what: &'static str,
}

/// A number of bytes. `k`, `M`, `G`, `T` (with or without `B`) are powers of 1000, `Ki`, `Mi`, `Gi`, `Ti` of 1024.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ByteSize(pub u64);

const UNITS: [(&str, u64); 13] = [
    ("", 1),
    ("b", 1),
    ("k", 1_000),
    ("kb", 1_000),
    ("m", 1_000_000),
    ("mb", 1_000_000),
    ("g", 1_000_000_000),
    ("gb", 1_000_000_000),
    ("t", 1_000_000_000_000),
    ("tb", 1_000_000_000_000),
    ("ki", 1 << 10),
    ("mi", 1 << 20),
    ("gi", 1 << 30),
];

impl FromStr for ByteSize {
    type Err = ParseQuantityError;

    fn from_str(text: &str) -> Result<Self, ParseQuantityError> {
        let fail = || ParseQuantityError {
            text: text.to_owned(),
            what: "size such as `512MiB` or `16GB`",
        };
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let number: f64 = text[..end].parse().map_err(|_| fail())?;
        let unit = text[end..].trim_start().to_ascii_lowercase();
        let unit = unit.strip_suffix("ib").map_or(unit.clone(), |start| format!("{start}i"));
        let factor = match unit.as_str() {
            "ti" => 1 << 40,
            unit => UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(fail)?.1,
        };
        let bytes = number * factor as f64;
        if bytes.is_finite() && bytes < u64::MAX as f64 {
            Ok(Self(bytes.round() as u64))
        } else {
            Err(fail())
        }
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps =
            [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "KB")];
        match steps.iter().find(|(size, _)| self.0 >= *size) {
            Some((size, unit)) => write!(f, "{:.1} {unit}", self.0 as f64 / *size as f64),
            None => write!(f, "{} B", self.0),
        }
    }
}

/// Reads a duration such as `90s`, `1h30m` or `250ms`; a number alone counts seconds.
pub fn parse_duration(text: &str) -> Result<Duration, ParseQuantityError> {
    let fail =
        || ParseQuantityError { text: text.to_owned(), what: "duration such as `90s` or `1h30m`" };
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number: u64 = rest[..end].parse().map_err(|_| fail())?;
        let after = &rest[end..];
        let unit_end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let millis = match &after[..unit_end] {
            "ms" => 1,
            "s" => 1_000,
            "" if rest.len() == text.len() => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(fail()),
        };
        let part = number.checked_mul(millis).ok_or_else(fail)?;
        total = total.checked_add(Duration::from_millis(part)).ok_or_else(fail)?;
        rest = &after[unit_end..];
    }
    if text.is_empty() { Err(fail()) } else { Ok(total) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_both_systems() {
        let cases = [
            ("0", 0),
            ("512", 512),
            ("16GB", 16_000_000_000),
            ("1.5k", 1_500),
            ("2 MiB", 2 << 20),
            ("1Ti", 1 << 40),
        ];
        for (text, bytes) in cases {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
        for text in ["", "GB", "-1", "1XB", "1e400", "1.2.3"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text} passed");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_readers_panic(text in ".{0,30}") {
            text.parse::<ByteSize>().ok();
            parse_duration(&text).ok();
        }
    }

    #[test]
    fn durations_are_read() {
        let cases = [("90", 90_000), ("90s", 90_000), ("1h30m", 5_400_000), ("250ms", 250)];
        for (text, millis) in cases {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "h", "1x", "1h30", "99999999999999999999s"] {
            assert!(parse_duration(text).is_err(), "{text} passed");
        }
    }
}

//! What operators look up: categories, labels, words.

use crate::{error::RunError, tensor::Data};

use super::array::failed;

/// A value that is looked up; floats are compared by their bits, with one zero and one NaN.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Int(i64),
    Float(u32),
    Text(String),
}

impl Key {
    pub(super) fn float(value: f32) -> Self {
        Self::Float(if value.is_nan() { f32::NAN.to_bits() } else { (value + 0.0).to_bits() })
    }
}

/// Returns what is looked up for each element.
pub(super) fn keys(data: &Data) -> Result<Vec<Key>, RunError> {
    Ok(match data {
        Data::I32(items) => items.iter().map(|item| Key::Int(i64::from(*item))).collect(),
        Data::I64(items) => items.iter().map(|item| Key::Int(*item)).collect(),
        Data::F32(items) => items.iter().map(|item| Key::float(*item)).collect(),
        Data::F64(items) => items.iter().map(|item| Key::float(*item as f32)).collect(),
        Data::Bool(items) => items.iter().map(|item| Key::Int(i64::from(*item))).collect(),
        Data::Str(items) => items.iter().map(|item| Key::Text(item.clone())).collect(),
        Data::U64(_) => return failed("it does not take uint64"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_nan_and_one_zero_among_the_keys() {
        assert_eq!(Key::float(f32::NAN), Key::float(-f32::NAN));
        assert_eq!(Key::float(-0.0), Key::float(0.0));
        assert_ne!(Key::float(1.0), Key::float(1.000_000_1));
    }
}

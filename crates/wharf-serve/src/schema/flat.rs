//! The fast path: `{"data": [[…]]}` straight into one flat buffer, with no list of lists between.
//!
//! It answers `None` for whatever it does not like; the general path then reads the body again and says why.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use wharf_model::tensor::{Data, Tensor};

use super::{
    array::ArraySpec,
    scalar::{self, Element, Missing},
};

/// What the fast path needs to know of an argument.
#[derive(Debug, Clone)]
pub(crate) struct FlatArgument {
    name: String,
    /// Other arguments of the method: a body with one of them takes the general path.
    others: Vec<String>,
    spec: ArraySpec,
    rank: usize,
    missing: Missing,
}

impl FlatArgument {
    /// Returns the fast path for an array of floats of known rank; `None` for everything else.
    pub(crate) fn new(
        name: &str,
        others: Vec<String>,
        spec: &ArraySpec,
        missing: Missing,
    ) -> Option<Self> {
        let rank = spec.shape.as_ref().map_or(0, Vec::len);
        let floats = matches!(spec.element, Element::F64 | Element::F32);
        (floats && rank > 0).then(|| Self {
            name: name.to_owned(),
            others,
            spec: spec.clone(),
            rank,
            missing,
        })
    }

    /// Reads a body that holds this argument and no other one.
    pub(crate) fn read(&self, body: &[u8]) -> Option<Tensor> {
        let mut found = Found { sizes: vec![None; self.rank], numbers: Vec::new(), seen: false };
        let mut json = serde_json::Deserializer::from_slice(body);
        json.deserialize_map(BodyVisitor { argument: self, found: &mut found }).ok()?;
        json.end().ok()?;
        if !found.seen {
            return None;
        }
        let shape: Vec<usize> = found.sizes.into_iter().collect::<Option<_>>()?;
        if !self.spec.takes(&shape) {
            return None;
        }
        let data = match self.spec.element {
            Element::F32 => Data::F32(narrowed(&found.numbers)?),
            _ => Data::F64(found.numbers),
        };
        Tensor::new(shape, data)
    }
}

fn narrowed(numbers: &[f64]) -> Option<Vec<f32>> {
    numbers.iter().map(|number| scalar::narrow(*number)).collect()
}

/// The array so far.
struct Found {
    /// The size of each dimension, once a list of it has ended.
    sizes: Vec<Option<usize>>,
    numbers: Vec<f64>,
    seen: bool,
}

struct BodyVisitor<'a> {
    argument: &'a FlatArgument,
    found: &'a mut Found,
}

impl<'de> Visitor<'de> for BodyVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of arguments")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(KeySeed(self.argument))? {
            match key {
                Key::This if self.found.seen => return Err(A::Error::custom("twice")),
                Key::This => {
                    self.found.seen = true;
                    let missing = self.argument.missing;
                    map.next_value_seed(ListSeed { found: self.found, depth: 0, missing })?;
                }
                Key::Other => return Err(A::Error::custom("another argument")),
                Key::Unknown => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

enum Key {
    This,
    Other,
    Unknown,
}

struct KeySeed<'a>(&'a FlatArgument);

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed<'_> {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Key, E> {
        Ok(if key == self.0.name {
            Key::This
        } else if self.0.others.iter().any(|other| other == key) {
            Key::Other
        } else {
            Key::Unknown
        })
    }
}

/// Reads a list at `depth`; the innermost ones hold numbers.
struct ListSeed<'a> {
    found: &'a mut Found,
    depth: usize,
    missing: Missing,
}

impl<'de> DeserializeSeed<'de> for ListSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for ListSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self { found, depth, missing } = self;
        let mut length = 0;
        if depth + 1 == found.sizes.len() {
            while let Some(number) = list.next_element_seed(NumberSeed(missing))? {
                found.numbers.push(number);
                length += 1;
            }
        } else {
            let next = depth + 1;
            while list.next_element_seed(ListSeed { found, depth: next, missing })?.is_some() {
                length += 1;
            }
        }
        match found.sizes[depth].replace(length) {
            Some(other) if other != length => Err(A::Error::custom("ragged")),
            _ => Ok(()),
        }
    }
}

struct NumberSeed(Missing);

impl<'de> DeserializeSeed<'de> for NumberSeed {
    type Value = f64;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<f64, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for NumberSeed {
    type Value = f64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<f64, E> {
        Ok(number)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<f64, E> {
        Ok(number as f64)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<f64, E> {
        Ok(number as f64)
    }

    fn visit_unit<E: Error>(self) -> Result<f64, E> {
        match self.0 {
            Missing::Allowed => Ok(f64::NAN),
            Missing::Refused => Err(E::custom("missing")),
        }
    }
}

#[cfg(test)]
mod tests {
    use wharf_spec::data_type::DataType;

    use super::*;

    fn read(shape: &[Option<u64>], dtype: &str, body: &str) -> Option<Tensor> {
        let spec = ArraySpec::of(&DataType::ndarray(shape.to_vec(), dtype)).unwrap();
        FlatArgument::new("data", vec!["limit".to_owned()], &spec, Missing::Refused)
            .unwrap()
            .read(body.as_bytes())
    }

    #[test]
    fn rows_become_one_buffer() {
        let iris = [None, Some(2)];
        let tensor = read(&iris, "float64", r#"{"zzz": {"a": []}, "data": [[1, 2.5], [-3, 4]]}"#);
        let expect = Tensor::new(vec![2, 2], Data::F64(vec![1.0, 2.5, -3.0, 4.0]));
        assert_eq!(tensor, expect);
        let image = [None, Some(1), Some(2)];
        let tensor = read(&image, "float32", r#"{"data": [[[0.1, 2]]]}"#);
        assert_eq!(tensor, Tensor::new(vec![1, 1, 2], Data::F32(vec![0.1, 2.0])));
    }

    #[test]
    fn what_is_odd_takes_the_general_path() {
        for body in [
            r#"{"data": [[1, 2], [3]]}"#,
            r#"{"data": [[1, 2, 3]]}"#,
            r#"{"data": [[1, "2"]]}"#,
            r#"{"data": [[1, null]]}"#,
            r#"{"data": [1, 2]}"#,
            r#"{"data": []}"#,
            r#"{"data": [[1, 2]], "limit": 3}"#,
            r#"{"data": [[1, 2]], "data": [[1, 2]]}"#,
            r#"{"data": [[1, 2]]} x"#,
            r#"{"data": [[1, NaN]]}"#,
            "[]",
            "",
        ] {
            assert_eq!(read(&[None, Some(2)], "float64", body), None, "{body}");
        }
        assert_eq!(read(&[None, Some(1)], "float32", r#"{"data": [[1e39]]}"#), None);
    }
}

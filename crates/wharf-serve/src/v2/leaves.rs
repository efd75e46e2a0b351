//! The `data` of a tensor in JSON, flat or nested: both are row-major, so only the leaves count.

use std::fmt;

use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
use wharf_model::tensor::Data;

use super::{
    datatype::Datatype,
    tensor::{Elements, MAX_TEXTS},
};
use crate::schema::scalar::{self, Missing};

/// Reads exactly `count` elements; memory grows with what comes, not with what is announced.
pub(crate) fn read(
    datatype: Datatype,
    count: usize,
    missing: Missing,
    json: &str,
) -> Result<Elements, String> {
    if matches!(datatype, Datatype::Fp16 | Datatype::Bf16) {
        return Err(format!("{} has no form in JSON: send it in binary", datatype.word()));
    }
    if datatype == Datatype::Bytes && count > MAX_TEXTS {
        return Err(format!("{count} texts are more than {MAX_TEXTS}"));
    }
    let mut leaves = Leaves { datatype, count, missing, elements: Elements::none(datatype) };
    let mut json = serde_json::Deserializer::from_str(json);
    leaves.deserialize_into(&mut json)?;
    match leaves.elements.len() {
        given if given == count => Ok(leaves.elements),
        given => Err(format!("the shape has {count} elements, `data` has {given}")),
    }
}

/// The elements so far.
struct Leaves {
    datatype: Datatype,
    count: usize,
    missing: Missing,
    elements: Elements,
}

impl Leaves {
    fn deserialize_into(
        &mut self,
        json: &mut serde_json::Deserializer<serde_json::de::StrRead<'_>>,
    ) -> Result<(), String> {
        json.deserialize_seq(self).map_err(|error| error.to_string())
    }

    fn room<E: Error>(&self) -> Result<(), E> {
        if self.elements.len() < self.count {
            return Ok(());
        }
        Err(E::custom(format_args!("there are more than the {} elements of the shape", self.count)))
    }

    fn other<E: Error>(&self, what: &dyn fmt::Display) -> E {
        E::custom(format_args!("{what} is no {}", self.datatype.word()))
    }

    fn integer<E: Error>(&mut self, number: i128) -> Result<(), E> {
        self.room()?;
        let bounded =
            |(min, max): (i64, i64)| (i128::from(min)..=i128::from(max)).contains(&number);
        let fits = self.datatype.bounds().is_none_or(bounded);
        match &mut self.elements {
            Elements::Numbers(Data::F64(items)) => items.push(number as f64),
            Elements::Numbers(Data::F32(items)) => items.push(number as f32),
            Elements::Numbers(Data::I32(items)) if fits => items.push(number as i32),
            Elements::Numbers(Data::I64(items)) if fits => items.push(number as i64),
            Elements::Numbers(Data::U64(items)) if number >= 0 => items.push(number as u64),
            _ => return Err(self.other(&number)),
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for &mut Leaves {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut Leaves {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of {}", self.datatype.word())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(&mut *self)?.is_some() {}
        Ok(())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.integer(number.into())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.integer(number.into())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        self.room()?;
        match &mut self.elements {
            Elements::Numbers(Data::F64(items)) => items.push(number),
            Elements::Numbers(Data::F32(items)) => match scalar::narrow(number) {
                Some(number) => items.push(number),
                None => return Err(self.other(&number)),
            },
            _ => return Err(self.other(&number)),
        }
        Ok(())
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<(), E> {
        self.room()?;
        match &mut self.elements {
            Elements::Numbers(Data::Bool(items)) => items.push(truth),
            _ => return Err(self.other(&truth)),
        }
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.room()?;
        match &mut self.elements {
            Elements::Texts(texts) => texts.push(Bytes::copy_from_slice(text.as_bytes())),
            Elements::Numbers(_) => return Err(self.other(&"text")),
        }
        Ok(())
    }

    /// `null` is a number that is missing.
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.room()?;
        match &mut self.elements {
            _ if self.missing == Missing::Refused => {
                Err(E::custom("null: no value may be missing"))
            }
            Elements::Numbers(Data::F64(items)) => {
                items.push(f64::NAN);
                Ok(())
            }
            Elements::Numbers(Data::F32(items)) => {
                items.push(f32::NAN);
                Ok(())
            }
            _ => Err(self.other(&"null")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(datatype: Datatype, count: usize, json: &str, expect: Result<Data, &str>) {
        match (read(datatype, count, Missing::Refused, json), expect) {
            (Ok(elements), Ok(expect)) => assert_eq!(elements, Elements::Numbers(expect), "{json}"),
            (Err(why), Err(expect)) => assert!(why.contains(expect), "{json}: {why}"),
            (given, _) => panic!("{json}: {given:?}"),
        }
    }

    #[test]
    fn flat_and_nested_lists_are_the_same() {
        let expect = || Ok(Data::F64(vec![1.0, 2.5, -3.0, 4.0]));
        check(Datatype::Fp64, 4, "[1, 2.5, -3, 4]", expect());
        check(Datatype::Fp64, 4, "[[1, 2.5], [-3, 4]]", expect());
    }

    #[test]
    fn integers_keep_all_their_bits_and_their_bounds() {
        let long = "[9223372036854775807]";
        check(Datatype::Int64, 1, long, Ok(Data::I64(vec![i64::MAX])));
        check(Datatype::Uint64, 1, "[18446744073709551615]", Ok(Data::U64(vec![u64::MAX])));
        check(Datatype::Uint8, 1, "[255]", Ok(Data::I32(vec![255])));
        check(Datatype::Uint8, 1, "[256]", Err("256 is no UINT8"));
        check(Datatype::Uint64, 1, "[-1]", Err("-1 is no UINT64"));
        check(Datatype::Int64, 1, "[1.5]", Err("1.5 is no INT64"));
    }

    #[test]
    fn other_kinds_of_values_are_refused() {
        check(Datatype::Bool, 2, "[true, false]", Ok(Data::Bool(vec![true, false])));
        check(Datatype::Bool, 1, "[1]", Err("1 is no BOOL"));
        check(Datatype::Fp32, 1, "[1e39]", Err("is no FP32"));
        check(Datatype::Fp32, 1, "[\"1\"]", Err("text is no FP32"));
        check(Datatype::Fp32, 1, "[null]", Err("missing"));
        check(Datatype::Fp32, 1, "{}", Err("invalid type: map"));
        check(Datatype::Fp16, 1, "[1]", Err("binary"));
    }

    #[test]
    fn a_list_is_as_long_as_its_shape() {
        check(Datatype::Fp32, 2, "[1]", Err("has 1"));
        check(Datatype::Fp32, 2, "[1, 2, 3]", Err("more than the 2 elements"));
        check(Datatype::Fp32, usize::MAX, "[1]", Err("has 1"));
        check(Datatype::Bytes, usize::MAX, "[]", Err("more than"));
        check(Datatype::Fp32, 1, &"[".repeat(100_000), Err("recursion"));
    }
}

//! UBJSON, as XGBoost writes it: JSON's tree with lengths in front and arrays of one type.
//!
//! A value is a mark (`l`: a 32-bit integer, `S`: text, `[`: an array …) and its bytes, big-endian. An array may
//! name its type and count once (`[$l#`), then its items have no marks. Counts are believed only as far as there
//! are bytes, and nesting only to [`MAX_DEPTH`].

use std::fmt;

use serde::{
    Deserialize,
    de::{self, DeserializeSeed, IntoDeserializer as _, MapAccess, SeqAccess, Visitor, value},
    forward_to_deserialize_any,
};

/// XGBoost's own files nest eight deep.
const MAX_DEPTH: usize = 64;

/// Reads a value that takes all bytes.
///
/// # Errors
/// When the bytes are not UBJSON, or not a `T`.
pub(super) fn from_slice<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, Error> {
    let mut reader = Reader { bytes, at: 0, depth: 0 };
    let value = reader.mark().and_then(|mark| T::deserialize(Value { reader: &mut reader, mark }));
    match value {
        Ok(value) if reader.left() == 0 => Ok(value),
        Ok(_) => {
            Err(Error(format!("{} bytes follow the end at byte {}", reader.left(), reader.at)))
        }
        Err(Error(what)) => Err(Error(format!("{what} at byte {}", reader.at))),
    }
}

/// What is wrong with the bytes.
#[derive(Debug)]
pub(super) struct Error(String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(what: T) -> Self {
        Self(what.to_string())
    }
}

fn error<T>(what: impl Into<String>) -> Result<T, Error> {
    Err(Error(what.into()))
}

/// Takes bytes from the front.
#[derive(Debug)]
struct Reader<'de> {
    bytes: &'de [u8],
    at: usize,
    depth: usize,
}

impl<'de> Reader<'de> {
    fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    fn take(&mut self, count: usize) -> Result<&'de [u8], Error> {
        if count > self.left() {
            return error(format!("{count} bytes are missing"));
        }
        let taken = &self.bytes[self.at..self.at + count];
        self.at += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        Ok(self.take(N)?.try_into().expect("`take` returns as many bytes as it was asked for"))
    }

    fn mark(&mut self) -> Result<u8, Error> {
        self.array().map(|[mark]| mark)
    }

    /// Takes a mark when it is the next byte.
    fn take_mark(&mut self, mark: u8) -> bool {
        let found = self.bytes.get(self.at) == Some(&mark);
        self.at += usize::from(found);
        found
    }

    fn integer(&mut self, mark: u8) -> Result<i64, Error> {
        Ok(match mark {
            b'i' => i8::from_be_bytes(self.array()?).into(),
            b'U' => u8::from_be_bytes(self.array()?).into(),
            b'I' => i16::from_be_bytes(self.array()?).into(),
            b'l' => i32::from_be_bytes(self.array()?).into(),
            b'L' => i64::from_be_bytes(self.array()?),
            _ => return error(format!("`{}` is no mark that fits", mark.escape_ascii())),
        })
    }

    /// Reads a count of things that take at least `size` bytes each.
    fn count(&mut self, size: usize) -> Result<usize, Error> {
        let mark = self.mark()?;
        let count = self.integer(mark)?;
        match usize::try_from(count) {
            Ok(count) if count <= self.left() / size => Ok(count),
            _ => error(format!("a count of {count} is more than the file holds")),
        }
    }

    fn text(&mut self) -> Result<&'de str, Error> {
        let length = self.count(1)?;
        std::str::from_utf8(self.take(length)?).or_else(|_| error("text is not UTF-8"))
    }

    /// Reads what stands in front of an array's items.
    fn items(&mut self) -> Result<Items, Error> {
        let mark = if self.take_mark(b'$') { Some(self.mark()?) } else { None };
        let size = match mark {
            Some(mark) => smallest_size(mark)?,
            None => 1,
        };
        if self.take_mark(b'#') {
            Ok(Items { mark, left: Some(self.count(size)?) })
        } else if mark.is_some() {
            error("an array has a type and no count")
        } else {
            Ok(Items { mark: None, left: None })
        }
    }

    /// Returns the mark of the next item; `None` at the end.
    fn next_item(&mut self, items: &mut Items) -> Result<Option<u8>, Error> {
        match &mut items.left {
            Some(0) => return Ok(None),
            Some(left) => *left -= 1,
            None if self.take_mark(b']') => return Ok(None),
            None => {}
        }
        items.mark.map_or_else(|| self.mark(), Ok).map(Some)
    }

    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        if self.depth == MAX_DEPTH {
            return error(format!("the file nests deeper than {MAX_DEPTH}"));
        }
        self.depth += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    /// Goes past a value without looking at it.
    fn skip(&mut self, mark: u8) -> Result<(), Error> {
        match mark {
            b'Z' | b'T' | b'F' => Ok(()),
            b'[' => self.nested(|reader| {
                let mut items = reader.items()?;
                if let Items { mark: Some(mark), left: Some(count) } = items
                    && let Some(size) = fixed_size(mark)
                {
                    // The count was checked against the bytes that are left.
                    return reader.take(count * size).map(drop);
                }
                while let Some(mark) = reader.next_item(&mut items)? {
                    reader.skip(mark)?;
                }
                Ok(())
            }),
            b'{' => self.nested(|reader| {
                while !reader.take_mark(b'}') {
                    reader.text()?;
                    let mark = reader.mark()?;
                    reader.skip(mark)?;
                }
                Ok(())
            }),
            b'S' | b'H' => self.text().map(drop),
            _ => match fixed_size(mark) {
                Some(size) => self.take(size).map(drop),
                None => error(format!("`{}` is no mark", mark.escape_ascii())),
            },
        }
    }
}

/// What is known of an array's items.
#[derive(Debug, Clone, Copy)]
struct Items {
    mark: Option<u8>,
    left: Option<usize>,
}

/// Returns how many bytes a value takes behind its mark; `None` when that differs.
const fn fixed_size(mark: u8) -> Option<usize> {
    match mark {
        b'i' | b'U' | b'C' => Some(1),
        b'I' => Some(2),
        b'l' | b'd' => Some(4),
        b'L' | b'D' => Some(8),
        _ => None,
    }
}

/// Returns how many bytes an item of a typed array takes at least.
fn smallest_size(mark: u8) -> Result<usize, Error> {
    match (mark, fixed_size(mark)) {
        (_, Some(size)) => Ok(size),
        (b'S' | b'H', None) => Ok(2),
        (b'[' | b'{', None) => Ok(1),
        // `T` and its like take no bytes, so that any count of them would have to be believed.
        _ => error(format!("an array of `{}` is not supported", mark.escape_ascii())),
    }
}

/// A value whose mark has been read.
struct Value<'a, 'de> {
    reader: &'a mut Reader<'de>,
    mark: u8,
}

impl<'de> de::Deserializer<'de> for Value<'_, 'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Self { reader, mark } = self;
        match mark {
            b'Z' => visitor.visit_unit(),
            b'T' => visitor.visit_bool(true),
            b'F' => visitor.visit_bool(false),
            b'd' => visitor.visit_f32(f32::from_be_bytes(reader.array()?)),
            b'D' => visitor.visit_f64(f64::from_be_bytes(reader.array()?)),
            b'S' | b'H' => visitor.visit_borrowed_str(reader.text()?),
            b'C' => visitor.visit_char(reader.mark()?.into()),
            b'[' => reader.nested(|reader| {
                let items = reader.items()?;
                visitor.visit_seq(Array { reader, items })
            }),
            b'{' => reader.nested(|reader| visitor.visit_map(Object { reader })),
            _ => visitor.visit_i64(reader.integer(mark)?),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.mark == b'Z' { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.reader.skip(self.mark)?;
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier
    }
}

struct Array<'a, 'de> {
    reader: &'a mut Reader<'de>,
    items: Items,
}

impl<'de> SeqAccess<'de> for Array<'_, 'de> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        match self.reader.next_item(&mut self.items)? {
            Some(mark) => seed.deserialize(Value { reader: self.reader, mark }).map(Some),
            None => Ok(None),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        self.items.left
    }
}

struct Object<'a, 'de> {
    reader: &'a mut Reader<'de>,
}

impl<'de> MapAccess<'de> for Object<'_, 'de> {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        if self.reader.take_mark(b'}') {
            return Ok(None);
        }
        let key: value::BorrowedStrDeserializer<'de, Error> =
            value::BorrowedStrDeserializer::new(self.reader.text()?);
        seed.deserialize(key.into_deserializer()).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        let mark = self.reader.mark()?;
        seed.deserialize(Value { reader: self.reader, mark })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::de::IgnoredAny;
    use serde_json::{Value as Json, json};

    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expect: &Json) {
        assert_eq!(from_slice::<Json>(bytes).unwrap(), *expect);
        from_slice::<IgnoredAny>(bytes).unwrap();
    }

    #[track_caller]
    fn check_error(bytes: &[u8], expect: &str) {
        assert_eq!(from_slice::<Json>(bytes).unwrap_err().to_string(), expect);
        from_slice::<IgnoredAny>(bytes).unwrap_err();
    }

    #[test]
    fn scalars_are_read() {
        check(b"Z", &json!(null));
        check(b"T", &json!(true));
        check(b"i\xff", &json!(-1));
        check(b"U\xff", &json!(255));
        check(b"I\x01\x00", &json!(256));
        check(b"l\x80\x00\x00\x00", &json!(i32::MIN));
        check(b"L\x80\0\0\0\0\0\0\0", &json!(i64::MIN));
        check(b"d\x3f\x00\x00\x00", &json!(0.5));
        check(b"D\x3f\xe0\0\0\0\0\0\0", &json!(0.5));
        check(b"SU\x02ab", &json!("ab"));
        check(b"Ca", &json!("a"));
    }

    #[test]
    fn arrays_are_read_with_and_without_type_and_count() {
        check(b"[]", &json!([]));
        check(b"[i\x01SU\x01a]", &json!([1, "a"]));
        check(b"[#i\x02i\x01T", &json!([1, true]));
        check(b"[$U#i\x03\x01\x02\x03", &json!([1, 2, 3]));
        check(b"[$[#i\x02]$U#i\x01\x07", &json!([[], [7]]));
        check(b"[$S#i\x02U\x01aU\x00", &json!(["a", ""]));
    }

    #[test]
    fn objects_are_read() {
        check(b"{}", &json!({}));
        check(b"{U\x01aTU\x01b{U\x01c[]}}", &json!({"a": true, "b": {"c": []}}));
    }

    #[test]
    fn a_count_is_not_believed_beyond_the_bytes() {
        check_error(
            b"[$d#l\x7f\xff\xff\xff",
            "a count of 2147483647 is more than the file holds at byte 9",
        );
        check_error(b"[#i\xff", "a count of -1 is more than the file holds at byte 4");
        check_error(
            b"Sl\x7f\xff\xff\xffa",
            "a count of 2147483647 is more than the file holds at byte 6",
        );
        check_error(b"[$T#l\x7f\xff\xff\xff", "an array of `T` is not supported at byte 3");
    }

    #[test]
    fn nesting_has_a_limit() {
        check_error(&[b'['; 100_000], "the file nests deeper than 64 at byte 65");
    }

    #[test]
    fn what_follows_the_end_is_an_error() {
        check_error(b"TT", "1 bytes follow the end at byte 1");
    }

    proptest! {
        #[test]
        fn noise_never_panics(bytes in prop::collection::vec(marks(), 0..200)) {
            let read = from_slice::<Json>(&bytes);
            let skipped = from_slice::<IgnoredAny>(&bytes);
            // Skipping looks at less: not at UTF-8 in keys of maps, for example.
            prop_assert!(read.is_err() || skipped.is_ok());
        }
    }

    /// Bytes among which marks are likelier than chance has it.
    fn marks() -> impl Strategy<Value = u8> {
        prop_oneof![
            3 => prop::sample::select(b"ZTFiUIlLdDSHC[]{}$#".as_slice()),
            2 => 0_u8..4,
            1 => any::<u8>(),
        ]
    }
}

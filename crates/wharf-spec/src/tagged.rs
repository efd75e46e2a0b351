//! Objects that say what they are: `type: docker` picks the struct that reads the rest.
//!
//! serde's own `#[serde(tag = "…")]` reads the whole object into a buffer first, and so loses
//! line and column of every error inside it. `tagged!` streams when the tag is the first key,
//! and buffers only when it is not.

use std::fmt;

use serde::{
    Deserializer,
    de::{self, IntoDeserializer, value::MapDeserializer},
};
use serde_json::Value;

/// Keys and values seen before the tag.
pub type Buffered = Vec<(String, Value)>;

/// Defines an enum of structs that is read by a tag key, and written with it.
///
/// `"a registry"` is how messages name the family. `default` makes the tag optional; `mlem_has` lists tags that MLEM
/// has and wharf does not: they are refused as such, not as a slip.
#[macro_export]
macro_rules! tagged {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident, $noun:literal, tag $key:literal $(, default $default:literal)?
        $(, mlem_has [$($foreign:literal),+ $(,)?])? {
            $( $(#[$var_meta:meta])* $tag:literal => $var:ident($ty:ty) ),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
        #[serde(tag = $key)]
        #[schemars(transform = $name::finish_schema)]
        $vis enum $name { $( $(#[$var_meta])* #[serde(rename = $tag)] $var($ty) ),+ }

        impl $name {
            /// Every tag of this family, in the order of declaration.
            pub const TAGS: &'static [&'static str] = &[$($tag),+];
            const FOREIGN: &'static [&'static str] = &[$($($foreign),+)?];
            const DEFAULT: Option<&'static str> = {
                #[allow(unused_mut, unused_assignments)]
                let mut default = None;
                $( default = Some($default); )?
                default
            };

            /// Returns the reader of this family's tag alone.
            #[must_use]
            pub const fn tag_reader() -> $crate::tagged::Tag {
                $crate::tagged::Tag { noun: $noun, tags: Self::TAGS, foreign: Self::FOREIGN }
            }

            /// Adds to the JSON Schema what the reader also takes: the bare tag, and no tag.
            fn finish_schema(schema: &mut schemars::Schema) {
                $crate::tagged::finish_schema(schema, $key, Self::DEFAULT);
            }
        }

        $( const _: () = assert!($crate::tagged::contains($name::TAGS, $default), "the default is not a tag"); )?

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                use serde::de::{self, value::{MapAccessDeserializer, MapDeserializer}};
                struct Visitor;
                impl<'de> de::Visitor<'de> for Visitor {
                    type Value = $name;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(f, concat!($noun, ": a mapping with the key `", $key, "`, or one of {}"),
                            $crate::tagged::OneOf($name::TAGS))
                    }

                    fn visit_str<E: de::Error>(self, tag: &str) -> Result<$name, E> {
                        self.visit_map(MapDeserializer::<_, E>::new([($key, tag)].into_iter()))
                    }

                    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<$name, A::Error> {
                        let mut before = $crate::tagged::Buffered::new();
                        let mut found: Option<&'static str> = None;
                        while let Some(key) = map.next_key::<String>()? {
                            if key != $key {
                                before.push((key, map.next_value()?));
                                continue;
                            }
                            if found.is_some() {
                                return Err(de::Error::duplicate_field($key));
                            }
                                let tag = map.next_value_seed($name::tag_reader())?;
                            if before.is_empty() {
                                return match tag {
                                    $( $tag => <$ty as serde::Deserialize>::deserialize(
                                        MapAccessDeserializer::new(map)).map($name::$var), )+
                                    _ => unreachable!("the reader gives one of TAGS"),
                                };
                            }
                            found = Some(tag);
                        }
                        let Some(tag) = found.or($name::DEFAULT) else {
                            return Err($crate::tagged::missing($key, $noun, $name::TAGS));
                        };
                        let rest = $crate::tagged::replay(before);
                        match tag {
                            $( $tag => <$ty as serde::Deserialize>::deserialize(rest).map($name::$var)
                                .map_err(|error| $crate::tagged::buffered(error, $key, $noun)), )+
                            _ => unreachable!("the default is one of TAGS"),
                        }
                    }
                }
                deserializer.deserialize_any(Visitor)
            }
        }
    };
}

/// Says at compile time whether a default is among the tags.
pub const fn contains(tags: &[&str], tag: &str) -> bool {
    let mut at = 0;
    while at < tags.len() {
        let (left, right) = (tags[at].as_bytes(), tag.as_bytes());
        let mut same = left.len() == right.len();
        let mut byte = 0;
        while same && byte < left.len() {
            same = left[byte] == right[byte];
            byte += 1;
        }
        if same {
            return true;
        }
        at += 1;
    }
    false
}

/// A buffered value that fails with `serde_json::Error`, so that one `map_err` covers all.
#[derive(Debug)]
pub struct Replayed(Value);

impl<'de> IntoDeserializer<'de, serde_json::Error> for Replayed {
    type Deserializer = Value;
    fn into_deserializer(self) -> Value {
        self.0
    }
}

type Replay =
    MapDeserializer<'static, Box<dyn Iterator<Item = (String, Replayed)>>, serde_json::Error>;

/// Returns a deserializer over entries that were read before the tag.
pub fn replay(entries: Buffered) -> Replay {
    MapDeserializer::new(Box::new(entries.into_iter().map(|(key, value)| (key, Replayed(value)))))
}

/// Reads a tag; an unknown one fails at its own line and column, with the nearest name.
#[derive(Debug)]
pub struct Tag {
    pub noun: &'static str,
    pub tags: &'static [&'static str],
    /// Tags that MLEM has and wharf does not.
    pub foreign: &'static [&'static str],
}

impl<'de> de::DeserializeSeed<'de> for Tag {
    type Value = &'static str;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<&'static str, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl de::Visitor<'_> for Tag {
    type Value = &'static str;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the type of {}: one of {}", self.noun, OneOf(self.tags))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<&'static str, E> {
        if let Some(tag) = self.tags.iter().find(|tag| **tag == text) {
            return Ok(*tag);
        }
        if self.foreign.contains(&text) {
            return Err(E::custom(format!(
                "MLEM's `{text}` is not supported as the type of {}; there is {}",
                self.noun,
                OneOf(self.tags)
            )));
        }
        let meant = nearest(text, self.tags)
            .map(|near| format!(" (did you mean `{near}`?)"))
            .unwrap_or_default();
        Err(E::custom(format!(
            "`{text}` is not {}{meant}; there is {}",
            self.noun,
            OneOf(self.tags)
        )))
    }
}

/// Returns the error for an object without its tag.
pub fn missing<E: de::Error>(key: &str, noun: &str, tags: &[&str]) -> E {
    E::custom(format!("missing `{key}` of {noun}: one of {}", OneOf(tags)))
}

/// Returns the error of an object that had to be buffered, with the way to a location.
pub fn buffered<E: de::Error>(error: serde_json::Error, key: &str, noun: &str) -> E {
    E::custom(format!("in {noun}: {error} (write `{key}` first to see the line)"))
}

/// Returns the candidate that a typing slip most likely meant.
pub fn nearest<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let limit = word.chars().count() / 3 + 1;
    candidates
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), *candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Shows `` `a`, `b` or `c` ``.
#[derive(Debug)]
pub struct OneOf<'a>(pub &'a [&'a str]);

impl fmt::Display for OneOf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, word) in self.0.iter().enumerate() {
            let join = if at == 0 {
                ""
            } else if at + 1 == self.0.len() {
                " or "
            } else {
                ", "
            };
            write!(f, "{join}`{word}`")?;
        }
        Ok(())
    }
}

/// Lets a schema accept a bare tag where nothing else is required, and no tag for the default.
pub fn finish_schema(schema: &mut schemars::Schema, key: &str, default: Option<&str>) {
    let Some(branches) = schema.get_mut("oneOf").and_then(Value::as_array_mut) else { return };
    let mut bare = Vec::new();
    for branch in branches.iter_mut() {
        let tag = branch["properties"][key]["const"].clone();
        let Some(required) = branch.get_mut("required").and_then(Value::as_array_mut) else {
            continue;
        };
        if required.len() == 1 {
            bare.push(tag.clone());
        }
        if tag.as_str().is_some() && tag.as_str() == default {
            required.retain(|name| name != key);
        }
    }
    if !bare.is_empty() {
        branches.push(serde_json::json!({ "type": "string", "enum": bare }));
    }
}

//! One JSON value → one number, lossless or not at all.

use serde_json::{Number, Value};

use super::wrong::{Class, WrongInput, repr};

/// The elements of an array, by NumPy's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    F64,
    /// `float32`, and `float16`, which travels as `float32`.
    F32,
    /// Integers of up to 32 bits.
    I32 {
        min: i64,
        max: i64,
    },
    /// `int64`, and `uint32`, which has no width of its own here.
    I64 {
        min: i64,
        max: i64,
    },
    U64,
    Bool,
    Text,
    /// `object` and what we do not know: taken as it is.
    Any,
}

impl Element {
    /// Returns the elements of a type of NumPy, pandas or torch.
    pub(crate) fn named(dtype: &str) -> Self {
        let name = dtype.strip_prefix("torch.").unwrap_or(dtype);
        match name {
            "float64" | "Float64" | "double" => Self::F64,
            "float32" | "Float32" | "float16" | "float" | "half" => Self::F32,
            "int8" | "Int8" => Self::I32 { min: i8::MIN.into(), max: i8::MAX.into() },
            "int16" | "Int16" => Self::I32 { min: i16::MIN.into(), max: i16::MAX.into() },
            "int32" | "Int32" => Self::I32 { min: i32::MIN.into(), max: i32::MAX.into() },
            "uint8" | "UInt8" => Self::I32 { min: 0, max: u8::MAX.into() },
            "uint16" | "UInt16" => Self::I32 { min: 0, max: u16::MAX.into() },
            "uint32" | "UInt32" => Self::I64 { min: 0, max: u32::MAX.into() },
            "int64" | "Int64" | "long" => Self::I64 { min: i64::MIN, max: i64::MAX },
            "uint64" | "UInt64" => Self::U64,
            "bool" | "boolean" => Self::Bool,
            _ if name.starts_with("str") || name.starts_with("<U") => Self::Text,
            _ => Self::Any,
        }
    }
}

/// Whether `null` stands for a missing number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    Allowed,
    Refused,
}

/// Why a value is not the number that is wanted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Refusal {
    /// Text, a list, an object.
    NotANumber,
    /// `null` where nothing may be missing.
    Missing,
    /// The text `NaN` or `Infinity`.
    NotFinite,
    /// A fraction where an integer belongs.
    Fraction,
    /// Too large or too small for the type.
    Range,
}

impl Refusal {
    /// Words the refusal of `value` as an element of type `dtype`; `converted` is MLEM's sentence for what cannot
    /// be read at all.
    pub(crate) fn explain(self, value: &Value, dtype: &str, converted: String) -> WrongInput {
        let shown = repr(value);
        match self {
            Self::NotANumber => {
                WrongInput::form(converted).hint(format!("{shown} cannot be read as {dtype}"))
            }
            Self::Missing => WrongInput::form(format!("a value is missing where {dtype} belongs"))
                .hint("this model was not made for missing values: send a number in place of null"),
            Self::NotFinite => WrongInput::form(converted).hint(
                "NaN and Infinity are no numbers in JSON; where a value may be missing, send null",
            ),
            Self::Fraction => WrongInput::form(format!("{shown} would be cut to fit {dtype}"))
                .hint("send a whole number"),
            Self::Range => WrongInput::form(format!("{shown} does not fit into {dtype}"))
                .hint("send a smaller number"),
        }
    }
}

/// Reads a float; the text of a number counts, as NumPy has it.
pub(crate) fn float(value: &Value, missing: Missing) -> Result<f64, Refusal> {
    match value {
        Value::Number(number) => number.as_f64().ok_or(Refusal::NotANumber),
        Value::Bool(yes) => Ok(f64::from(u8::from(*yes))),
        Value::Null if missing == Missing::Allowed => Ok(f64::NAN),
        Value::Null => Err(Refusal::Missing),
        Value::String(text) => {
            let number: f64 = text.trim().parse().map_err(|_| Refusal::NotANumber)?;
            if number.is_finite() { Ok(number) } else { Err(Refusal::NotFinite) }
        }
        Value::Array(_) | Value::Object(_) => Err(Refusal::NotANumber),
    }
}

/// Reads a float of 32 bits; what would become infinite is refused.
pub(crate) fn float32(value: &Value, missing: Missing) -> Result<f32, Refusal> {
    let wide = float(value, missing)?;
    narrow(wide).ok_or(Refusal::Range)
}

/// Rounds to 32 bits; `None` where a finite number would become infinite.
pub(crate) fn narrow(wide: f64) -> Option<f32> {
    let narrow = wide as f32;
    (narrow.is_finite() || !wide.is_finite()).then_some(narrow)
}

/// Reads an integer, lossless: `5.0` and `"5"` count, `5.5` does not.
pub(crate) fn integer(value: &Value) -> Result<i128, Refusal> {
    match value {
        Value::Number(number) => whole(number),
        Value::Bool(yes) => Ok(i128::from(*yes)),
        Value::Null => Err(Refusal::Missing),
        Value::String(text) => match text.trim().parse::<i64>() {
            Ok(number) => Ok(number.into()),
            Err(_) => Err(Refusal::NotANumber),
        },
        Value::Array(_) | Value::Object(_) => Err(Refusal::NotANumber),
    }
}

/// Beyond this not every integer is a float of 64 bits.
const EXACT: f64 = 9_007_199_254_740_992.0;

fn whole(number: &Number) -> Result<i128, Refusal> {
    if let Some(number) = number.as_i64() {
        return Ok(number.into());
    }
    if let Some(number) = number.as_u64() {
        return Ok(number.into());
    }
    let number = number.as_f64().ok_or(Refusal::NotANumber)?;
    if number.fract() != 0.0 {
        return Err(Refusal::Fraction);
    }
    if number.abs() > EXACT { Err(Refusal::Range) } else { Ok(number as i128) }
}

/// Reads an integer within bounds.
pub(crate) fn bounded(value: &Value, min: i64, max: i64) -> Result<i64, Refusal> {
    let number = integer(value)?;
    let number = i64::try_from(number).map_err(|_| Refusal::Range)?;
    if (min..=max).contains(&number) { Ok(number) } else { Err(Refusal::Range) }
}

/// Reads a truth value: `true`, 0 and 1, and the words; not every text is true, as it was for MLEM.
pub(crate) fn truth(value: &Value) -> Result<bool, Refusal> {
    match value {
        Value::Bool(yes) => Ok(*yes),
        Value::Null => Err(Refusal::Missing),
        Value::Number(_) => match integer(value)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Refusal::Range),
        },
        Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        Value::String(_) | Value::Array(_) | Value::Object(_) => Err(Refusal::NotANumber),
    }
}

/// Reads text; a number becomes its text, as it did for MLEM.
pub(crate) fn text(value: &Value) -> Result<String, Refusal> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Null => Err(Refusal::Missing),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(Refusal::NotANumber),
    }
}

/// Reads one value of Python's own types: `int`, `str`, `bool`, `float`, `complex` or `NoneType`.
pub(crate) fn primitive(value: &Value, ptype: &str) -> Result<Value, WrongInput> {
    let read = match ptype {
        "int" => integer(value).and_then(|number| {
            let number = Number::from_i128(number).ok_or(Refusal::Range)?;
            Ok(Value::Number(number))
        }),
        "float" => float(value, Missing::Refused).and_then(finite),
        "bool" => truth(value).map(Value::Bool),
        "str" => text(value).map(Value::String),
        "NoneType" if value.is_null() => Ok(Value::Null),
        "NoneType" => Err(Refusal::NotANumber),
        _ => Ok(value.clone()),
    };
    read.map_err(|refusal| not_primitive(value, ptype, refusal))
}

/// Reads one number of NumPy.
pub(crate) fn number(value: &Value, dtype: &str, missing: Missing) -> Result<Value, WrongInput> {
    let read = match Element::named(dtype) {
        Element::F64 | Element::F32 if value.is_null() && missing == Missing::Allowed => {
            Ok(Value::Null)
        }
        Element::F64 => float(value, missing).and_then(finite),
        Element::F32 => float32(value, missing).and_then(|number| finite(number.into())),
        Element::I32 { min, max } | Element::I64 { min, max } => {
            bounded(value, min, max).map(Value::from)
        }
        Element::U64 => integer(value)
            .and_then(|number| u64::try_from(number).map(Value::from).map_err(|_| Refusal::Range)),
        Element::Bool => truth(value).map(Value::Bool),
        Element::Text => text(value).map(Value::String),
        Element::Any => Ok(value.clone()),
    };
    let python = if dtype.contains("int") { "int" } else { "float" };
    read.map_err(|refusal| match refusal {
        Refusal::NotANumber | Refusal::Missing => not_primitive(value, python, refusal),
        other => other.explain(value, dtype, String::new()),
    })
}

fn finite(number: f64) -> Result<Value, Refusal> {
    Number::from_f64(number).map(Value::Number).ok_or(Refusal::NotFinite)
}

/// Words a refusal as Python's constructors do.
fn not_primitive(value: &Value, ptype: &str, refusal: Refusal) -> WrongInput {
    let shown = repr(value);
    let plain = matches!(value, Value::String(_));
    let message = match (ptype, plain) {
        ("int", true) => format!("invalid literal for int() with base 10: {shown}"),
        ("float", true) => format!("could not convert string to float: {shown}"),
        _ => format!("{shown} is no {ptype}"),
    };
    match refusal {
        Refusal::NotANumber | Refusal::NotFinite if plain => {
            WrongInput::new(Class::Value, message).hint(format!("send a {}", plain_name(ptype)))
        }
        Refusal::NotANumber | Refusal::Missing | Refusal::NotFinite => {
            WrongInput::new(Class::Type, message).hint(format!("send a {}", plain_name(ptype)))
        }
        other => other.explain(value, ptype, message),
    }
}

fn plain_name(ptype: &str) -> &str {
    match ptype {
        "int" => "whole number",
        "float" => "number",
        "bool" => "truth value: true or false",
        "str" => "text",
        "NoneType" => "null",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn integers_are_read_lossless_or_not_at_all() {
        for (given, expect) in [(json!(5), 5), (json!(5.0), 5), (json!("5"), 5), (json!(true), 1)] {
            assert_eq!(integer(&given), Ok(expect), "{given}");
        }
        assert_eq!(integer(&json!(5.5)), Err(Refusal::Fraction));
        assert_eq!(integer(&json!(1e300)), Err(Refusal::Range));
        assert_eq!(integer(&json!(u64::MAX)), Ok(u64::MAX.into()));
        assert_eq!(bounded(&json!(256), 0, 255), Err(Refusal::Range));
    }

    #[test]
    fn not_every_text_is_true() {
        assert_eq!(truth(&json!("False")), Ok(false));
        assert_eq!(truth(&json!("oops")), Err(Refusal::NotANumber));
        assert_eq!(truth(&json!(2)), Err(Refusal::Range));
    }

    #[test]
    fn the_texts_nan_and_infinity_are_refused() {
        for text in ["NaN", "nan", "inf", "-Infinity"] {
            assert_eq!(float(&json!(text), Missing::Allowed), Err(Refusal::NotFinite), "{text}");
        }
        assert_eq!(float(&json!(" 5.1 "), Missing::Refused), Ok(5.1));
    }

    #[test]
    fn what_would_become_infinite_in_32_bits_is_refused() {
        assert_eq!(float32(&json!(1e39), Missing::Refused), Err(Refusal::Range));
        assert_eq!(float32(&json!(0.1), Missing::Refused), Ok(0.1));
        assert!(float32(&json!(null), Missing::Allowed).unwrap().is_nan());
    }

    #[test]
    fn a_wrong_primitive_is_told_in_pythons_words() {
        let wrong = primitive(&json!("oops"), "int").unwrap_err();
        assert_eq!(wrong.error(), "ValueError: invalid literal for int() with base 10: 'oops'");
        let wrong = number(&json!("oops"), "float64", Missing::Refused).unwrap_err();
        assert_eq!(wrong.error(), "ValueError: could not convert string to float: 'oops'");
        assert_eq!(wrong.mlem_status(), 422);
    }
}

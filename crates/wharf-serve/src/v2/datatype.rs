//! The element types of the protocol, and how each travels.

use wharf_model::tensor::Data;

use crate::schema::scalar::Element;

/// An element type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Datatype {
    Bool,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Int8,
    Int16,
    Int32,
    Int64,
    Fp16,
    Bf16,
    Fp32,
    Fp64,
    /// Text, or bytes as they are.
    Bytes,
}

/// Each with its name and its bytes for an element; text has as many as it needs.
const DATATYPES: [(Datatype, &str, usize); 14] = [
    (Datatype::Bool, "BOOL", 1),
    (Datatype::Uint8, "UINT8", 1),
    (Datatype::Uint16, "UINT16", 2),
    (Datatype::Uint32, "UINT32", 4),
    (Datatype::Uint64, "UINT64", 8),
    (Datatype::Int8, "INT8", 1),
    (Datatype::Int16, "INT16", 2),
    (Datatype::Int32, "INT32", 4),
    (Datatype::Int64, "INT64", 8),
    (Datatype::Fp16, "FP16", 2),
    (Datatype::Bf16, "BF16", 2),
    (Datatype::Fp32, "FP32", 4),
    (Datatype::Fp64, "FP64", 8),
    (Datatype::Bytes, "BYTES", 0),
];

impl Datatype {
    /// Returns the type of this name.
    pub(crate) fn named(word: &str) -> Option<Self> {
        DATATYPES.into_iter().find(|(_, name, _)| *name == word).map(|(datatype, ..)| datatype)
    }

    /// Returns its name.
    pub(crate) fn word(self) -> &'static str {
        DATATYPES[self as usize].1
    }

    /// Returns its name in a model's configuration, which Triton's protocol writes in another way.
    pub(crate) fn config_word(self) -> String {
        let word = if self == Self::Bytes { "STRING" } else { self.word() };
        format!("TYPE_{word}")
    }

    /// Returns the bytes of an element; 0 where each has its own length.
    pub(crate) fn width(self) -> usize {
        DATATYPES[self as usize].2
    }

    /// Returns the type that elements of this dtype of NumPy, pandas or torch have here. What is held wider than it
    /// is declared (`float16`) has the wider type.
    pub(crate) fn of_dtype(dtype: &str) -> Self {
        let name = dtype.strip_prefix("torch.").unwrap_or(dtype);
        match Element::named(name) {
            Element::F64 => Self::Fp64,
            Element::F32 => Self::Fp32,
            Element::I64 { .. } if name.eq_ignore_ascii_case("uint32") => Self::Uint32,
            Element::I64 { .. } => Self::Int64,
            Element::U64 => Self::Uint64,
            Element::Bool => Self::Bool,
            Element::I32 { .. } => Self::named(&name.to_ascii_uppercase()).unwrap_or(Self::Int32),
            Element::Text | Element::Any => Self::Bytes,
        }
    }

    /// Returns the type in which these elements are held.
    pub(crate) fn of_data(data: &Data) -> Self {
        match data {
            Data::F32(_) => Self::Fp32,
            Data::F64(_) => Self::Fp64,
            Data::I32(_) => Self::Int32,
            Data::I64(_) => Self::Int64,
            Data::U64(_) => Self::Uint64,
            Data::Bool(_) => Self::Bool,
            Data::Str(_) => Self::Bytes,
        }
    }

    /// Returns the smallest and the largest integer of a type that is held as another one.
    pub(crate) fn bounds(self) -> Option<(i64, i64)> {
        Some(match self {
            Self::Uint8 => (0, u8::MAX.into()),
            Self::Uint16 => (0, u16::MAX.into()),
            Self::Uint32 => (0, u32::MAX.into()),
            Self::Int8 => (i8::MIN.into(), i8::MAX.into()),
            Self::Int16 => (i16::MIN.into(), i16::MAX.into()),
            Self::Int32 => (i32::MIN.into(), i32::MAX.into()),
            Self::Int64 => (i64::MIN, i64::MAX),
            Self::Bool
            | Self::Uint64
            | Self::Fp16
            | Self::Bf16
            | Self::Fp32
            | Self::Fp64
            | Self::Bytes => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_types() {
        for (datatype, name, width) in DATATYPES {
            assert_eq!((datatype.word(), datatype.width()), (name, width));
            assert_eq!(Datatype::named(name), Some(datatype));
        }
    }

    #[test]
    fn dtypes_of_python_have_a_type() {
        for (dtype, expect) in [
            ("float64", "FP64"),
            ("torch.float32", "FP32"),
            ("float16", "FP32"),
            ("uint8", "UINT8"),
            ("Int16", "INT16"),
            ("uint32", "UINT32"),
            ("torch.long", "INT64"),
            ("bool", "BOOL"),
            ("str320", "BYTES"),
            ("category", "BYTES"),
        ] {
            assert_eq!(Datatype::of_dtype(dtype).word(), expect, "{dtype}");
        }
    }
}

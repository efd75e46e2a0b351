//! `TensorProto.DataType`: the element types of ONNX.

/// The element type of a constant or a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    Float32,
    UInt8,
    Int8,
    UInt16,
    Int16,
    Int32,
    Int64,
    Str,
    Bool,
    Float16,
    Float64,
    UInt32,
    UInt64,
    BFloat16,
    /// Complex numbers, and what is narrower than a byte or a float of one: known to ONNX, of no use here.
    Other,
}

impl Element {
    /// Returns the type of a number of `TensorProto.DataType`; `None` for one that ONNX does not have.
    pub(super) fn of(data_type: i32) -> Option<Self> {
        Some(match data_type {
            1 => Self::Float32,
            2 => Self::UInt8,
            3 => Self::Int8,
            4 => Self::UInt16,
            5 => Self::Int16,
            6 => Self::Int32,
            7 => Self::Int64,
            8 => Self::Str,
            9 => Self::Bool,
            10 => Self::Float16,
            11 => Self::Float64,
            12 => Self::UInt32,
            13 => Self::UInt64,
            16 => Self::BFloat16,
            14 | 15 | 17..=26 => Self::Other,
            _ => return None,
        })
    }

    /// Returns NumPy's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::UInt8 => "uint8",
            Self::Int8 => "int8",
            Self::UInt16 => "uint16",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Str => "str",
            Self::Bool => "bool",
            Self::Float16 => "float16",
            Self::Float64 => "float64",
            Self::UInt32 => "uint32",
            Self::UInt64 => "uint64",
            Self::BFloat16 => "bfloat16",
            Self::Other => "other",
        }
    }

    /// Returns the bytes of one element; `None` where that is no whole number of them.
    pub(super) fn width(self) -> Option<usize> {
        match self {
            Self::UInt8 | Self::Int8 | Self::Bool => Some(1),
            Self::UInt16 | Self::Int16 | Self::Float16 | Self::BFloat16 => Some(2),
            Self::Float32 | Self::Int32 | Self::UInt32 => Some(4),
            Self::Float64 | Self::Int64 | Self::UInt64 => Some(8),
            Self::Str | Self::Other => None,
        }
    }
}

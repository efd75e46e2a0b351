//! A tensor on its way: its elements from bytes and back.
//!
//! Bytes are little-endian, row-major and packed; a text is its length (u32) and its bytes.

use std::mem::discriminant;

use bytes::{Buf, Bytes};
use half::{bf16, f16};
use wharf_model::tensor::Data;

use super::datatype::Datatype;

/// Most texts of a tensor: each takes some tens of bytes besides its own.
pub(crate) const MAX_TEXTS: usize = 1_000_000;

/// Largest size of a dimension, and most elements: more do not fit a body.
const MAX_ELEMENTS: usize = 32 << 20;

/// A tensor as the protocol has it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct V2Tensor {
    pub(crate) name: String,
    pub(crate) datatype: Datatype,
    pub(crate) shape: Vec<usize>,
    pub(crate) elements: Elements,
}

/// The elements, row-major.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Elements {
    /// Never [`Data::Str`].
    Numbers(Data),
    Texts(Vec<Bytes>),
}

/// Returns the shape and the number of its elements, or why it cannot be.
pub(crate) fn shape(sizes: &[i64]) -> Result<(Vec<usize>, usize), String> {
    let refused = |why| Err(format!("the shape {sizes:?} {why}"));
    let Ok(shape) = sizes.iter().map(|size| usize::try_from(*size)).collect::<Result<Vec<_>, _>>()
    else {
        return refused("has a negative dimension");
    };
    // An empty dimension does not make the others harmless: somebody may allocate by them.
    let bulk = shape.iter().try_fold(1_usize, |product, size| product.checked_mul((*size).max(1)));
    match bulk {
        Some(bulk) if bulk <= MAX_ELEMENTS => {
            let count = shape.iter().product();
            Ok((shape, count))
        }
        _ => refused("has more elements than a request can hold"),
    }
}

impl Elements {
    /// Returns no elements, to be filled.
    pub(crate) fn none(datatype: Datatype) -> Self {
        Self::Numbers(match datatype {
            Datatype::Bool => Data::Bool(Vec::new()),
            Datatype::Uint8
            | Datatype::Uint16
            | Datatype::Int8
            | Datatype::Int16
            | Datatype::Int32 => Data::I32(Vec::new()),
            Datatype::Uint32 | Datatype::Int64 => Data::I64(Vec::new()),
            Datatype::Uint64 => Data::U64(Vec::new()),
            Datatype::Fp16 | Datatype::Bf16 | Datatype::Fp32 => Data::F32(Vec::new()),
            Datatype::Fp64 => Data::F64(Vec::new()),
            Datatype::Bytes => return Self::Texts(Vec::new()),
        })
    }

    /// Says whether elements of this tensor's type are held as these are.
    pub(crate) fn holds_as(&self, data: &Data) -> bool {
        matches!(self, Self::Numbers(own) if discriminant(own) == discriminant(data))
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Numbers(data) => data.len(),
            Self::Texts(texts) => texts.len(),
        }
    }

    /// Reads exactly `count` elements; nothing is set aside before the bytes are known to be there.
    pub(crate) fn from_bytes(
        datatype: Datatype,
        count: usize,
        bytes: Bytes,
    ) -> Result<Self, String> {
        if datatype == Datatype::Bytes {
            return texts(count, bytes).map(Self::Texts);
        }
        let (given, needed) = (bytes.len(), count.checked_mul(datatype.width()));
        if needed != Some(given) {
            let word = datatype.word();
            return Err(format!("{count} elements of {word} are not {given} bytes"));
        }
        let bytes = &bytes[..];
        Ok(Self::Numbers(match datatype {
            Datatype::Bool => Data::Bool(truths(bytes)?),
            Datatype::Uint8 => Data::I32(items(bytes, |[byte]: [u8; 1]| byte.into())),
            Datatype::Uint16 => Data::I32(items(bytes, |chunk| u16::from_le_bytes(chunk).into())),
            Datatype::Uint32 => Data::I64(items(bytes, |chunk| u32::from_le_bytes(chunk).into())),
            Datatype::Uint64 => Data::U64(items(bytes, u64::from_le_bytes)),
            Datatype::Int8 => Data::I32(items(bytes, |chunk| i8::from_le_bytes(chunk).into())),
            Datatype::Int16 => Data::I32(items(bytes, |chunk| i16::from_le_bytes(chunk).into())),
            Datatype::Int32 => Data::I32(items(bytes, i32::from_le_bytes)),
            Datatype::Int64 => Data::I64(items(bytes, i64::from_le_bytes)),
            Datatype::Fp16 => Data::F32(items(bytes, |chunk| f16::from_le_bytes(chunk).to_f32())),
            Datatype::Bf16 => Data::F32(items(bytes, |chunk| bf16::from_le_bytes(chunk).to_f32())),
            Datatype::Fp32 => Data::F32(items(bytes, f32::from_le_bytes)),
            Datatype::Fp64 => Data::F64(items(bytes, f64::from_le_bytes)),
            Datatype::Bytes => unreachable!("read above"),
        }))
    }

    /// Writes the elements as `datatype`, in which they are known to fit.
    pub(crate) fn write_bytes(&self, datatype: Datatype, out: &mut Vec<u8>) {
        match self {
            Self::Texts(texts) => {
                for text in texts {
                    // A body has far less than 4 GiB.
                    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
                    out.extend_from_slice(text);
                }
            }
            Self::Numbers(data) => match data {
                Data::F32(items) => put(items, out, |item| item.to_le_bytes()),
                Data::F64(items) => put(items, out, |item| item.to_le_bytes()),
                Data::U64(items) => put(items, out, |item| item.to_le_bytes()),
                Data::Bool(items) => put(items, out, |item| [u8::from(*item)]),
                Data::I64(items) if datatype == Datatype::Uint32 => {
                    put(items, out, |item| (*item as u32).to_le_bytes());
                }
                Data::I64(items) => put(items, out, |item| item.to_le_bytes()),
                Data::I32(items) => match datatype.width() {
                    1 => put(items, out, |item| [*item as u8]),
                    2 => put(items, out, |item| (*item as u16).to_le_bytes()),
                    _ => put(items, out, |item| item.to_le_bytes()),
                },
                Data::Str(_) => unreachable!("text is held as bytes"),
            },
        }
    }
}

fn items<T, const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|chunk| read(*chunk)).collect()
}

fn put<T, const N: usize>(items: &[T], out: &mut Vec<u8>, bytes: impl Fn(&T) -> [u8; N]) {
    out.reserve(items.len() * N);
    items.iter().for_each(|item| out.extend_from_slice(&bytes(item)));
}

fn truths(bytes: &[u8]) -> Result<Vec<bool>, String> {
    let truth = |byte: &u8| match byte {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(format!("a BOOL is 0 or 1, not {other}")),
    };
    bytes.iter().map(truth).collect()
}

fn texts(count: usize, mut bytes: Bytes) -> Result<Vec<Bytes>, String> {
    const LENGTH: usize = 4;
    if count > MAX_TEXTS {
        return Err(format!("{count} texts are more than {MAX_TEXTS}"));
    }
    if count.checked_mul(LENGTH).is_none_or(|least| least > bytes.len()) {
        return Err(format!("{count} texts do not fit into {} bytes", bytes.len()));
    }
    let mut texts = Vec::with_capacity(count);
    for index in 0..count {
        let length = bytes.try_get_u32_le().ok().and_then(|length| usize::try_from(length).ok());
        let Some(length) = length.filter(|length| *length <= bytes.remaining()) else {
            return Err(format!("text {index} is longer than the bytes that are left"));
        };
        texts.push(bytes.split_to(length));
    }
    match bytes.len() {
        0 => Ok(texts),
        more => Err(format!("{more} bytes are left after the last text")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(datatype: Datatype, count: usize, bytes: &[u8]) -> Result<Elements, String> {
        Elements::from_bytes(datatype, count, Bytes::copy_from_slice(bytes))
    }

    #[test]
    fn every_type_is_written_as_it_was_read() {
        let bytes = [1, 0, 1, 0, 1, 1, 0, 0, 0, 1, 1, 1, 0, 1, 0, 1];
        let kept = [
            "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64",
            "FP32", "FP64",
        ];
        for word in kept {
            let datatype = Datatype::named(word).unwrap();
            let elements = read(datatype, bytes.len() / datatype.width(), &bytes).unwrap();
            let mut out = Vec::new();
            elements.write_bytes(datatype, &mut out);
            assert_eq!(out, bytes, "{word}");
        }
        let texts =
            [&2_u32.to_le_bytes()[..], b"ab", &0_u32.to_le_bytes(), &1_u32.to_le_bytes(), b"\xff"]
                .concat();
        let mut out = Vec::new();
        read(Datatype::Bytes, 3, &texts).unwrap().write_bytes(Datatype::Bytes, &mut out);
        assert_eq!(out, texts);
    }

    #[test]
    fn narrow_types_keep_their_sign_and_value() {
        let check = |datatype, bytes: &[u8], expect| {
            assert_eq!(read(datatype, 1, bytes), Ok(Elements::Numbers(expect)), "{datatype:?}");
        };
        check(Datatype::Int8, &[0xff], Data::I32(vec![-1]));
        check(Datatype::Uint8, &[0xff], Data::I32(vec![255]));
        check(Datatype::Int16, &[0, 0x80], Data::I32(vec![-32_768]));
        check(Datatype::Uint32, &[0xff; 4], Data::I64(vec![4_294_967_295]));
        check(Datatype::Fp16, &[0x00, 0x3e], Data::F32(vec![1.5]));
        check(Datatype::Bf16, &[0xc0, 0x3f], Data::F32(vec![1.5]));
    }

    #[test]
    fn counts_that_lie_are_refused() {
        let check = |datatype, count, bytes: &[u8]| {
            let why = read(datatype, count, bytes).unwrap_err();
            assert!(why.len() < 100, "{why}");
        };
        check(Datatype::Fp64, 2, &[0; 15]);
        check(Datatype::Fp64, usize::MAX, &[0; 8]);
        check(Datatype::Bool, 1, &[2]);
        check(Datatype::Bytes, usize::MAX, &[0; 8]);
        check(Datatype::Bytes, 1, &[0xff; 4]);
        check(Datatype::Bytes, 1, &[1, 0, 0, 0, b'a', b'b']);
        check(Datatype::Bytes, 2, &[5, 0, 0, 0, b'a', b'b', b'c', b'd', b'e']);
    }

    #[test]
    fn shapes_beyond_a_body_are_refused() {
        assert_eq!(shape(&[2, 3]), Ok((vec![2, 3], 6)));
        assert_eq!(shape(&[]), Ok((Vec::new(), 1)));
        assert_eq!(shape(&[0, 4]), Ok((vec![0, 4], 0)));
        for wrong in [&[-1, 4][..], &[i64::MIN], &[1 << 40], &[0, i64::MAX], &[1 << 32, 1 << 32]] {
            assert!(shape(wrong).is_err(), "{wrong:?}");
        }
    }
}

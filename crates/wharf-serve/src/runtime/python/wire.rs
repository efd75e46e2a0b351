//! Arguments and answers in a frame: a description in the JSON header, and raw buffers behind it.
//!
//! A tensor is `{"tensor": {"dtype": "float64", "shape": [2, 4]}}` and one buffer; a tensor of text has two, the
//! offsets (u32, one more than texts) and the UTF-8 bytes. Every buffer is little-endian and is padded to a multiple
//! of eight bytes, so that NumPy can use it where it lies. `python/values.py` is the other side.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use wharf_model::tensor::{Data, Tensor};

use crate::runtime::{Column, Frame, Payload, Values};

/// What a payload is, without its buffers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Part {
    Json(Value),
    Tensor { dtype: Dtype, shape: Vec<usize> },
    Frame { rows: usize, columns: Vec<ColumnPart> },
    Binary { bytes: usize },
    List(Vec<Self>),
}

/// A column of a table, without its buffer.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ColumnPart {
    name: String,
    form: ColumnForm,
}

/// How a column's values travel.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ColumnForm {
    /// In a buffer.
    Dtype(Dtype),
    /// In the description itself.
    Values(Vec<Value>),
}

/// NumPy's names of the element types that travel.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Dtype {
    Float32,
    Float64,
    Int32,
    Int64,
    Uint64,
    Bool,
    Str,
}

/// Why bytes from the worker are no answer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum WireError {
    #[error("an answer is shorter than its description says")]
    Short,
    #[error("an answer has {0} bytes more than its description says")]
    Long(usize),
    #[error("the sizes in an answer's description contradict each other")]
    Sizes,
    #[error("an answer holds text that is not UTF-8")]
    Text,
}

/// Writes the buffers of a payload and returns its description.
pub(super) fn write(payload: Payload, buffers: &mut Vec<u8>) -> Part {
    match payload {
        Payload::Json(value) => Part::Json(value),
        Payload::Binary(content) => {
            put(buffers, &content, |byte| [*byte]);
            Part::Binary { bytes: content.len() }
        }
        Payload::Tensor(tensor) => {
            let (shape, data) = tensor.into_parts();
            Part::Tensor { dtype: write_data(&data, buffers), shape }
        }
        Payload::Frame(frame) => write_frame(frame, buffers),
        Payload::List(items) => {
            Part::List(items.into_iter().map(|item| write(item, buffers)).collect())
        }
    }
}

fn write_data(data: &Data, buffers: &mut Vec<u8>) -> Dtype {
    match data {
        Data::F32(items) => put(buffers, items, |item| item.to_le_bytes()),
        Data::F64(items) => put(buffers, items, |item| item.to_le_bytes()),
        Data::I32(items) => put(buffers, items, |item| item.to_le_bytes()),
        Data::I64(items) => put(buffers, items, |item| item.to_le_bytes()),
        Data::U64(items) => put(buffers, items, |item| item.to_le_bytes()),
        Data::Bool(items) => put(buffers, items, |item| [u8::from(*item)]),
        Data::Str(items) => put_texts(buffers, items),
    }
    dtype_of(data)
}

fn dtype_of(data: &Data) -> Dtype {
    match data {
        Data::F32(_) => Dtype::Float32,
        Data::F64(_) => Dtype::Float64,
        Data::I32(_) => Dtype::Int32,
        Data::I64(_) => Dtype::Int64,
        Data::U64(_) => Dtype::Uint64,
        Data::Bool(_) => Dtype::Bool,
        Data::Str(_) => Dtype::Str,
    }
}

fn write_frame(frame: Frame, buffers: &mut Vec<u8>) -> Part {
    let rows = frame.columns.first().map_or(0, |column| column.values.len());
    let columns = frame.columns.into_iter().map(|column| ColumnPart {
        name: column.name,
        form: match column.values {
            Values::F64(items) => ColumnForm::Dtype(write_data(&Data::F64(items), buffers)),
            Values::I64(items) => ColumnForm::Dtype(write_data(&Data::I64(items), buffers)),
            Values::Bool(items) => ColumnForm::Dtype(write_data(&Data::Bool(items), buffers)),
            Values::Json(items) => ColumnForm::Values(items),
        },
    });
    Part::Frame { rows, columns: columns.collect() }
}

fn put<T, const N: usize>(buffers: &mut Vec<u8>, items: &[T], bytes: impl Fn(&T) -> [u8; N]) {
    buffers.reserve(items.len() * N + 8);
    for item in items {
        buffers.extend_from_slice(&bytes(item));
    }
    buffers.resize(buffers.len().next_multiple_of(8), 0);
}

fn put_texts(buffers: &mut Vec<u8>, texts: &[String]) {
    let mut end = 0_u32;
    let mut offsets = vec![end];
    for text in texts {
        // A frame is limited to far less than 4 GiB, which its sender checks.
        end = end.wrapping_add(text.len() as u32);
        offsets.push(end);
    }
    put(buffers, &offsets, |offset| offset.to_le_bytes());
    put(buffers, texts.concat().as_bytes(), |byte| [*byte]);
}

/// Makes a payload from its description and all of its buffers.
pub(super) fn read(part: Part, buffers: &[u8]) -> Result<Payload, WireError> {
    let mut rest = Buffers { rest: buffers };
    let payload = rest.payload(part)?;
    match rest.rest.len() {
        0 => Ok(payload),
        more => Err(WireError::Long(more)),
    }
}

/// The buffers that have not been read yet.
struct Buffers<'a> {
    rest: &'a [u8],
}

impl<'a> Buffers<'a> {
    fn payload(&mut self, part: Part) -> Result<Payload, WireError> {
        Ok(match part {
            Part::Json(value) => Payload::Json(value),
            Part::Binary { bytes } => Payload::Binary(Bytes::copy_from_slice(self.take(bytes)?)),
            Part::Tensor { dtype, shape } => {
                let count =
                    shape.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
                let data = self.data(dtype, count.ok_or(WireError::Sizes)?)?;
                Payload::Tensor(Tensor::new(shape, data).ok_or(WireError::Sizes)?)
            }
            Part::Frame { rows, columns } => {
                let columns = columns.into_iter().map(|column| self.column(column, rows));
                Payload::Frame(Frame { columns: columns.collect::<Result<_, _>>()? })
            }
            Part::List(items) => {
                let items = items.into_iter().map(|item| self.payload(item));
                Payload::List(items.collect::<Result<_, _>>()?)
            }
        })
    }

    fn column(&mut self, column: ColumnPart, rows: usize) -> Result<Column, WireError> {
        let values = match column.form {
            ColumnForm::Values(items) if items.len() != rows => return Err(WireError::Sizes),
            ColumnForm::Values(items) => Values::Json(items),
            ColumnForm::Dtype(dtype) => match self.data(dtype, rows)? {
                Data::F64(items) => Values::F64(items),
                Data::I64(items) => Values::I64(items),
                Data::Bool(items) => Values::Bool(items),
                Data::F32(_) | Data::I32(_) | Data::U64(_) | Data::Str(_) => {
                    return Err(WireError::Sizes);
                }
            },
        };
        Ok(Column { name: column.name, values })
    }

    fn data(&mut self, dtype: Dtype, count: usize) -> Result<Data, WireError> {
        Ok(match dtype {
            Dtype::Float32 => Data::F32(self.items(count, f32::from_le_bytes)?),
            Dtype::Float64 => Data::F64(self.items(count, f64::from_le_bytes)?),
            Dtype::Int32 => Data::I32(self.items(count, i32::from_le_bytes)?),
            Dtype::Int64 => Data::I64(self.items(count, i64::from_le_bytes)?),
            Dtype::Uint64 => Data::U64(self.items(count, u64::from_le_bytes)?),
            Dtype::Bool => Data::Bool(self.items(count, |[byte]: [u8; 1]| byte != 0)?),
            Dtype::Str => Data::Str(self.texts(count)?),
        })
    }

    fn items<T, const N: usize>(
        &mut self,
        count: usize,
        read: impl Fn([u8; N]) -> T,
    ) -> Result<Vec<T>, WireError> {
        let bytes = self.take(count.checked_mul(N).ok_or(WireError::Sizes)?)?;
        Ok(bytes.as_chunks::<N>().0.iter().map(|chunk| read(*chunk)).collect())
    }

    fn texts(&mut self, count: usize) -> Result<Vec<String>, WireError> {
        let count = count.checked_add(1).ok_or(WireError::Sizes)?;
        let offsets = self.items(count, |bytes| u32::from_le_bytes(bytes) as usize)?;
        let text = self.take(*offsets.last().expect("there is one more than there are texts"))?;
        let texts = offsets.windows(2).map(|ends| {
            let text = text.get(ends[0]..ends[1]).ok_or(WireError::Sizes)?;
            String::from_utf8(text.to_vec()).map_err(|_| WireError::Text)
        });
        texts.collect()
    }

    /// Takes a buffer, and the padding behind it.
    fn take(&mut self, size: usize) -> Result<&'a [u8], WireError> {
        let padded = size.checked_next_multiple_of(8).ok_or(WireError::Sizes)?;
        let (taken, rest) = self.rest.split_at_checked(padded).ok_or(WireError::Short)?;
        self.rest = rest;
        Ok(&taken[..size])
    }
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Self::F64(items) => items.len(),
            Self::I64(items) => items.len(),
            Self::Bool(items) => items.len(),
            Self::Json(items) => items.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tensor(shape: &[usize], data: Data) -> Payload {
        Payload::Tensor(Tensor::new(shape.to_vec(), data).unwrap())
    }

    /// Sends a payload through its description's text and its buffers, and back.
    fn round_trip(payload: Payload) -> Payload {
        let mut buffers = Vec::new();
        let text = serde_json::to_string(&write(payload, &mut buffers)).unwrap();
        read(serde_json::from_str(&text).unwrap(), &buffers).unwrap()
    }

    fn read_text(description: &str, buffers: &[u8]) -> Result<Payload, WireError> {
        read(serde_json::from_str(description).unwrap(), buffers)
    }

    #[test]
    fn every_payload_comes_back_as_it_was() {
        let texts = ["", "é", "a longer text"].map(str::to_owned).to_vec();
        let frame = Frame {
            columns: vec![
                Column { name: "n".to_owned(), values: Values::I64(vec![1, i64::MIN]) },
                Column { name: "ok".to_owned(), values: Values::Bool(vec![true, false]) },
                Column { name: "x".to_owned(), values: Values::F64(vec![0.1, -0.0]) },
                Column {
                    name: "c".to_owned(),
                    values: Values::Json(vec![json!("ü"), json!(null)]),
                },
            ],
        };
        let payloads = [
            Payload::Json(json!({"a": [1, 2.5, null, "x"]})),
            Payload::Json(json!(null)),
            Payload::Binary(Bytes::from_static(b"\x00\xff abc")),
            tensor(&[3, 1], Data::F32(vec![0.1, f32::MAX, -1.0])),
            tensor(&[], Data::F64(vec![f64::MIN_POSITIVE])),
            tensor(&[0, 4], Data::F64(Vec::new())),
            tensor(&[1], Data::I32(vec![-7])),
            tensor(&[1], Data::U64(vec![u64::MAX])),
            tensor(&[3], Data::Bool(vec![true, false, true])),
            tensor(&[3], Data::Str(texts)),
            Payload::Frame(frame),
            Payload::Frame(Frame::default()),
        ];
        for payload in &payloads {
            assert_eq!(round_trip(payload.clone()), *payload);
        }
        let list = Payload::List(payloads.to_vec());
        assert_eq!(round_trip(list.clone()), list);
    }

    #[test]
    fn a_nan_travels_as_it_is() {
        let Payload::Tensor(tensor) = round_trip(tensor(&[1], Data::F64(vec![f64::NAN]))) else {
            panic!("a tensor stays one")
        };
        let Data::F64(items) = tensor.data() else { panic!("its type stays too") };
        assert_eq!(items[0].to_bits(), f64::NAN.to_bits());
    }

    #[test]
    fn a_description_that_lies_is_an_error() {
        let check = |description, buffers: &[u8], expect| {
            assert_eq!(read_text(description, buffers).unwrap_err(), expect, "{description}");
        };
        let offsets = |numbers: [u32; 2]| numbers.map(u32::to_le_bytes).concat();
        check(r#"{"tensor":{"dtype":"float64","shape":[2]}}"#, &[0; 8], WireError::Short);
        check(r#"{"tensor":{"dtype":"float64","shape":[1]}}"#, &[0; 16], WireError::Long(8));
        check(
            r#"{"tensor":{"dtype":"bool","shape":[4294967296,4294967296]}}"#,
            &[],
            WireError::Sizes,
        );
        check(
            r#"{"tensor":{"dtype":"float64","shape":[18446744073709551615]}}"#,
            &[],
            WireError::Sizes,
        );
        check(
            r#"{"tensor":{"dtype":"str","shape":[18446744073709551615]}}"#,
            &[],
            WireError::Sizes,
        );
        check(r#"{"tensor":{"dtype":"str","shape":[1]}}"#, &offsets([9, 0]), WireError::Sizes);
        check(r#"{"tensor":{"dtype":"str","shape":[1]}}"#, &offsets([0, 9]), WireError::Short);
        let text = [offsets([0, 1]), vec![0xff; 8]].concat();
        check(r#"{"tensor":{"dtype":"str","shape":[1]}}"#, &text, WireError::Text);
        check(r#"{"binary":{"bytes":18446744073709551615}}"#, &[], WireError::Sizes);
        let column = r#"{"frame":{"rows":2,"columns":[{"name":"a","form":{"values":[1]}}]}}"#;
        check(column, &[], WireError::Sizes);
    }
}

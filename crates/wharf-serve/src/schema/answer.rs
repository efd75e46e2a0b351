//! An answer → the body of a response: bare JSON in the order of the model, or bytes as they are.

use bytes::Bytes;
use serde::Serialize;
use wharf_model::tensor::{Data, Tensor};
use wharf_spec::data_type::DataType;

use crate::runtime::{Column, Frame, Payload, Values};

/// The body of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Written {
    Json(Vec<u8>),
    Bytes(Bytes),
}

/// Writes an answer. Floats have as many digits as their own width needs; NaN and infinities become `null`.
pub(crate) fn write(payload: Payload, returns: &DataType) -> Written {
    if let Payload::Binary(bytes) = payload {
        return Written::Bytes(bytes);
    }
    Written::Json(write_json(&payload, returns))
}

/// Writes a value that no signature describes.
pub(crate) fn json(payload: &Payload) -> Vec<u8> {
    write_json(payload, &DataType::unspecified())
}

fn write_json(payload: &Payload, returns: &DataType) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    payload_into(payload, returns, &mut out);
    out
}

fn payload_into(payload: &Payload, returns: &DataType, out: &mut Vec<u8>) {
    match payload {
        Payload::Tensor(tensor) => tensor_into(tensor, out),
        Payload::Frame(frame) => frame_into(frame, returns, out),
        Payload::Json(value) => json_into(value, out),
        // Bytes inside a list: their text, since JSON has no bytes.
        Payload::Binary(bytes) => json_into(&String::from_utf8_lossy(bytes), out),
        Payload::List(items) => {
            let types: &[DataType] = match returns {
                DataType::List(list) | DataType::Tuple(list) => &list.items,
                _ => &[],
            };
            list_into(items.iter().enumerate(), out, |(index, item), out| {
                payload_into(item, types.get(index).unwrap_or(returns), out);
            });
        }
    }
}

fn tensor_into(tensor: &Tensor, out: &mut Vec<u8>) {
    let shape = tensor.shape();
    match tensor.data() {
        Data::F32(items) => nested_into(items, shape, out),
        Data::F64(items) => nested_into(items, shape, out),
        Data::I32(items) => nested_into(items, shape, out),
        Data::I64(items) => nested_into(items, shape, out),
        Data::U64(items) => nested_into(items, shape, out),
        Data::Bool(items) => nested_into(items, shape, out),
        Data::Str(items) => nested_into(items, shape, out),
    }
}

fn nested_into<T: Serialize>(items: &[T], shape: &[usize], out: &mut Vec<u8>) {
    match shape {
        [] => items.iter().for_each(|item| json_into(item, out)),
        [_] => list_into(items.iter(), out, json_into),
        [length, rest @ ..] => {
            let size: usize = rest.iter().product();
            list_into(0..*length, out, |row, out| {
                nested_into(&items[row * size..(row + 1) * size], rest, out);
            });
        }
    }
}

fn frame_into(frame: &Frame, returns: &DataType, out: &mut Vec<u8>) {
    let rows = frame.columns.first().map_or(0, |column| match &column.values {
        Values::F64(items) => items.len(),
        Values::I64(items) => items.len(),
        Values::Bool(items) => items.len(),
        Values::Json(items) => items.len(),
    });
    let bare = matches!(returns, DataType::Series(_));
    out.extend_from_slice(if bare { b"" } else { b"{\"values\":" });
    list_into(0..rows, out, |row, out| record_into(&frame.columns, row, out));
    out.extend_from_slice(if bare { b"" } else { b"}" });
}

fn record_into(columns: &[Column], row: usize, out: &mut Vec<u8>) {
    out.push(b'{');
    for (index, column) in columns.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        json_into(&column.name, out);
        out.push(b':');
        match &column.values {
            Values::F64(items) => json_into(&items.get(row), out),
            Values::I64(items) => json_into(&items.get(row), out),
            Values::Bool(items) => json_into(&items.get(row), out),
            Values::Json(items) => json_into(&items.get(row), out),
        }
    }
    out.push(b'}');
}

fn list_into<T>(
    items: impl Iterator<Item = T>,
    out: &mut Vec<u8>,
    mut write: impl FnMut(T, &mut Vec<u8>),
) {
    out.push(b'[');
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(item, out);
    }
    out.push(b']');
}

fn json_into<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("plain values can be written to memory");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(payload: Payload, expect: &str) {
        let returns = DataType::unspecified();
        assert_eq!(write(payload, &returns), Written::Json(expect.as_bytes().to_vec()));
    }

    fn tensor(shape: &[usize], data: Data) -> Payload {
        Payload::Tensor(Tensor::new(shape.to_vec(), data).unwrap())
    }

    #[test]
    fn floats_are_printed_at_their_own_width() {
        check(tensor(&[1, 2], Data::F32(vec![0.1, 1.0])), "[[0.1,1.0]]");
        check(
            tensor(&[2], Data::F64(vec![0.1_f32.into(), 5e-324])),
            "[0.10000000149011612,5e-324]",
        );
    }

    #[test]
    fn what_json_cannot_say_is_null() {
        check(tensor(&[3], Data::F32(vec![f32::NAN, f32::INFINITY, -0.0])), "[null,null,-0.0]");
    }

    #[test]
    fn integers_and_text_stay_what_they_are() {
        check(tensor(&[1], Data::I64(vec![i64::MAX])), "[9223372036854775807]");
        check(tensor(&[], Data::I64(vec![3])), "3");
        check(tensor(&[1], Data::Str(vec!["a\"b".into()])), r#"["a\"b"]"#);
        check(tensor(&[2, 0], Data::F64(vec![])), "[[],[]]");
    }

    #[test]
    fn tables_keep_the_order_of_their_columns() {
        let column = |name: &str, values| Column { name: name.to_owned(), values };
        let frame = Frame {
            columns: vec![
                column("b", Values::F64(vec![1.5, f64::NAN])),
                column("a", Values::Json(vec![json!("x"), json!(null)])),
            ],
        };
        let expect = r#"{"values":[{"b":1.5,"a":"x"},{"b":null,"a":null}]}"#;
        check(Payload::Frame(frame), expect);
    }

    #[test]
    fn outputs_of_a_graph_are_a_list() {
        let labels = tensor(&[1], Data::I64(vec![0]));
        let probabilities = tensor(&[1, 2], Data::F32(vec![0.75, 0.25]));
        check(Payload::List(vec![labels, probabilities]), "[[0],[[0.75,0.25]]]");
    }
}

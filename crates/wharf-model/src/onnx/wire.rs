//! A first walk over the bytes, before anything is built of them.
//!
//! An empty message takes two bytes in a file and hundreds in memory, and graphs can lie in graphs. So this walk
//! follows the lengths, counts the graphs around it, and adds up what decoding would allocate.

use crate::error::ReadError;

use super::proto;

/// How deep graphs may lie in graphs.
const DEEPEST_GRAPH: usize = 8;

/// How many messages may lie in each other: eight graphs with a node and an attribute between them, and a type.
const DEEPEST_MESSAGE: usize = 48;

/// What decoding may allocate: so many times the file's size, and a little more for small files.
const MOST_TIMES: u64 = 16;
const MOST_EXTRA: u64 = 1 << 20;

/// Checks that the bytes are messages within messages, not too deep, and do not grow out of proportion.
pub(super) fn check(bytes: &[u8]) -> Result<(), ReadError> {
    let mut walk =
        Walk { allowance: (bytes.len() as u64).saturating_mul(MOST_TIMES) + MOST_EXTRA, graphs: 0 };
    walk.message(bytes, Message::Model, 0)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Message {
    Model,
    OperatorSet,
    Graph,
    Node,
    Attribute,
    Tensor,
    Sparse,
    Entry,
    ValueInfo,
    Type,
    TensorType,
    NestedType,
    Shape,
    Dimension,
}

/// What a field that has a length holds.
enum Content {
    Message(Message),
    Text,
    /// Numbers side by side; the bytes that each takes in memory for one byte in the file, at most.
    Packed(u64),
    Skipped,
}

impl Message {
    /// Returns what [`proto`] keeps of a field.
    fn content(self, field: u64) -> Content {
        use Content::{Packed, Skipped, Text};
        let message = Content::Message;
        match (self, field) {
            (Self::Model, 7) | (Self::Attribute, 6 | 11) => message(Self::Graph),
            (Self::Model, 8) => message(Self::OperatorSet),
            (Self::Graph, 1) => message(Self::Node),
            (Self::Graph | Self::Attribute, 5) => message(Self::Tensor),
            (Self::Graph, 11 | 12) => message(Self::ValueInfo),
            (Self::Graph, 15) => message(Self::Sparse),
            (Self::Node, 5) => message(Self::Attribute),
            (Self::Tensor, 13) => message(Self::Entry),
            (Self::ValueInfo, 2) | (Self::NestedType, 1 | 2) => message(Self::Type),
            (Self::Type, 1) => message(Self::TensorType),
            (Self::Type, 4 | 5) => message(Self::NestedType),
            (Self::TensorType, 2) => message(Self::Shape),
            (Self::Shape, 1) => message(Self::Dimension),
            (Self::Model, 2)
            | (Self::OperatorSet | Self::ValueInfo, 1)
            | (Self::Node, 1..=4 | 7)
            | (Self::Attribute, 1 | 4 | 9)
            | (Self::Tensor, 6 | 8 | 9)
            | (Self::Entry, 1 | 2) => Text,
            // Numbers of fixed width do not grow; one byte can be a whole varint.
            (Self::Attribute, 7) | (Self::Tensor, 4 | 10) => Packed(1),
            (Self::Tensor, 5) => Packed(4),
            (Self::Attribute, 8) | (Self::Tensor, 1 | 7 | 11) | (Self::Sparse, 3) => Packed(8),
            _ => Skipped,
        }
    }

    fn size_in_memory(self) -> usize {
        match self {
            Self::Model => size_of::<proto::ModelProto>(),
            Self::OperatorSet => size_of::<proto::OperatorSetProto>(),
            Self::Graph => size_of::<proto::GraphProto>(),
            Self::Node => size_of::<proto::NodeProto>(),
            Self::Attribute => size_of::<proto::AttributeProto>(),
            Self::Tensor => size_of::<proto::TensorProto>(),
            Self::Sparse => size_of::<proto::SparseTensorProto>(),
            Self::Entry => size_of::<proto::EntryProto>(),
            Self::ValueInfo => size_of::<proto::ValueInfoProto>(),
            Self::Type => size_of::<proto::TypeProto>(),
            Self::TensorType => size_of::<proto::TensorTypeProto>(),
            Self::NestedType => size_of::<proto::SequenceTypeProto>(),
            Self::Shape => size_of::<proto::ShapeProto>(),
            Self::Dimension => size_of::<proto::DimensionProto>(),
        }
    }
}

struct Walk {
    allowance: u64,
    graphs: usize,
}

impl Walk {
    fn message(&mut self, bytes: &[u8], kind: Message, depth: usize) -> Result<(), ReadError> {
        if depth > DEEPEST_MESSAGE {
            return Err(ReadError::corrupt("its parts are nested too deep"));
        }
        self.spend(kind.size_in_memory() as u64)?;
        if kind == Message::Graph {
            self.graphs += 1;
            if self.graphs > DEEPEST_GRAPH {
                return Err(ReadError::unsupported(format!(
                    "its graphs are nested deeper than {DEEPEST_GRAPH}"
                )));
            }
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            self.field(&mut rest, kind, depth)?;
        }
        if kind == Message::Graph {
            self.graphs -= 1;
        }
        Ok(())
    }

    fn field(&mut self, rest: &mut &[u8], kind: Message, depth: usize) -> Result<(), ReadError> {
        let key = varint(rest)?;
        let content = kind.content(key >> 3);
        match key & 7 {
            0 => {
                varint(rest)?;
                self.spend(number_cost(&content))
            }
            1 => {
                take(rest, 8)?;
                self.spend(number_cost(&content))
            }
            2 => {
                let length = varint(rest)?;
                let inner = take(rest, length)?;
                match content {
                    Content::Message(kind) => self.message(inner, kind, depth + 1),
                    Content::Text => self.spend(size_of::<Vec<u8>>() as u64 + length),
                    Content::Packed(times) => self.spend(length.saturating_mul(times)),
                    Content::Skipped => Ok(()),
                }
            }
            5 => {
                take(rest, 4)?;
                self.spend(number_cost(&content))
            }
            other => {
                Err(ReadError::corrupt(format!("it holds a field of the unknown form {other}")))
            }
        }
    }

    fn spend(&mut self, bytes: u64) -> Result<(), ReadError> {
        self.allowance = self.allowance.checked_sub(bytes).ok_or_else(|| {
            ReadError::corrupt("it would take far more memory than a file of its size may")
        })?;
        Ok(())
    }
}

/// Returns what one number costs that stands alone: nothing, unless it goes into a list.
fn number_cost(content: &Content) -> u64 {
    match content {
        Content::Packed(_) => 8,
        Content::Message(_) | Content::Text | Content::Skipped => 0,
    }
}

fn varint(rest: &mut &[u8]) -> Result<u64, ReadError> {
    let mut value = 0;
    for (at, byte) in rest.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            *rest = &rest[at + 1..];
            return Ok(value);
        }
    }
    Err(ReadError::corrupt("it is cut off, or it is no ONNX"))
}

fn take<'a>(rest: &mut &'a [u8], length: u64) -> Result<&'a [u8], ReadError> {
    let taken = usize::try_from(length).ok().and_then(|length| rest.split_at_checked(length));
    let (inner, after) =
        taken.ok_or_else(|| ReadError::corrupt("it is cut off, or it is no ONNX"))?;
    *rest = after;
    Ok(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Puts bytes into a field with a length.
    fn field(number: u8, inner: &[u8]) -> Vec<u8> {
        let mut bytes = vec![number << 3 | 2];
        let mut length = inner.len();
        while length > 0x7f {
            bytes.push(length as u8 | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes.extend(inner);
        bytes
    }

    fn nested_graphs(depth: usize) -> Vec<u8> {
        let mut graph = Vec::new();
        for _ in 1..depth {
            graph = field(1, &field(5, &field(6, &graph)));
        }
        field(7, &graph)
    }

    #[test]
    fn graphs_may_lie_eight_deep() {
        check(&nested_graphs(8)).unwrap();
        let error = check(&nested_graphs(9)).unwrap_err();
        assert_eq!(error.to_string(), "its graphs are nested deeper than 8");
    }

    #[test]
    fn graphs_nested_without_end_do_not_overflow_the_stack() {
        check(&nested_graphs(2_000)).unwrap_err();
    }

    #[test]
    fn empty_messages_may_not_fill_the_memory() {
        let nodes = [0x0a, 0x00].repeat(1 << 20);
        let error = check(&field(7, &nodes)).unwrap_err();
        assert!(error.to_string().contains("far more memory"), "{error}");
    }

    #[test]
    fn a_length_beyond_the_end_is_an_error() {
        check(&[0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x00]).unwrap_err();
        check(&[0x3a, 0xff]).unwrap_err();
        check(&[0xff; 40]).unwrap_err();
    }
}

//! The operators: a table of names, and what builds the kernel of each.

mod elementwise;

mod layout;

mod matrix;

mod reduce;

mod scan;

mod choose;

mod along;

mod text;

use crate::{
    error::ReadError,
    tensor::{Data, Tensor},
};

use super::{
    facts::{ML, is_standard},
    ml,
    node::{Kernel, Node},
};

/// Reads a node's attributes into what computes it.
pub(super) type Build = fn(Node<'_>) -> Result<Box<dyn Kernel>, ReadError>;

/// The domain of what onnxruntime adds to the standard.
const MICROSOFT: &str = "com.microsoft";

/// Says whether the interpreter has an operator.
pub(super) fn has(domain: &str, name: &str) -> bool {
    (is_standard(domain) && name == "Constant") || find(domain, name).is_some()
}

/// Builds what computes a node.
pub(super) fn kernel(node: Node<'_>) -> Result<Box<dyn Kernel>, ReadError> {
    match find(&node.proto.domain, &node.proto.op_type) {
        Some(build) => build(node),
        None => Err(node.unsupported("is an operator that wharf does not run")),
    }
}

fn find(domain: &str, name: &str) -> Option<Build> {
    let tables: &[&[(&str, Build)]] = match domain {
        ML => &[ml::OPERATORS],
        _ if is_standard(domain) => &[
            elementwise::OPERATORS,
            layout::OPERATORS,
            matrix::OPERATORS,
            reduce::OPERATORS,
            choose::OPERATORS,
            scan::OPERATORS,
            along::OPERATORS,
            text::OPERATORS,
        ],
        MICROSOFT => &[text::MICROSOFT],
        _ => &[],
    };
    let found = tables.iter().flat_map(|table| table.iter()).find(|(known, _)| *known == name);
    found.map(|(_, build)| *build)
}

/// Returns the value of a `Constant`, which takes no input and so needs no kernel.
pub(super) fn constant(node: Node<'_>) -> Result<Tensor, ReadError> {
    if let Some(tensor) = node.tensor("value")? {
        return Ok(tensor);
    }
    let single = |data| Tensor::new(Vec::new(), data);
    let found = if let Some(value) = node.int("value_int") {
        single(Data::I64(vec![value]))
    } else if let Some(values) = node.optional_ints("value_ints") {
        Some(Tensor::vector(Data::I64(values.to_vec())))
    } else if let Some(value) = node.float("value_float") {
        single(Data::F32(vec![value]))
    } else {
        let values = node.floats("value_floats");
        (!values.is_empty()).then(|| Tensor::vector(Data::F32(values.to_vec())))
    };
    found.ok_or_else(|| node.unsupported("holds no array that wharf reads"))
}

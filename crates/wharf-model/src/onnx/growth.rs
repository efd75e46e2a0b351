//! What a runtime that trusts its model must not be given: a few bytes that ask for arrays without end.
//!
//! Our own interpreter counts as it goes. The runtime for neural networks does not, so what can be seen in the file
//! is refused before: sizes of windows and borders, and constant shapes.

use std::collections::HashMap;

use crate::{error::ReadError, tensor::Data};

use super::{
    check,
    node::{Node, Surroundings},
    proto::{GraphProto, NodeProto, TensorProto},
};

/// No window, border or step is wider.
const WIDEST: i64 = 1 << 16;

/// No array made of a constant shape has more elements.
const MOST_ELEMENTS: i64 = 1 << 28;

/// Refuses a model whose attributes or constants ask for arrays far larger than any that a network needs.
///
/// # Errors
/// When it does so, or cannot be read.
pub(crate) fn check_growth(bytes: &[u8]) -> Result<(), ReadError> {
    let (_, graph) = check::read(bytes)?;
    check_graph(&graph, &HashMap::new())
}

fn check_graph<'a>(
    graph: &'a GraphProto,
    around: &HashMap<&'a str, &'a TensorProto>,
) -> Result<(), ReadError> {
    let mut constants = around.clone();
    constants.extend(graph.initializer.iter().map(|constant| (constant.name.as_str(), constant)));
    for node in &graph.node {
        if node.op_type == "Constant" {
            let mut values = node.attribute.iter().filter_map(|attribute| attribute.t.as_ref());
            constants.extend(node.output.first().map(String::as_str).zip(values.next()));
        }
        check_node(node, &constants)?;
        for attribute in &node.attribute {
            for graph in attribute.g.iter().chain(&attribute.graphs) {
                check_graph(graph, &constants)?;
            }
        }
    }
    Ok(())
}

fn check_node(node: &NodeProto, constants: &HashMap<&str, &TensorProto>) -> Result<(), ReadError> {
    let surroundings =
        Surroundings { opset: 0, folder: std::path::Path::new(""), in_a_scan: false };
    let view = Node { proto: node, surroundings };
    let too_large = || view.corrupt("asks for an array without end");
    for name in ["kernel_shape", "pads", "strides", "dilations", "output_padding", "output_shape"] {
        if view.ints(name).iter().any(|size| !(-WIDEST..=WIDEST).contains(size)) {
            return Err(too_large());
        }
    }
    if view.int_or("hidden_size", 0) > WIDEST {
        return Err(too_large());
    }
    let counts = match node.op_type.as_str() {
        "ConstantOfShape" => node.input.first(),
        "Expand" | "Tile" | "OneHot" | "Pad" => node.input.get(1),
        "Range" => node.input.get(1),
        "Resize" => node.input.get(3),
        _ => None,
    };
    let constant = counts.and_then(|name| constants.get(name.as_str()));
    let Some(constant) = constant.filter(|constant| constant.external_data.is_empty()) else {
        return Ok(());
    };
    // Borders are added up, everything else is multiplied; a product bounds both.
    let product = match constant.read(std::path::Path::new(""))?.data() {
        Data::I64(items) => product(items.iter().copied()),
        Data::I32(items) => product(items.iter().map(|item| i64::from(*item))),
        Data::F32(items) => product(items.iter().map(|item| *item as i64)),
        _ => Some(0),
    };
    match product {
        Some(product) if product <= MOST_ELEMENTS => Ok(()),
        _ => Err(too_large()),
    }
}

fn product(mut items: impl Iterator<Item = i64>) -> Option<i64> {
    items.try_fold(1_i64, |product, item| product.checked_mul(item.checked_abs()?.max(1)))
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::{
        super::proto::{AttributeProto, ModelProto},
        *,
    };

    fn check(op_type: &str, attribute: &str, sizes: &[i64]) -> Result<(), ReadError> {
        let shape = TensorProto {
            name: "shape".to_owned(),
            dims: vec![sizes.len() as i64],
            data_type: 7,
            int64_data: sizes.to_vec(),
            ..TensorProto::default()
        };
        let attribute = AttributeProto {
            name: attribute.to_owned(),
            ints: sizes.to_vec(),
            ..AttributeProto::default()
        };
        let node = NodeProto {
            op_type: op_type.to_owned(),
            input: vec!["shape".to_owned()],
            attribute: vec![attribute],
            ..NodeProto::default()
        };
        let graph =
            GraphProto { node: vec![node], initializer: vec![shape], ..GraphProto::default() };
        check_growth(&ModelProto { graph: Some(graph), ..ModelProto::default() }.encode_to_vec())
    }

    #[test]
    fn constant_shapes_have_a_bound() {
        check("ConstantOfShape", "", &[1000, 1000]).unwrap();
        check("ConstantOfShape", "", &[1_000_000, 1_000_000]).unwrap_err();
        check("ConstantOfShape", "", &[i64::MAX, i64::MAX]).unwrap_err();
        check("ConstantOfShape", "", &[i64::MIN]).unwrap_err();
    }

    #[test]
    fn windows_and_borders_have_a_bound() {
        check("Conv", "pads", &[1, 1, 1, 1]).unwrap();
        check("Conv", "pads", &[0, 0, 1_000_000_000, 0]).unwrap_err();
        check("MaxPool", "kernel_shape", &[i64::MIN]).unwrap_err();
    }
}

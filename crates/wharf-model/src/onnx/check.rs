//! A graph's structure: every value is made before it is used, once, and the constants are as large as they say.

use std::collections::HashSet;

use prost::Message;

use crate::error::ReadError;

use super::{
    proto::{GraphProto, ModelProto, NodeProto},
    wire,
};

/// Reads a model's messages, and checks them; the graph is there afterwards.
pub(super) fn read(bytes: &[u8]) -> Result<(ModelProto, GraphProto), ReadError> {
    wire::check(bytes)?;
    let mut model = ModelProto::decode(bytes)
        .map_err(|error| ReadError::corrupt(format!("it is no ONNX: {error}")))?;
    let graph = model.graph.take();
    let graph = graph.ok_or_else(|| ReadError::corrupt("it has no graph, so it is no ONNX"))?;
    check_graph(&graph, &mut Vec::new())?;
    Ok((model, graph))
}

/// Checks a graph, whose nodes may use the values of the graphs around it.
fn check_graph<'a>(
    graph: &'a GraphProto,
    around: &mut Vec<HashSet<&'a str>>,
) -> Result<(), ReadError> {
    if !graph.sparse_initializer.is_empty() {
        return Err(ReadError::unsupported("it has sparse constants, which wharf does not read"));
    }
    let mut known: HashSet<&str> = HashSet::new();
    for constant in &graph.initializer {
        constant.check()?;
        known.insert(&constant.name);
    }
    known.extend(graph.input.iter().map(|input| input.name.as_str()));
    around.push(known);
    for node in &graph.node {
        check_node(node, around)?;
    }
    let known = around.pop().unwrap_or_default();
    for output in &graph.output {
        let name = output.name.as_str();
        if !known.contains(name) && !around.iter().any(|outer| outer.contains(name)) {
            return Err(ReadError::corrupt(format!("nothing makes its output `{name}`")));
        }
    }
    Ok(())
}

fn check_node<'a>(
    node: &'a NodeProto,
    scopes: &mut Vec<HashSet<&'a str>>,
) -> Result<(), ReadError> {
    let label = node.label();
    if node.op_type.is_empty() {
        return Err(ReadError::corrupt(format!("{label} names no operator")));
    }
    for input in node.input.iter().filter(|input| !input.is_empty()) {
        if !scopes.iter().any(|scope| scope.contains(input.as_str())) {
            return Err(ReadError::corrupt(format!(
                "{label} uses `{input}`, which nothing has made before it"
            )));
        }
    }
    for attribute in &node.attribute {
        if let Some(constant) = &attribute.t {
            constant.check()?;
        }
        for graph in attribute.g.iter().chain(&attribute.graphs) {
            check_graph(graph, scopes)?;
        }
    }
    for output in node.output.iter().filter(|output| !output.is_empty()) {
        let fresh = scopes.last_mut().is_some_and(|scope| scope.insert(output));
        if !fresh {
            return Err(ReadError::corrupt(format!("{label} makes `{output}` a second time")));
        }
    }
    Ok(())
}

impl NodeProto {
    /// Returns how messages call the node.
    pub(super) fn label(&self) -> String {
        if self.op_type.is_empty() {
            return "a node".to_owned();
        }
        let name = self.output.iter().find(|output| !output.is_empty());
        let name = if self.name.is_empty() { name } else { Some(&self.name) };
        match name {
            Some(name) => format!("the {} `{name}`", self.op_type),
            None => format!("a {}", self.op_type),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::proto::{AttributeProto, OperatorSetProto, TensorProto, ValueInfoProto},
        *,
    };

    fn node(op_type: &str, input: &str, output: &str) -> NodeProto {
        NodeProto {
            input: vec![input.to_owned()],
            output: vec![output.to_owned()],
            op_type: op_type.to_owned(),
            ..NodeProto::default()
        }
    }

    /// A graph from `x` to `y`.
    fn graph(node: Vec<NodeProto>) -> GraphProto {
        let port = |name: &str| ValueInfoProto { name: name.to_owned(), r#type: None };
        GraphProto {
            node,
            input: vec![port("x")],
            output: vec![port("y")],
            ..GraphProto::default()
        }
    }

    fn check(graph: GraphProto, expect: &str) {
        let opset_import = vec![OperatorSetProto { domain: String::new(), version: 18 }];
        let model = ModelProto { graph: Some(graph), opset_import, ..ModelProto::default() };
        let found = match read(&model.encode_to_vec()) {
            Ok(_) => "fine".to_owned(),
            Err(error) => error.to_string(),
        };
        assert_eq!(found, expect);
    }

    #[test]
    fn a_chain_is_fine() {
        check(graph(vec![node("Exp", "x", "a"), node("Log", "a", "y")]), "fine");
    }

    #[test]
    fn a_circle_is_refused() {
        let circle = vec![node("Exp", "y", "a"), node("Log", "a", "y")];
        check(graph(circle), "the Exp `a` uses `y`, which nothing has made before it");
    }

    #[test]
    fn a_value_is_made_once() {
        let twice = vec![node("Exp", "x", "y"), node("Log", "x", "y")];
        check(graph(twice), "the Log `y` makes `y` a second time");
    }

    #[test]
    fn an_output_that_nothing_makes_is_refused() {
        check(graph(vec![node("Exp", "x", "a")]), "nothing makes its output `y`");
    }

    #[test]
    fn a_graph_in_a_graph_may_use_what_is_around_it() {
        let inner = GraphProto {
            node: vec![node("Exp", "x", "z")],
            output: vec![ValueInfoProto { name: "z".to_owned(), r#type: None }],
            ..GraphProto::default()
        };
        let mut outer = node("If", "x", "y");
        outer.attribute.push(AttributeProto { g: Some(inner), ..AttributeProto::default() });
        check(graph(vec![outer]), "fine");
    }

    #[test]
    fn a_constant_must_be_as_large_as_it_says() {
        for (dims, expect) in [
            (vec![2, 2], "fine"),
            (
                vec![1_000_000_000],
                "the constant `c` declares the shape [1000000000], and its data is of another size",
            ),
            (
                vec![i64::MAX, 4],
                "the constant `c` has the impossible shape [9223372036854775807, 4]",
            ),
            (vec![-4], "the constant `c` has the impossible shape [-4]"),
        ] {
            let constant = TensorProto {
                name: "c".to_owned(),
                dims,
                data_type: 1,
                float_data: vec![0.0; 4],
                ..TensorProto::default()
            };
            let mut graph = graph(vec![node("Exp", "x", "y")]);
            graph.initializer.push(constant);
            check(graph, expect);
        }
    }
}

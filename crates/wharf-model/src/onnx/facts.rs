//! What a graph says about itself: inputs, outputs, operators, labels. Nothing is run.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use wharf_spec::data_type::Shape;

use crate::{error::ReadError, tensor::Data};

use super::{
    check,
    element::Element,
    ops,
    proto::{GraphProto, ModelProto, NodeProto, TensorProto, TensorTypeProto, ValueInfoProto},
};

/// The domain of the classic operators.
pub(super) const ML: &str = "ai.onnx.ml";

/// What there is to know about a model without running it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Facts {
    /// What must be given, in the graph's order; constants with a name are not among it.
    pub inputs: Vec<Port>,
    pub outputs: Vec<Port>,
    /// Every operator, those of graphs within the graph too.
    pub operators: BTreeSet<Operator>,
    /// The program that wrote the file, as it calls itself.
    pub producer: String,
    /// The version of the standard operators; 0 when none is named.
    pub opset: i64,
    /// The labels of the classifier, texts or integers; empty when there are none.
    pub classes: Vec<Value>,
    /// The files that hold constants, relative to the model's folder.
    pub external_files: Vec<String>,
}

/// An input or output of the graph.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Port {
    pub name: String,
    /// NumPy's name of the element type: `float32`, `int64`, `str` and so on.
    pub dtype: String,
    /// The declared shape; `None` when the file declares none.
    pub shape: Option<Shape>,
    /// A list with one map of label to probability for each row, which wharf gives as an array with the labels apart.
    pub is_class_map: bool,
}

/// An operator of a graph.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Operator {
    /// Empty for the standard operators.
    pub domain: String,
    pub name: String,
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.domain.as_str() {
            "" => f.write_str(&self.name),
            domain => write!(f, "{domain}:{}", self.name),
        }
    }
}

/// Reads what there is to know about a model; structure, depth and sizes are checked on the way.
///
/// # Errors
/// When the bytes are no ONNX, contradict themselves, or hold what wharf can never read.
pub fn facts(bytes: &[u8]) -> Result<Facts, ReadError> {
    let (model, graph) = check::read(bytes)?;
    Facts::of(&model, &graph)
}

impl Facts {
    /// Returns the operators that wharf's own interpreter does not have.
    pub fn not_interpreted(&self) -> Vec<String> {
        self.operators
            .iter()
            .filter(|operator| !ops::has(&operator.domain, &operator.name))
            .map(ToString::to_string)
            .collect()
    }

    /// Returns the operators that the runtime for neural networks does not have: all that are not standard, and a few.
    pub fn not_neural(&self) -> Vec<String> {
        self.operators
            .iter()
            .filter(|operator| {
                !operator.domain.is_empty() || !super::NEURAL.contains(&operator.name.as_str())
            })
            .map(ToString::to_string)
            .collect()
    }

    pub(super) fn of(model: &ModelProto, graph: &GraphProto) -> Result<Self, ReadError> {
        let constants: HashMap<&str, &TensorProto> =
            graph.initializer.iter().map(|constant| (constant.name.as_str(), constant)).collect();
        let makers = Makers::of(graph, &constants);
        let given = graph.input.iter().filter(|input| !constants.contains_key(input.name.as_str()));
        let opset = model.opset_import.iter().filter(|set| is_standard(&set.domain));
        let mut facts = Self {
            inputs: given.map(|input| port(input, &makers)).collect::<Result<_, _>>()?,
            outputs: graph.output.iter().map(|out| port(out, &makers)).collect::<Result<_, _>>()?,
            producer: model.producer_name.clone(),
            opset: opset.map(|set| set.version).max().unwrap_or(0),
            classes: makers.classes(graph),
            ..Self::default()
        };
        facts.visit(graph)?;
        facts.check_versions(model)?;
        Ok(facts)
    }

    /// Checks that the version of every domain is named, as the standard demands: it decides what operators mean.
    fn check_versions(&self, model: &ModelProto) -> Result<(), ReadError> {
        let named = |domain: &str| {
            let mut sets = model.opset_import.iter();
            sets.any(|set| set.domain == domain || domain.is_empty() && is_standard(&set.domain))
        };
        match self.operators.iter().find(|operator| !named(&operator.domain)) {
            Some(operator) => Err(ReadError::corrupt(format!(
                "it does not say which version of the operator {operator} it means"
            ))),
            None => Ok(()),
        }
    }

    /// Notes operators and files of a graph and of those in it.
    fn visit(&mut self, graph: &GraphProto) -> Result<(), ReadError> {
        for constant in &graph.initializer {
            self.note_file(constant)?;
        }
        for node in &graph.node {
            let domain = if is_standard(&node.domain) { "" } else { node.domain.as_str() };
            let name = node.op_type.clone();
            self.operators.insert(Operator { domain: domain.to_owned(), name });
            for attribute in &node.attribute {
                if let Some(constant) = &attribute.t {
                    self.note_file(constant)?;
                }
                for graph in attribute.g.iter().chain(&attribute.graphs) {
                    self.visit(graph)?;
                }
            }
        }
        Ok(())
    }

    fn note_file(&mut self, constant: &TensorProto) -> Result<(), ReadError> {
        if let Some(external) = constant.external()?
            && !self.external_files.contains(&external.file)
        {
            self.external_files.push(external.file);
        }
        Ok(())
    }
}

/// Says whether a domain is that of the standard operators, which has two names.
pub(super) fn is_standard(domain: &str) -> bool {
    matches!(domain, "" | "ai.onnx")
}

fn port(value: &ValueInfoProto, makers: &Makers<'_>) -> Result<Port, ReadError> {
    let name = value.name.clone();
    let no_type = || ReadError::corrupt(format!("`{name}` has no type"));
    let r#type = value.r#type.as_ref().ok_or_else(no_type)?;
    if let Some(tensor) = &r#type.tensor_type {
        let dtype = element_name(tensor, &name)?;
        return Ok(Port { dtype, shape: declared_shape(tensor), is_class_map: false, name });
    }
    let item = r#type.sequence_type.as_ref().and_then(|sequence| sequence.elem_type.as_ref());
    let map = item.and_then(|item| item.map_type.as_ref());
    let probability = map.and_then(|map| map.value_type.as_ref()?.tensor_type.as_ref());
    let Some(probability) = probability else {
        let what = format!("`{name}` is neither an array nor a list of probabilities by label");
        return Err(ReadError::unsupported(what));
    };
    let classes = makers.nodes.get(name.as_str()).map(|node| labels(node).len() as u64);
    Ok(Port {
        dtype: element_name(probability, &name)?,
        shape: classes.filter(|classes| *classes > 0).map(|classes| vec![None, Some(classes)]),
        is_class_map: true,
        name,
    })
}

fn element_name(tensor: &TensorTypeProto, name: &str) -> Result<String, ReadError> {
    let wrong =
        || ReadError::corrupt(format!("`{name}` has the unknown type {}", tensor.elem_type));
    Ok(Element::of(tensor.elem_type).ok_or_else(wrong)?.name().to_owned())
}

/// Returns the declared shape; old exporters write 0 for a free dimension.
fn declared_shape(tensor: &TensorTypeProto) -> Option<Shape> {
    let size =
        |size: Option<i64>| size.and_then(|size| u64::try_from(size).ok()).filter(|n| *n > 0);
    Some(tensor.shape.as_ref()?.dim.iter().map(|dim| size(dim.dim_value)).collect())
}

/// Who makes which value.
struct Makers<'a> {
    nodes: HashMap<&'a str, &'a NodeProto>,
    constants: &'a HashMap<&'a str, &'a TensorProto>,
}

impl<'a> Makers<'a> {
    fn of(graph: &'a GraphProto, constants: &'a HashMap<&'a str, &'a TensorProto>) -> Self {
        let made = |node: &'a NodeProto| node.output.iter().map(move |out| (out.as_str(), node));
        Self { nodes: graph.node.iter().flat_map(made).collect(), constants }
    }

    /// Returns the labels of the classifier, found by walking back from the outputs.
    fn classes(&self, graph: &GraphProto) -> Vec<Value> {
        let found = graph.output.iter().map(|output| self.classes_of(&output.name));
        found.into_iter().find(|classes| !classes.is_empty()).unwrap_or_default()
    }

    fn classes_of(&self, output: &'a str) -> Vec<Value> {
        let mut value = output;
        while let Some(node) = self.nodes.get(value) {
            let labels = labels(node);
            if !labels.is_empty() {
                return labels;
            }
            // Every step goes to an earlier node, so this ends.
            let passes_on = matches!(
                node.op_type.as_str(),
                "Cast" | "Identity" | "Reshape" | "Squeeze" | "Flatten" | "ArrayFeatureExtractor"
            );
            match node.input.first() {
                Some(input) if passes_on => value = input,
                _ => return Vec::new(),
            }
        }
        self.constant_labels(value)
    }

    /// Returns the labels that lie in a constant, as scikit-learn's converter writes them for classifiers that are
    /// made of plain operators.
    fn constant_labels(&self, name: &str) -> Vec<Value> {
        let Some(constant) = self.constants.get(name) else { return Vec::new() };
        if constant.external_data.is_empty()
            && let Ok(constant) = constant.read(std::path::Path::new(""))
        {
            match constant.data() {
                Data::I32(items) => return items.iter().map(|item| Value::from(*item)).collect(),
                Data::I64(items) => return items.iter().map(|item| Value::from(*item)).collect(),
                Data::Str(items) => {
                    return items.iter().map(|item| Value::from(item.as_str())).collect();
                }
                Data::F32(_) | Data::F64(_) | Data::U64(_) | Data::Bool(_) => {}
            }
        }
        Vec::new()
    }
}

/// Returns the labels that a classifier or a list of maps names itself.
fn labels(node: &NodeProto) -> Vec<Value> {
    if node.domain != ML {
        return Vec::new();
    }
    for attribute in &node.attribute {
        match attribute.name.as_str() {
            "classlabels_strings" if !attribute.strings.is_empty() => {
                let text = |bytes: &Vec<u8>| Value::from(String::from_utf8_lossy(bytes));
                return attribute.strings.iter().map(text).collect();
            }
            "classlabels_ints" | "classlabels_int64s" if !attribute.ints.is_empty() => {
                return attribute.ints.iter().map(|label| Value::from(*label)).collect();
            }
            _ => {}
        }
    }
    Vec::new()
}

//! What the two runtimes of ONNX share: inputs in the graph's order and types, outputs as a method promises them.

use serde_json::Value;
use wharf_model::{
    error::RunError,
    onnx::Facts,
    tensor::{Data, Tensor},
};
use wharf_spec::model::{Answer, Method, ModelCard};

use super::{CallError, Payload, cast, outputs};

/// A graph's signature, and the names of its classes.
#[derive(Debug)]
pub(super) struct Graph {
    /// NumPy's name of each input's type.
    inputs: Vec<String>,
    /// The labels that the graph itself gives.
    own_labels: Vec<Value>,
    /// The names that the card gives them; empty: the graph's own.
    names: Vec<Value>,
}

impl Graph {
    pub(super) fn new(facts: &Facts, card: &ModelCard) -> Self {
        let renamed = card.classes != facts.classes;
        Self {
            inputs: facts.inputs.iter().map(|port| port.dtype.clone()).collect(),
            own_labels: facts.classes.clone(),
            names: if renamed { card.classes.clone() } else { Vec::new() },
        }
    }

    /// Answers one call with what `run` computes.
    pub(super) fn answer(
        &self,
        method: &Method,
        inputs: Vec<Option<Payload>>,
        run: impl FnOnce(Vec<Tensor>) -> Result<Vec<Tensor>, RunError>,
    ) -> Result<Payload, CallError> {
        let outputs = run(self.arrange(inputs)?)
            .map_err(|error| CallError::Raised { class: "RunError".into(), text: error.0 })?;
        match method.answer {
            Answer::Outputs => {
                Ok(Payload::List(outputs.into_iter().map(Payload::Tensor).collect()))
            }
            Answer::Value => first(outputs).map(Payload::Tensor),
            Answer::Probabilities => probabilities(outputs).map(Payload::Tensor),
            Answer::Class => self.class(outputs),
        }
    }

    /// Brings inputs into the graph's order and types: one argument for each input, or one list or table for all.
    fn arrange(&self, inputs: Vec<Option<Payload>>) -> Result<Vec<Tensor>, CallError> {
        let mut given: Vec<Payload> = inputs.into_iter().flatten().collect();
        if let ([_], true) = (given.as_slice(), self.inputs.len() > 1) {
            given = spread(given.remove(0))?;
        }
        if given.len() != self.inputs.len() {
            let (expected, given) = (self.inputs.len(), given.len());
            return Err(cast::unfit(format!("the graph has {expected} inputs, {given} are given")));
        }
        given
            .into_iter()
            .zip(&self.inputs)
            .map(|(payload, dtype)| cast::to_dtype(cast::tensor(payload)?, dtype))
            .collect()
    }

    fn class(&self, outputs: Vec<Tensor>) -> Result<Payload, CallError> {
        let label = first(outputs)?;
        if let Some(indices) = outputs::largest(&label) {
            let names = if self.names.is_empty() { &self.own_labels } else { &self.names };
            return Ok(outputs::labels(&indices, names));
        }
        if self.names.is_empty() {
            return Ok(Payload::Tensor(label));
        }
        let indices = self.indices(&label).ok_or_else(|| {
            CallError::Internal("the graph gave a label that is none of its classes".to_owned())
        })?;
        Ok(outputs::labels(&indices, &self.names))
    }

    /// Returns the places of labels among the graph's own; without such a list a label is its place.
    fn indices(&self, labels: &Tensor) -> Option<Vec<usize>> {
        let place = |label: Value| self.own_labels.iter().position(|own| *own == label);
        match labels.data() {
            Data::I64(items) if self.own_labels.is_empty() => {
                items.iter().map(|item| usize::try_from(*item).ok()).collect()
            }
            Data::I64(items) => items.iter().map(|item| place((*item).into())).collect(),
            Data::I32(items) => items.iter().map(|item| place((*item).into())).collect(),
            Data::Str(items) => items.iter().map(|item| place(item.as_str().into())).collect(),
            _ => None,
        }
    }
}

/// Takes one value apart into several inputs: MLEM sends a list of arrays, or a table whose columns go in by place.
fn spread(payload: Payload) -> Result<Vec<Payload>, CallError> {
    match payload {
        Payload::List(items) => Ok(items),
        Payload::Frame(frame) => frame
            .columns
            .into_iter()
            .map(|column| {
                let column = super::Frame { columns: vec![column] };
                text_column(&column).map_or_else(|| Ok(Payload::Frame(column)), Ok)
            })
            .collect(),
        other => Ok(vec![other]),
    }
}

/// Returns a column of text as the array of one column that graphs take it as.
fn text_column(frame: &super::Frame) -> Option<Payload> {
    let super::Values::Json(cells) = &frame.columns.first()?.values else { return None };
    let texts: Option<Vec<String>> =
        cells.iter().map(|cell| cell.as_str().map(str::to_owned)).collect();
    let texts = texts?;
    Tensor::new(vec![texts.len(), 1], Data::Str(texts)).map(Payload::Tensor)
}

fn first(outputs: Vec<Tensor>) -> Result<Tensor, CallError> {
    let none = || CallError::Internal("the graph has no output".to_owned());
    outputs.into_iter().next().ok_or_else(none)
}

/// Returns the first table of floats; the label comes before it.
fn probabilities(outputs: Vec<Tensor>) -> Result<Tensor, CallError> {
    let is_table = |tensor: &Tensor| {
        tensor.shape().len() == 2 && matches!(tensor.data(), Data::F32(_) | Data::F64(_))
    };
    let none = || CallError::Internal("the graph gave no table of probabilities".to_owned());
    outputs.into_iter().find(is_table).ok_or_else(none)
}

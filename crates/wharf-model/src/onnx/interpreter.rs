//! The interpreter as others call it.

use std::path::Path;

use crate::{
    error::{ReadError, RunError},
    tensor::Tensor,
};

use super::{check, facts::Facts, node::Surroundings, plan::Plan};

/// The types that an [`Interpreter`] takes and gives.
const HELD: [&str; 7] = ["float32", "float64", "int32", "int64", "uint64", "bool", "str"];

/// A loaded model that runs here, without any other runtime.
#[derive(Debug)]
pub struct Interpreter {
    facts: Facts,
    plan: Plan,
}

impl Interpreter {
    /// Reads a model and makes it ready to run; `folder` is where its file lies, for constants in files beside it.
    ///
    /// # Errors
    /// When the bytes are damaged, or the model uses an operator that the interpreter does not have.
    pub fn load(bytes: &[u8], folder: &Path) -> Result<Self, ReadError> {
        let (model, graph) = check::read(bytes)?;
        let facts = Facts::of(&model, &graph)?;
        let missing = facts.not_interpreted();
        if !missing.is_empty() {
            let missing = missing.join(", ");
            return Err(ReadError::unsupported(format!(
                "it uses what wharf does not run: {missing}"
            )));
        }
        if let Some(port) = facts.inputs.iter().find(|port| !HELD.contains(&port.dtype.as_str())) {
            let what =
                format!("its input `{}` is {}, which wharf does not take", port.name, port.dtype);
            return Err(ReadError::unsupported(what));
        }
        let plan = Plan::of(&graph, Surroundings { opset: facts.opset, folder, in_a_scan: false })?;
        Ok(Self { facts, plan })
    }

    /// Returns what the model says about itself.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Runs the model: one array for each input of the graph, one for each output, in the graph's order. A list of maps
    /// comes as the array of its probabilities, one column for each of [`Facts::classes`].
    ///
    /// # Errors
    /// When an input has a shape or a type that an operator does not take.
    pub fn run(&self, inputs: Vec<Tensor>) -> Result<Vec<Tensor>, RunError> {
        self.plan.run(inputs)
    }
}

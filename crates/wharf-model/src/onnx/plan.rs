//! A graph made ready to run: every value has a slot, every node a kernel.

use std::{borrow::Cow, collections::HashMap};

use crate::{
    error::{ReadError, RunError},
    tensor::Tensor,
};

use super::{
    array::{MOST_ELEMENTS, failed},
    node::{Inputs, Kernel, Node, Surroundings},
    ops,
    proto::{GraphProto, NodeProto},
};

/// The order of work.
#[derive(Debug)]
pub(super) struct Plan {
    /// What each slot holds before the first step: a constant, or nothing.
    constants: Vec<Option<Tensor>>,
    inputs: Vec<usize>,
    steps: Vec<Step>,
    outputs: Vec<usize>,
}

#[derive(Debug)]
struct Step {
    label: String,
    kernel: Box<dyn Kernel>,
    inputs: Vec<Option<usize>>,
    outputs: Vec<Option<usize>>,
}

impl Plan {
    /// Makes the plan of a checked graph.
    pub(super) fn of(
        graph: &GraphProto,
        surroundings: Surroundings<'_>,
    ) -> Result<Self, ReadError> {
        let mut slots = Slots::default();
        for constant in &graph.initializer {
            slots.hold(&constant.name, Some(constant.read(surroundings.folder)?));
        }
        let mut inputs = Vec::new();
        for input in &graph.input {
            if !slots.names.contains_key(input.name.as_str()) {
                inputs.push(slots.hold(&input.name, None));
            }
        }
        let mut steps = Vec::new();
        for node in &graph.node {
            let view = Node { proto: node, surroundings };
            if node.op_type == "Constant" {
                let constant = ops::constant(view)?;
                if let Some(output) = node.output.first() {
                    slots.hold(output, Some(constant));
                }
            } else {
                steps.push(slots.step(node, ops::kernel(view)?)?);
            }
        }
        let outputs = graph.output.iter().map(|output| slots.find(&output.name));
        Ok(Self {
            outputs: outputs.collect::<Result<_, _>>()?,
            constants: slots.held,
            inputs,
            steps,
        })
    }

    /// Returns how many arrays must be given.
    pub(super) fn input_count(&self) -> usize {
        self.inputs.len()
    }

    /// Runs every step.
    pub(super) fn run(&self, inputs: Vec<Tensor>) -> Result<Vec<Tensor>, RunError> {
        if inputs.len() != self.inputs.len() {
            let (wanted, found) = (self.inputs.len(), inputs.len());
            return failed(format!("the model takes {wanted} inputs, not {found}"));
        }
        let held = self.constants.iter().map(|constant| constant.as_ref().map(Cow::Borrowed));
        let mut slots: Vec<Option<Cow<'_, Tensor>>> = held.collect();
        for (slot, input) in self.inputs.iter().zip(inputs) {
            slots[*slot] = Some(Cow::Owned(input));
        }
        let mut allowance = MOST_ELEMENTS;
        for step in &self.steps {
            step.run(&mut slots, &mut allowance)?;
        }
        let output = |slot: &usize| slots[*slot].as_deref().cloned();
        let outputs: Option<Vec<Tensor>> = self.outputs.iter().map(output).collect();
        outputs.ok_or_else(|| RunError("nothing made one of the model's outputs".to_owned()))
    }
}

impl Step {
    /// Computes the node; what it makes counts against the allowance of the whole run.
    fn run<'a>(
        &'a self,
        slots: &mut [Option<Cow<'a, Tensor>>],
        allowance: &mut usize,
    ) -> Result<(), RunError> {
        let input = |slot: &Option<usize>| slot.and_then(|slot| slots[slot].as_deref());
        let inputs: Vec<Option<&Tensor>> = self.inputs.iter().map(input).collect();
        let made = self.kernel.run(Inputs(&inputs));
        let made = made.map_err(|RunError(why)| RunError(format!("{}: {why}", self.label)))?;
        for (slot, tensor) in self.outputs.iter().zip(made) {
            let left = allowance.checked_sub(tensor.data().len());
            *allowance =
                left.ok_or_else(|| RunError(format!("{}: the arrays grow too large", self.label)))?;
            if let Some(slot) = slot {
                slots[*slot] = Some(Cow::Owned(tensor));
            }
        }
        Ok(())
    }
}

#[derive(Default)]
struct Slots<'a> {
    names: HashMap<&'a str, usize>,
    held: Vec<Option<Tensor>>,
}

impl<'a> Slots<'a> {
    fn hold(&mut self, name: &'a str, constant: Option<Tensor>) -> usize {
        self.held.push(constant);
        self.names.insert(name, self.held.len() - 1);
        self.held.len() - 1
    }

    fn find(&self, name: &str) -> Result<usize, ReadError> {
        let slot = self.names.get(name).copied();
        slot.ok_or_else(|| {
            ReadError::unsupported(format!(
                "a graph within the graph uses `{name}` of the outer one"
            ))
        })
    }

    fn step(&mut self, node: &'a NodeProto, kernel: Box<dyn Kernel>) -> Result<Step, ReadError> {
        let named = |name: &&String| !name.is_empty();
        let inputs = node
            .input
            .iter()
            .map(|name| Some(name).filter(named).map(|name| self.find(name)).transpose());
        let inputs = inputs.collect::<Result<_, _>>()?;
        let outputs = node.output.iter();
        let outputs = outputs
            .map(|name| Some(name).filter(named).map(|name| self.hold(name, None)))
            .collect();
        Ok(Step { label: node.label(), kernel, inputs, outputs })
    }
}

//! Operators that go along one axis, line by line: running sums, elements picked by their place in the line.

use std::ops::AddAssign;

use crate::{
    error::RunError,
    tensor::{Data, Tensor},
};

use super::{
    super::{
        array::{Lines, axis, axis_index, elements, failed, integers, pick, tensor, type_name},
        node::{Inputs, Kernel},
    },
    Build,
};

pub(super) const OPERATORS: &[(&str, Build)] = &[
    ("CumSum", |node| {
        Ok(Box::new(CumSum {
            before: node.flag("exclusive", false),
            backwards: node.flag("reverse", false),
        }))
    }),
    ("GatherElements", |node| Ok(Box::new(GatherElements { axis: node.int_or("axis", 0) }))),
];

/// Sums of all elements up to each one.
#[derive(Debug)]
struct CumSum {
    /// The sum stops before the element itself.
    before: bool,
    backwards: bool,
}

impl Kernel for CumSum {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let (input, along) = (inputs.get(0)?, integers(inputs.get(1)?)?);
        let [along] = along[..] else { return failed("it sums along one axis") };
        let lines = Lines::along(input.shape(), axis(along, input.shape().len())?)?;
        let mut data = input.data().clone();
        match &mut data {
            Data::F32(items) => self.sum(items, lines),
            Data::F64(items) => self.sum(items, lines),
            other => return failed(format!("it does not take {}", type_name(other))),
        }
        Ok(vec![tensor(input.shape().to_vec(), data)?])
    }
}

impl CumSum {
    fn sum<T: Copy + Default + AddAssign>(&self, items: &mut [T], lines: Lines) {
        for start in lines.starts() {
            let mut sum = T::default();
            for step in 0..lines.length {
                let place = if self.backwards { lines.length - 1 - step } else { step };
                let item = &mut items[lines.at(start, place)];
                let (before, own) = (sum, *item);
                sum += own;
                *item = if self.before { before } else { sum };
            }
        }
    }
}

/// Takes for each place of the indices the element of its line that the index names.
#[derive(Debug)]
struct GatherElements {
    axis: i64,
}

impl Kernel for GatherElements {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let (input, wanted) = (inputs.get(0)?, inputs.get(1)?);
        let at = axis(self.axis, input.shape().len())?;
        let (from, to) = (input.shape(), wanted.shape());
        let fits = from.len() == to.len()
            && (0..at).chain(at + 1..to.len()).all(|axis| from[axis] == to[axis]);
        if !fits {
            return failed(format!("it does not pick {to:?} elements from {from:?}"));
        }
        let (from, to) = (Lines::along(from, at)?, Lines::along(to, at)?);
        let indices = integers(wanted)?;
        let mut offsets = vec![0; elements(wanted.shape())?];
        for (source, target) in from.starts().zip(to.starts()) {
            for place in 0..to.length {
                let place = to.at(target, place);
                offsets[place] = from.at(source, axis_index(indices[place], from.length)?);
            }
        }
        if from.length == 0 && !offsets.is_empty() {
            return failed("there is nothing to pick from");
        }
        Ok(vec![tensor(wanted.shape().to_vec(), pick(input.data(), offsets.into_iter()))?])
    }
}

//! Operators that choose by size: the largest, the smallest, the first k.

use std::cmp::Ordering;

use crate::{
    error::{ReadError, RunError},
    tensor::{Data, Tensor},
};

use super::{
    super::{
        array::{Lines, axis, elements, failed, floats, integers, pick, tensor},
        node::{Inputs, Kernel, Node},
    },
    Build,
};

pub(super) const OPERATORS: &[(&str, Build)] = &[
    ("ArgMax", |node| arg(node, Ordering::Greater)),
    ("ArgMin", |node| arg(node, Ordering::Less)),
    ("TopK", top_k),
];

#[derive(Debug)]
struct Arg {
    axis: i64,
    keep: bool,
    /// Of equal elements the last is chosen, else the first.
    last: bool,
    /// How the chosen one compares to the others.
    wanted: Ordering,
}

fn arg(node: Node<'_>, wanted: Ordering) -> Result<Box<dyn Kernel>, ReadError> {
    Ok(Box::new(Arg {
        axis: node.int_or("axis", 0),
        keep: node.flag("keepdims", true),
        last: node.flag("select_last_index", false),
        wanted,
    }))
}

impl Kernel for Arg {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let input = inputs.get(0)?;
        let at = axis(self.axis, input.shape().len())?;
        let lines = Lines::along(input.shape(), at)?;
        let mut shape = input.shape().to_vec();
        shape[at] = 1;
        if lines.length == 0 && elements(&shape)? > 0 {
            return failed("there is nothing to choose from");
        }
        let numbers = floats_or_doubles(input)?;
        let mut chosen = Vec::new();
        for start in lines.starts() {
            let mut best = 0;
            for place in 1..lines.length {
                let (new, old) = (numbers[lines.at(start, place)], numbers[lines.at(start, best)]);
                let order = new.partial_cmp(&old);
                if order == Some(self.wanted) || (self.last && order == Some(Ordering::Equal)) {
                    best = place;
                }
            }
            chosen.push(best as i64);
        }
        if !self.keep {
            shape.remove(at);
        }
        Ok(vec![tensor(shape, Data::I64(chosen))?])
    }
}

#[derive(Debug)]
struct TopK {
    axis: i64,
    largest: bool,
}

fn top_k(node: Node<'_>) -> Result<Box<dyn Kernel>, ReadError> {
    if node.int("k").is_some() {
        return Err(node.unsupported("is of an opset before 10"));
    }
    Ok(Box::new(TopK { axis: node.int_or("axis", -1), largest: node.flag("largest", true) }))
}

impl Kernel for TopK {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let input = inputs.get(0)?;
        let at = axis(self.axis, input.shape().len())?;
        let lines = Lines::along(input.shape(), at)?;
        let wanted = integers(inputs.get(1)?)?;
        let count = match *wanted {
            [count] if (0..=lines.length as i64).contains(&count) => count as usize,
            _ => return failed(format!("it does not choose {wanted:?} of {}", lines.length)),
        };
        let numbers = floats_or_doubles(input)?;
        let mut shape = input.shape().to_vec();
        shape[at] = count;
        let mut offsets = vec![0; elements(&shape)?];
        let mut places = vec![0; offsets.len()];
        let chosen = lines.with_length(count);
        for (start, target) in lines.starts().zip(chosen.starts()) {
            let mut order: Vec<usize> = (0..lines.length).collect();
            // A stable order: of equal elements the first goes first.
            order.sort_by(|a, b| {
                let (a, b) = (numbers[lines.at(start, *a)], numbers[lines.at(start, *b)]);
                if self.largest { b.total_cmp(&a) } else { a.total_cmp(&b) }
            });
            for (rank, place) in order.iter().take(count).enumerate() {
                offsets[chosen.at(target, rank)] = lines.at(start, *place);
                places[chosen.at(target, rank)] = *place as i64;
            }
        }
        let values = tensor(shape.clone(), pick(input.data(), offsets.into_iter()))?;
        Ok(vec![values, tensor(shape, Data::I64(places))?])
    }
}

/// Returns the numbers to compare; float64 holds those of the other types, but for very large integers.
fn floats_or_doubles(input: &Tensor) -> Result<Vec<f64>, RunError> {
    Ok(match input.data() {
        Data::F64(items) => items.clone(),
        Data::I64(items) => items.iter().map(|item| *item as f64).collect(),
        Data::I32(items) => items.iter().map(|item| f64::from(*item)).collect(),
        _ => floats(input)?.iter().map(|item| f64::from(*item)).collect(),
    })
}

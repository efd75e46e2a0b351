//! Operators that move elements or change the shape, and compute nothing.

use crate::{
    error::{ReadError, RunError},
    tensor::{Data, Tensor},
};

use super::{
    super::{
        array::{
            Offsets, axis, axis_index, broadcast, elements, failed, integers, map_items, pick,
            strides, tensor, type_name,
        },
        node::{Inputs, Kernel, Node},
    },
    Build,
};

pub(super) const OPERATORS: &[(&str, Build)] = &[
    ("Reshape", |node| Ok(Box::new(Reshape { zero_is_zero: node.flag("allowzero", false) }))),
    ("Flatten", |node| Ok(Box::new(Flatten { axis: node.int_or("axis", 1) }))),
    ("Concat", |node| Ok(Box::new(Concat { axis: node.int_or("axis", 1) }))),
    ("Transpose", transpose),
    ("Squeeze", |node| Ok(Box::new(Squeeze { axes: axes(node) }))),
    ("Unsqueeze", |node| Ok(Box::new(Unsqueeze { axes: axes(node) }))),
    ("Shape", |node| Ok(Box::new(Shape { start: node.int_or("start", 0), end: node.int("end") }))),
    ("Gather", |node| Ok(Box::new(Gather { axis: node.int_or("axis", 0) }))),
    ("Slice", slice),
    ("Expand", |_| Ok(Box::new(Expand))),
    ("ConstantOfShape", constant_of_shape),
];

/// Returns axes that stand in the node, as they did before opset 13; later they are an input.
fn axes(node: Node<'_>) -> Option<Vec<i64>> {
    node.optional_ints("axes").map(<[i64]>::to_vec)
}

fn axes_of(own: Option<&Vec<i64>>, inputs: &Inputs<'_>) -> Result<Option<Vec<i64>>, RunError> {
    match (own, inputs.optional(1)) {
        (Some(own), _) => Ok(Some(own.clone())),
        (None, Some(axes)) => Ok(Some(integers(axes)?.into_owned())),
        (None, None) => Ok(None),
    }
}

#[derive(Debug)]
struct Reshape {
    /// A zero in the shape is a zero; else it stands for the size that was there.
    zero_is_zero: bool,
}

impl Kernel for Reshape {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let input = inputs.get(0)?;
        let wanted = integers(inputs.get(1)?)?;
        let mut shape = Vec::with_capacity(wanted.len());
        let mut inferred = None;
        for (at, size) in wanted.iter().enumerate() {
            shape.push(match (*size, input.shape().get(at)) {
                (-1, _) if inferred.is_none() => {
                    inferred = Some(at);
                    1
                }
                (0, Some(kept)) if !self.zero_is_zero => *kept,
                (size, _) => match usize::try_from(size) {
                    Ok(size) => size,
                    Err(_) => return failed(format!("the shape {wanted:?} is impossible")),
                },
            });
        }
        if let Some(at) = inferred {
            let others = elements(&shape)?;
            shape[at] = input.data().len().checked_div(others).unwrap_or(0);
        }
        if elements(&shape)? != input.data().len() {
            return failed(format!(
                "an array of shape {:?} does not become {wanted:?}",
                input.shape()
            ));
        }
        Ok(vec![tensor(shape, input.data().clone())?])
    }
}

#[derive(Debug)]
struct Flatten {
    axis: i64,
}

impl Kernel for Flatten {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let input = inputs.get(0)?;
        // One past the last axis is allowed here.
        let at = axis(self.axis, input.shape().len() + usize::from(self.axis >= 0))?;
        let (rows, columns) = input.shape().split_at(at);
        let shape = vec![elements(rows)?, elements(columns)?];
        Ok(vec![tensor(shape, input.data().clone())?])
    }
}

#[derive(Debug)]
struct Concat {
    axis: i64,
}

impl Kernel for Concat {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let inputs = inputs.all()?;
        let Some((first, others)) = inputs.split_first() else {
            return failed("it has no input");
        };
        let at = axis(self.axis, first.shape().len())?;
        let mut shape = first.shape().to_vec();
        for other in others {
            let mut fitted = other.shape().to_vec();
            let size = fitted.get(at).copied().unwrap_or(0);
            if fitted.len() == shape.len() {
                fitted[at] = shape[at];
            }
            if fitted != shape {
                let (left, right) = (first.shape(), other.shape());
                return failed(format!(
                    "the shapes {left:?} and {right:?} do not join at axis {at}"
                ));
            }
            shape[at] = shape[at].saturating_add(size);
        }
        elements(&shape)?;
        Ok(vec![tensor(shape.clone(), joined(&inputs, &shape, at)?)?])
    }
}

/// Puts the arrays side by side, block by block.
fn joined(inputs: &[&Tensor], shape: &[usize], at: usize) -> Result<Data, RunError> {
    // Where nothing is joined there may be very many blocks of nothing.
    let blocks = if elements(shape)? == 0 { 0 } else { elements(&shape[..at])? };
    let mut data = map_items!(inputs[0].data(), items => Vec::with_capacity(items.len()));
    for block in 0..blocks {
        for input in inputs {
            let length = input.data().len() / blocks;
            let part = block * length..(block + 1) * length;
            match (&mut data, input.data()) {
                (Data::F32(all), Data::F32(items)) => all.extend_from_slice(&items[part]),
                (Data::F64(all), Data::F64(items)) => all.extend_from_slice(&items[part]),
                (Data::I32(all), Data::I32(items)) => all.extend_from_slice(&items[part]),
                (Data::I64(all), Data::I64(items)) => all.extend_from_slice(&items[part]),
                (Data::U64(all), Data::U64(items)) => all.extend_from_slice(&items[part]),
                (Data::Bool(all), Data::Bool(items)) => all.extend_from_slice(&items[part]),
                (Data::Str(all), Data::Str(items)) => all.extend_from_slice(&items[part]),
                (all, items) => {
                    let (all, items) = (type_name(all), type_name(items));
                    return failed(format!("it does not join {all} with {items}"));
                }
            }
        }
    }
    Ok(data)
}

#[derive(Debug)]
struct Transpose {
    /// Empty: the axes are reversed.
    order: Vec<usize>,
}

fn transpose(node: Node<'_>) -> Result<Box<dyn Kernel>, ReadError> {
    let order: Vec<usize> =
        node.ints("perm").iter().map(|axis| usize::try_from(*axis).unwrap_or(usize::MAX)).collect();
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if sorted.iter().enumerate().any(|(at, axis)| at != *axis) {
        return Err(node.corrupt("puts its axes into an impossible order"));
    }
    Ok(Box::new(Transpose { order }))
}

impl Kernel for Transpose {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let input = inputs.get(0)?;
        let rank = input.shape().len();
        let reversed = (0..rank).rev().collect();
        let order = if self.order.is_empty() { &reversed } else { &self.order };
        if order.len() != rank {
            return failed(format!("it orders {} axes, not {rank}", order.len()));
        }
        let from = strides(input.shape());
        let shape: Vec<usize> = order.iter().map(|axis| input.shape()[*axis]).collect();
        let offsets = Offsets::new(&shape, order.iter().map(|axis| from[*axis]).collect(), 0)?;
        Ok(vec![tensor(shape, pick(input.data(), offsets))?])
    }
}

#[derive(Debug)]
struct Squeeze {
    axes: Option<Vec<i64>>,
}

impl Kernel for Squeeze {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let input = inputs.get(0)?;
        let rank = input.shape().len();
        let dropped: Vec<usize> = match axes_of(self.axes.as_ref(), &inputs)? {
            Some(axes) => axes.iter().map(|at| axis(*at, rank)).collect::<Result<_, _>>()?,
            None => (0..rank).filter(|at| input.shape()[*at] == 1).collect(),
        };
        if dropped.iter().any(|at| input.shape()[*at] != 1) {
            return failed(format!(
                "an axis of {:?} that is dropped is not of size 1",
                input.shape()
            ));
        }
        let kept = (0..rank).filter(|at| !dropped.contains(at));
        let shape = kept.map(|at| input.shape()[at]).collect();
        Ok(vec![tensor(shape, input.data().clone())?])
    }
}

#[derive(Debug)]
struct Unsqueeze {
    axes: Option<Vec<i64>>,
}

impl Kernel for Unsqueeze {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let input = inputs.get(0)?;
        let Some(axes) = axes_of(self.axes.as_ref(), &inputs)? else {
            return failed("it does not say which axes to add");
        };
        let rank = input.shape().len() + axes.len();
        let mut added: Vec<usize> =
            axes.iter().map(|at| axis(*at, rank)).collect::<Result<_, _>>()?;
        added.sort_unstable();
        let mut shape = input.shape().to_vec();
        for at in added {
            shape.insert(at.min(shape.len()), 1);
        }
        Ok(vec![tensor(shape, input.data().clone())?])
    }
}

/// Returns the sizes of an array, or a part of them.
#[derive(Debug)]
struct Shape {
    start: i64,
    end: Option<i64>,
}

impl Kernel for Shape {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let shape = inputs.get(0)?.shape();
        let rank = shape.len() as i64;
        let counted = |at: i64| (if at < 0 { at.saturating_add(rank) } else { at }).clamp(0, rank);
        let (start, end) = (counted(self.start), counted(self.end.unwrap_or(rank)));
        let part =
            shape.iter().skip(start as usize).take(end.saturating_sub(start).max(0) as usize);
        Ok(vec![Tensor::vector(Data::I64(part.map(|size| *size as i64).collect()))])
    }
}

/// Takes slices along an axis by their indices.
#[derive(Debug)]
struct Gather {
    axis: i64,
}

impl Kernel for Gather {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let (input, wanted) = (inputs.get(0)?, inputs.get(1)?);
        let at = axis(self.axis, input.shape().len())?;
        let (before, after) = (&input.shape()[..at], &input.shape()[at + 1..]);
        let size = input.shape()[at];
        let indices: Vec<usize> = integers(wanted)?
            .iter()
            .map(|index| axis_index(*index, size))
            .collect::<Result<_, _>>()?;
        let shape = [before, wanted.shape(), after].concat();
        // Where nothing is taken there may be very many blocks of nothing.
        let blocks = if elements(&shape)? == 0 { 0 } else { elements(before)? };
        let width = elements(after)?;
        let starts =
            (0..blocks).flat_map(|block| indices.iter().map(move |index| block * size + index));
        let offsets = starts.flat_map(|start| start * width..(start + 1) * width);
        Ok(vec![tensor(shape, pick(input.data(), offsets))?])
    }
}

#[derive(Debug)]
struct Slice {
    /// Starts, ends and axes that stand in the node, as they did before opset 10.
    own: Option<[Vec<i64>; 3]>,
}

fn slice(node: Node<'_>) -> Result<Box<dyn Kernel>, ReadError> {
    let own = node
        .optional_ints("starts")
        .map(|starts| [starts.to_vec(), node.ints("ends").to_vec(), node.ints("axes").to_vec()]);
    Ok(Box::new(Slice { own }))
}

impl Kernel for Slice {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let input = inputs.get(0)?;
        let list = |at| inputs.optional(at).map(integers).transpose();
        let (starts, ends, axes, steps) = match &self.own {
            Some([starts, ends, axes]) => {
                let axes = (!axes.is_empty()).then(|| axes.clone());
                (starts.clone(), ends.clone(), axes, None)
            }
            None => (
                integers(inputs.get(1)?)?.into_owned(),
                integers(inputs.get(2)?)?.into_owned(),
                list(3)?.map(|axes| axes.into_owned()),
                list(4)?.map(|steps| steps.into_owned()),
            ),
        };
        let axes = axes.unwrap_or_else(|| (0..starts.len() as i64).collect());
        let steps = steps.unwrap_or_else(|| vec![1; starts.len()]);
        if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
            return failed("its starts, ends, axes and steps are not as many as each other");
        }
        let mut shape = input.shape().to_vec();
        let mut walk = strides(&shape);
        let mut first = 0;
        for (at, ((start, end), step)) in axes.iter().zip(starts.iter().zip(&ends).zip(&steps)) {
            let at = axis(*at, shape.len())?;
            let (from, size) = span(*start, *end, *step, input.shape()[at])?;
            first = isize::wrapping_add(first, (from as isize).wrapping_mul(walk[at]));
            walk[at] = walk[at].wrapping_mul(if size > 1 { *step as isize } else { 1 });
            shape[at] = size;
        }
        let offsets = Offsets::new(&shape, walk, first)?;
        Ok(vec![tensor(shape, pick(input.data(), offsets))?])
    }
}

/// Returns the first index and the number of indices of a slice, by Python's rules.
fn span(start: i64, end: i64, step: i64, size: usize) -> Result<(usize, usize), RunError> {
    let size = size as i64;
    let counted = |at: i64| if at < 0 { at.saturating_add(size) } else { at };
    let (low, high) = if step > 0 { (0, size) } else { (-1, size - 1) };
    let from = counted(start).clamp(low, high);
    let to = counted(end).clamp(low, high);
    let length = match step {
        0 => return failed("a slice has the step 0"),
        1.. => (to - from).max(0).unsigned_abs().div_ceil(step.unsigned_abs()),
        _ => (from - to).max(0).unsigned_abs().div_ceil(step.unsigned_abs()),
    };
    Ok((from.max(0) as usize, length as usize))
}

/// Stretches an array to a shape.
#[derive(Debug)]
struct Expand;

impl Kernel for Expand {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let input = inputs.get(0)?;
        let shape = broadcast(input.shape(), &shape_of(inputs.get(1)?)?)?;
        let offsets = Offsets::stretched(input.shape(), &shape)?;
        Ok(vec![tensor(shape, pick(input.data(), offsets))?])
    }
}

#[derive(Debug)]
struct ConstantOfShape {
    value: Data,
}

fn constant_of_shape(node: Node<'_>) -> Result<Box<dyn Kernel>, ReadError> {
    let value = match node.tensor("value")? {
        Some(tensor) => tensor.into_parts().1,
        None => Data::F32(vec![0.0]),
    };
    if value.len() != 1 {
        return Err(node.corrupt("repeats a value that is not one"));
    }
    Ok(Box::new(ConstantOfShape { value }))
}

impl Kernel for ConstantOfShape {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let shape = shape_of(inputs.get(0)?)?;
        let count = elements(&shape)?;
        Ok(vec![tensor(shape, pick(&self.value, std::iter::repeat_n(0, count)))?])
    }
}

fn shape_of(tensor: &Tensor) -> Result<Vec<usize>, RunError> {
    let size = |size: &i64| match usize::try_from(*size) {
        Ok(size) => Ok(size),
        Err(_) => failed(format!("a shape has the size {size}")),
    };
    integers(tensor)?.iter().map(size).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_follow_pythons_rules() {
        assert_eq!(span(1, 3, 1, 5).unwrap(), (1, 2));
        assert_eq!(span(-2, i64::MAX, 1, 5).unwrap(), (3, 2));
        assert_eq!(span(-1, i64::MIN, -1, 5).unwrap(), (4, 5));
        assert_eq!(span(4, 0, -3, 5).unwrap(), (4, 2));
        assert_eq!(span(9, 2, 1, 5).unwrap(), (5, 0));
        assert_eq!(span(0, 9, 2, 0).unwrap(), (0, 0));
        span(0, 1, 0, 5).unwrap_err();
    }
}

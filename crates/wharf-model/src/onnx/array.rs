//! Shapes, offsets and element types: what all operators share.

use std::borrow::Cow;

use crate::{
    error::RunError,
    tensor::{Data, Tensor},
};

/// More elements than this in one array are refused: the model asks for more than a server should hold.
pub(super) const MOST_ELEMENTS: usize = 1 << 26;

/// Gives the items of whatever type to one expression, and wraps the list that it makes in the same type.
macro_rules! map_items {
    ($data:expr, $items:ident => $body:expr) => {
        match $data {
            Data::F32($items) => Data::F32($body),
            Data::F64($items) => Data::F64($body),
            Data::I32($items) => Data::I32($body),
            Data::I64($items) => Data::I64($body),
            Data::U64($items) => Data::U64($body),
            Data::Bool($items) => Data::Bool($body),
            Data::Str($items) => Data::Str($body),
        }
    };
}
pub(super) use map_items;

/// Returns the error of an operator.
pub(super) fn failed<T>(what: impl Into<String>) -> Result<T, RunError> {
    Err(RunError(what.into()))
}

/// Returns the number of elements of a shape.
pub(super) fn elements(shape: &[usize]) -> Result<usize, RunError> {
    let product = shape.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
    match product {
        Some(product) if product <= MOST_ELEMENTS => Ok(product),
        _ => failed(format!("an array of shape {shape:?} is too large")),
    }
}

/// Puts an array together.
pub(super) fn tensor(shape: Vec<usize>, data: Data) -> Result<Tensor, RunError> {
    let found = data.len();
    match Tensor::new(shape, data) {
        Some(tensor) => Ok(tensor),
        None => failed(format!("{found} elements do not fill the shape")),
    }
}

/// Returns NumPy's name of the element type.
pub(super) fn type_name(data: &Data) -> &'static str {
    match data {
        Data::F32(_) => "float32",
        Data::F64(_) => "float64",
        Data::I32(_) => "int32",
        Data::I64(_) => "int64",
        Data::U64(_) => "uint64",
        Data::Bool(_) => "bool",
        Data::Str(_) => "str",
    }
}

/// Returns the elements as float32, which is what `ai.onnx.ml` computes with.
pub(super) fn floats(tensor: &Tensor) -> Result<Cow<'_, [f32]>, RunError> {
    Ok(match tensor.data() {
        Data::F32(items) => Cow::Borrowed(items.as_slice()),
        Data::F64(items) => items.iter().map(|item| *item as f32).collect(),
        Data::I32(items) => items.iter().map(|item| *item as f32).collect(),
        Data::I64(items) => items.iter().map(|item| *item as f32).collect(),
        Data::U64(items) => items.iter().map(|item| *item as f32).collect(),
        Data::Bool(items) => items.iter().map(|item| f32::from(u8::from(*item))).collect(),
        Data::Str(_) => return failed("it takes numbers, not str"),
    })
}

/// Returns the elements as integers: axes, indices and shapes.
pub(super) fn integers(tensor: &Tensor) -> Result<Cow<'_, [i64]>, RunError> {
    match tensor.data() {
        Data::I64(items) => Ok(Cow::Borrowed(items.as_slice())),
        Data::I32(items) => Ok(items.iter().map(|item| i64::from(*item)).collect()),
        other => failed(format!("it takes integers here, not {}", type_name(other))),
    }
}

/// Returns rows and columns of the arrays that `ai.onnx.ml` takes; one dimension is one row.
pub(super) fn rows_and_columns(shape: &[usize]) -> Result<(usize, usize), RunError> {
    match *shape {
        [columns] => Ok((1, columns)),
        [rows, columns] => Ok((rows, columns)),
        _ => failed(format!("it takes rows of features, not the shape {shape:?}")),
    }
}

/// Returns the axis counted from the front; a negative one counts from the back.
pub(super) fn axis(axis: i64, rank: usize) -> Result<usize, RunError> {
    let counted = if axis < 0 { axis + rank as i64 } else { axis };
    match usize::try_from(counted) {
        Ok(counted) if counted < rank => Ok(counted),
        _ => failed(format!("there is no axis {axis} in an array of {rank} dimensions")),
    }
}

/// Returns the place along an axis of that size; a negative index counts from the end.
pub(super) fn axis_index(index: i64, size: usize) -> Result<usize, RunError> {
    let counted = if index < 0 { index.saturating_add(size as i64) } else { index };
    match usize::try_from(counted) {
        Ok(counted) if counted < size => Ok(counted),
        _ => failed(format!("the index {index} is outside {size} elements")),
    }
}

/// Returns how far apart neighbours are along each axis of a row-major array.
pub(super) fn strides(shape: &[usize]) -> Vec<isize> {
    let mut strides = vec![1; shape.len()];
    for at in (1..shape.len()).rev() {
        // It wraps only for arrays without elements, which nobody walks.
        strides[at - 1] = isize::wrapping_mul(strides[at], shape[at] as isize);
    }
    strides
}

/// Returns the shape that two shapes are stretched to, by NumPy's rules.
pub(super) fn broadcast(left: &[usize], right: &[usize]) -> Result<Vec<usize>, RunError> {
    let rank = left.len().max(right.len());
    let size = |shape: &[usize], at: usize| match (at + shape.len()).checked_sub(rank) {
        Some(at) => shape[at],
        None => 1,
    };
    let sizes = (0..rank).map(|at| match (size(left, at), size(right, at)) {
        (left, right) if left == right || right == 1 => Ok(left),
        (1, right) => Ok(right),
        _ => failed(format!("the shapes {left:?} and {right:?} do not fit each other")),
    });
    sizes.collect()
}

/// Walks positions in row-major order and says where in the source each one lies.
#[derive(Debug, Clone)]
pub(super) struct Offsets {
    shape: Vec<usize>,
    strides: Vec<isize>,
    position: Vec<usize>,
    offset: isize,
    left: usize,
}

impl Offsets {
    /// Walks a shape with its own strides through the source, from an element of it.
    pub(super) fn new(
        shape: &[usize],
        strides: Vec<isize>,
        start: isize,
    ) -> Result<Self, RunError> {
        Ok(Self {
            shape: shape.to_vec(),
            strides,
            position: vec![0; shape.len()],
            offset: start,
            left: elements(shape)?,
        })
    }

    /// Walks a shape that the source is stretched to; [`broadcast`] has said that it can be.
    pub(super) fn stretched(source: &[usize], shape: &[usize]) -> Result<Self, RunError> {
        let missing = shape.len() - source.len();
        let mut stretched = vec![0; shape.len()];
        for (at, stride) in strides(source).into_iter().enumerate() {
            if source[at] != 1 {
                stretched[missing + at] = stride;
            }
        }
        Self::new(shape, stretched, 0)
    }
}

impl Iterator for Offsets {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let current = self.offset;
        for at in (0..self.shape.len()).rev() {
            self.position[at] += 1;
            self.offset += self.strides[at];
            if self.position[at] < self.shape[at] {
                break;
            }
            self.offset -= self.strides[at] * self.shape[at] as isize;
            self.position[at] = 0;
        }
        Some(current as usize)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

/// The elements along one axis, for each place of the other axes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lines {
    pub(super) length: usize,
    /// How far neighbours of a line are apart.
    step: usize,
    outer: usize,
}

impl Lines {
    pub(super) fn along(shape: &[usize], at: usize) -> Result<Self, RunError> {
        let step = elements(&shape[at + 1..])?;
        Ok(Self { length: shape[at], step, outer: elements(&shape[..at])? })
    }

    /// Takes all axes from one on as a single line.
    pub(super) fn from(shape: &[usize], at: usize) -> Result<Self, RunError> {
        let (outer, line) = shape.split_at(at);
        Ok(Self { length: elements(line)?, step: 1, outer: elements(outer)? })
    }

    /// Returns the same lines with another length.
    pub(super) fn with_length(self, length: usize) -> Self {
        Self { length, ..self }
    }

    /// Returns where each line starts; none when the lines are empty.
    pub(super) fn starts(self) -> impl Iterator<Item = usize> {
        let block = self.length.saturating_mul(self.step);
        let outer = if self.length == 0 { 0 } else { self.outer };
        (0..outer).flat_map(move |outer| (0..self.step).map(move |inner| outer * block + inner))
    }

    /// Returns where an element of a line lies.
    pub(super) fn at(self, start: usize, place: usize) -> usize {
        start + place * self.step
    }
}

/// Returns the elements at the offsets, in their order.
pub(super) fn pick(data: &Data, offsets: impl Iterator<Item = usize>) -> Data {
    map_items!(data, items => items_at(items, offsets))
}

fn items_at<T: Clone>(items: &[T], offsets: impl Iterator<Item = usize>) -> Vec<T> {
    offsets.map(|at| items[at].clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_stretch_as_in_numpy() {
        assert_eq!(broadcast(&[5, 1, 4], &[3, 1]).unwrap(), [5, 3, 4]);
        assert_eq!(broadcast(&[], &[2, 0]).unwrap(), [2, 0]);
        assert_eq!(broadcast(&[0, 1], &[1, 7]).unwrap(), [0, 7]);
        broadcast(&[2, 3], &[2]).unwrap_err();
    }

    #[test]
    fn a_stretched_walk_repeats_the_source() {
        let offsets: Vec<usize> = Offsets::stretched(&[2, 1], &[2, 2, 3]).unwrap().collect();
        assert_eq!(offsets, [0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1]);
    }

    #[test]
    fn shapes_that_overflow_are_refused() {
        elements(&[usize::MAX, 2]).unwrap_err();
        elements(&[1_000_000_000]).unwrap_err();
    }
}

//! Operators that put elements along axes together.

use crate::{
    error::{ReadError, RunError},
    tensor::{Data, Tensor},
};

use super::{
    super::{
        array::{Lines, Offsets, axis, elements, failed, integers, strides, tensor, type_name},
        node::{Inputs, Kernel, Node},
    },
    Build,
};

pub(super) const OPERATORS: &[(&str, Build)] = &[
    ("ReduceL1", |node| reduce(node, How::L1)),
    ("ReduceL2", |node| reduce(node, How::L2)),
    ("ReduceLogSum", |node| reduce(node, How::LogSum)),
    ("ReduceLogSumExp", |node| reduce(node, How::LogSumExp)),
    ("ReduceMax", |node| reduce(node, How::Max)),
    ("ReduceMean", |node| reduce(node, How::Mean)),
    ("ReduceMin", |node| reduce(node, How::Min)),
    ("ReduceProd", |node| reduce(node, How::Product)),
    ("ReduceSum", |node| reduce(node, How::Sum)),
    ("ReduceSumSquare", |node| reduce(node, How::SumSquare)),
    ("Softmax", |node| softmax(node, false)),
    ("LogSoftmax", |node| softmax(node, true)),
    ("LpNormalization", lp_normalization),
];

#[derive(Debug, Clone, Copy)]
enum How {
    L1,
    L2,
    LogSum,
    LogSumExp,
    Max,
    Mean,
    Min,
    Product,
    Sum,
    SumSquare,
}

#[derive(Debug)]
struct Reduce {
    how: How,
    axes: Option<Vec<i64>>,
    keep: bool,
    /// Without axes nothing is reduced; else everything is.
    none_is_none: bool,
}

fn reduce(node: Node<'_>, how: How) -> Result<Box<dyn Kernel>, ReadError> {
    Ok(Box::new(Reduce {
        how,
        axes: node.optional_ints("axes").map(<[i64]>::to_vec),
        keep: node.flag("keepdims", true),
        none_is_none: node.flag("noop_with_empty_axes", false),
    }))
}

impl Reduce {
    /// Says which axes are reduced.
    fn reduced(&self, rank: usize, inputs: Inputs<'_>) -> Result<Vec<bool>, RunError> {
        let axes = match (&self.axes, inputs.optional(1)) {
            (Some(own), _) => own.clone(),
            (None, Some(axes)) => integers(axes)?.into_owned(),
            (None, None) => Vec::new(),
        };
        let mut reduced = vec![axes.is_empty() && !self.none_is_none; rank];
        for at in axes {
            reduced[axis(at, rank)?] = true;
        }
        Ok(reduced)
    }
}

impl Kernel for Reduce {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let input = inputs.get(0)?;
        let shape = input.shape();
        let reduced = self.reduced(shape.len(), inputs)?;
        let walk = strides(shape);
        let part = |wanted: bool| {
            let axes = (0..shape.len()).filter(|at| reduced[*at] == wanted);
            axes.map(|at| (shape[at], walk[at])).unzip::<usize, isize, Vec<_>, Vec<_>>()
        };
        let (kept_shape, kept_walk) = part(false);
        let (inner_shape, inner_walk) = part(true);
        let starts = Offsets::new(&kept_shape, kept_walk, 0)?;
        let mut inner: Vec<usize> = Vec::new();
        if elements(&kept_shape)? > 0 {
            inner.extend(Offsets::new(&inner_shape, inner_walk, 0)?);
        }
        let data = match input.data() {
            Data::F32(items) if matches!(self.how, How::SumSquare) => {
                Data::F32(sums_of_squares(starts, &inner, items))
            }
            Data::F32(items) => {
                let item = |at: usize| f64::from(items[at]);
                Data::F32(self.how.floats(starts, &inner, item).map(|sum| sum as f32).collect())
            }
            Data::F64(items) => {
                Data::F64(self.how.floats(starts, &inner, |at| items[at]).collect())
            }
            Data::I64(items) => Data::I64(self.how.integers(starts, &inner, |at| items[at])?),
            Data::I32(items) => {
                let made = self.how.integers(starts, &inner, |at| i64::from(items[at]))?;
                Data::I32(made.into_iter().map(|item| item as i32).collect())
            }
            other => return failed(format!("it does not take {}", type_name(other))),
        };
        let sizes = shape.iter().zip(&reduced);
        let shape = if self.keep {
            sizes.map(|(size, reduced)| if *reduced { 1 } else { *size }).collect()
        } else {
            kept_shape
        };
        Ok(vec![tensor(shape, data)?])
    }
}

/// Rounds at every step, as onnxruntime does: k-means subtracts almost equal numbers of these sums, so it shows.
fn sums_of_squares(starts: Offsets, inner: &[usize], items: &[f32]) -> Vec<f32> {
    let square = |at: usize| items[at] * items[at];
    starts.map(|start| inner.iter().map(|at| square(start + at)).sum()).collect()
}

impl How {
    fn floats<'a>(
        self,
        starts: Offsets,
        inner: &'a [usize],
        item: impl Fn(usize) -> f64 + Copy + 'a,
    ) -> impl Iterator<Item = f64> + 'a {
        starts.map(move |start| self.float(inner.iter().map(|at| item(start + at))))
    }

    fn float(self, items: impl Iterator<Item = f64> + Clone) -> f64 {
        let largest = |items: &mut dyn Iterator<Item = f64>| {
            items.fold(f64::NEG_INFINITY, |a, b| if b > a || b.is_nan() { b } else { a })
        };
        match self {
            Self::L1 => items.map(f64::abs).sum(),
            Self::L2 => items.map(|item| item * item).sum::<f64>().sqrt(),
            Self::LogSum => items.sum::<f64>().ln(),
            Self::LogSumExp => {
                // The largest goes first, so that no exponential overflows.
                let largest = largest(&mut items.clone());
                let shift = if largest.is_finite() { largest } else { 0.0 };
                items.map(|item| (item - shift).exp()).sum::<f64>().ln() + shift
            }
            Self::Max => largest(&mut items.clone()),
            Self::Mean => {
                let count = items.clone().count();
                items.sum::<f64>() / count as f64
            }
            Self::Min => -largest(&mut items.map(|item| -item)),
            Self::Product => items.product(),
            Self::Sum => items.sum(),
            Self::SumSquare => items.map(|item| item * item).sum(),
        }
    }

    fn integers(
        self,
        starts: Offsets,
        inner: &[usize],
        item: impl Fn(usize) -> i64,
    ) -> Result<Vec<i64>, RunError> {
        let fold: fn(i64, i64) -> i64 = match self {
            Self::Sum => i64::wrapping_add,
            Self::Product => i64::wrapping_mul,
            Self::Max => i64::max,
            Self::Min => i64::min,
            Self::L1 => |sum, item| sum.wrapping_add(item.wrapping_abs()),
            Self::SumSquare => |sum, item| sum.wrapping_add(item.wrapping_mul(item)),
            Self::L2 | Self::LogSum | Self::LogSumExp | Self::Mean => {
                return failed("it does not take integers");
            }
        };
        let first = match self {
            Self::Product => 1,
            Self::Max => i64::MIN,
            Self::Min => i64::MAX,
            _ => 0,
        };
        Ok(starts
            .map(|start| inner.iter().fold(first, |sum, at| fold(sum, item(start + at))))
            .collect())
    }
}

/// Computes in float64 and gives the type that came.
fn rewrite_lines(
    input: &Tensor,
    lines: Lines,
    rewrite: impl Fn(&mut [f64]),
) -> Result<Tensor, RunError> {
    let mut items: Vec<f64> = match input.data() {
        Data::F32(items) => items.iter().map(|item| f64::from(*item)).collect(),
        Data::F64(items) => items.clone(),
        other => return failed(format!("it does not take {}", type_name(other))),
    };
    let mut line = vec![0.0; lines.length];
    for start in lines.starts() {
        for (place, slot) in line.iter_mut().enumerate() {
            *slot = items[lines.at(start, place)];
        }
        rewrite(&mut line);
        for (place, item) in line.iter().enumerate() {
            items[lines.at(start, place)] = *item;
        }
    }
    let data = match input.data() {
        Data::F32(_) => Data::F32(items.iter().map(|item| *item as f32).collect()),
        _ => Data::F64(items),
    };
    tensor(input.shape().to_vec(), data)
}

#[derive(Debug)]
struct Softmax {
    axis: i64,
    /// Before opset 13 all axes from this one on are one line.
    rest_is_one: bool,
    logarithm: bool,
}

fn softmax(node: Node<'_>, logarithm: bool) -> Result<Box<dyn Kernel>, ReadError> {
    let rest_is_one = node.surroundings.opset < 13;
    let axis = node.int_or("axis", if rest_is_one { 1 } else { -1 });
    Ok(Box::new(Softmax { axis, rest_is_one, logarithm }))
}

impl Kernel for Softmax {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let input = inputs.get(0)?;
        let at = axis(self.axis, input.shape().len())?;
        let lines = if self.rest_is_one {
            Lines::from(input.shape(), at)?
        } else {
            Lines::along(input.shape(), at)?
        };
        let made = rewrite_lines(input, lines, |line| {
            let largest = line.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = line.iter().map(|item| (item - largest).exp()).sum();
            for item in line {
                let shifted = *item - largest;
                *item = if self.logarithm { shifted - sum.ln() } else { shifted.exp() / sum };
            }
        })?;
        Ok(vec![made])
    }
}

#[derive(Debug)]
struct LpNormalization {
    axis: i64,
    /// The sum of the absolute values; else the root of the sum of squares.
    absolute: bool,
}

fn lp_normalization(node: Node<'_>) -> Result<Box<dyn Kernel>, ReadError> {
    let absolute = match node.int_or("p", 2) {
        1 => true,
        2 => false,
        other => return Err(node.unsupported(format!("normalises by the unknown norm {other}"))),
    };
    Ok(Box::new(LpNormalization { axis: node.int_or("axis", -1), absolute }))
}

impl Kernel for LpNormalization {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let input = inputs.get(0)?;
        let lines = Lines::along(input.shape(), axis(self.axis, input.shape().len())?)?;
        let made = rewrite_lines(input, lines, |line| {
            let how = if self.absolute { How::L1 } else { How::L2 };
            let norm = how.float(line.iter().copied());
            if norm != 0.0 {
                line.iter_mut().for_each(|item| *item /= norm);
            }
        })?;
        Ok(vec![made])
    }
}

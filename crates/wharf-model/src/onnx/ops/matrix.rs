//! Products of matrices.

use std::borrow::Cow;

use crate::{
    error::{ReadError, RunError},
    tensor::{Data, Tensor},
};

use super::{
    super::{
        array::{Offsets, broadcast, elements, failed, tensor, type_name},
        node::{Inputs, Kernel, Node},
    },
    Build,
};

pub(super) const OPERATORS: &[(&str, Build)] =
    &[("MatMul", |_| Ok(Box::new(MatMul))), ("Gemm", gemm)];

#[derive(Debug)]
struct MatMul;

impl Kernel for MatMul {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let (left, right) = (inputs.get(0)?, inputs.get(1)?);
        let stack = Stack::of(left.shape(), right.shape())?;
        let data = match (left.data(), right.data()) {
            (Data::F32(a), Data::F32(b)) => Data::F32(stack.product(a, b)?),
            (Data::F64(a), Data::F64(b)) => Data::F64(stack.product(a, b)?),
            (a, b) => return not_both(a, b),
        };
        Ok(vec![tensor(stack.shape, data)?])
    }
}

/// Matrices stacked along outer axes, which are stretched to each other.
struct Stack {
    rows: usize,
    inner: usize,
    columns: usize,
    /// Where each pair of matrices starts.
    pairs: Vec<(usize, usize)>,
    shape: Vec<usize>,
}

impl Stack {
    /// A vector counts as one row on the left, as one column on the right, and that axis is dropped again.
    fn of(left: &[usize], right: &[usize]) -> Result<Self, RunError> {
        let (row, column) = (left.len() == 1, right.len() == 1);
        let left = if row { Cow::Owned(vec![1, left[0]]) } else { Cow::Borrowed(left) };
        let right = if column { Cow::Owned(vec![right[0], 1]) } else { Cow::Borrowed(right) };
        let ([left_outer @ .., rows, inner], [right_outer @ .., other, columns]) =
            (&*left, &*right)
        else {
            return failed("it takes matrices, not single numbers");
        };
        if inner != other {
            return failed(format!("the matrices {left:?} and {right:?} do not fit each other"));
        }
        let outer = broadcast(left_outer, right_outer)?;
        let mut shape = outer.clone();
        shape.extend((!row).then_some(*rows));
        shape.extend((!column).then_some(*columns));
        let mut pairs = Vec::new();
        if elements(&shape)? > 0 {
            let lefts = Offsets::stretched(left_outer, &outer)?.map(|at| at * rows * inner);
            let rights = Offsets::stretched(right_outer, &outer)?.map(|at| at * inner * columns);
            pairs.extend(lefts.zip(rights));
        }
        Ok(Self { rows: *rows, inner: *inner, columns: *columns, pairs, shape })
    }

    fn product<T: Number>(&self, left: &[T], right: &[T]) -> Result<Vec<T>, RunError> {
        let mut all = vec![T::default(); elements(&self.shape)?];
        let size = self.rows * self.columns;
        for ((from_left, from_right), product) in
            self.pairs.iter().zip(all.chunks_exact_mut(size.max(1)))
        {
            let left = &left[*from_left..from_left + self.rows * self.inner];
            let right = &right[*from_right..from_right + self.inner * self.columns];
            multiply(left, right, self.inner, self.columns, product);
        }
        Ok(all)
    }
}

/// Adds a product to what is there; row by row, so that the inner loop runs along rows of the right matrix.
fn multiply<T: Number>(left: &[T], right: &[T], inner: usize, columns: usize, sums: &mut [T]) {
    if inner == 0 || columns == 0 {
        return;
    }
    for (row, sums) in left.chunks_exact(inner).zip(sums.chunks_exact_mut(columns)) {
        for (factor, other) in row.iter().zip(right.chunks_exact(columns)) {
            for (sum, item) in sums.iter_mut().zip(other) {
                *sum = sum.plus(*factor, *item);
            }
        }
    }
}

trait Number: Copy + Default + std::ops::Mul<Output = Self> + From<f32> {
    /// Adds a product and rounds once, as onnxruntime's kernels do. It shows where almost equal numbers are subtracted
    /// afterwards: the distances of k-means differ in the fifth digit without it.
    fn plus(self, left: Self, right: Self) -> Self;
}

impl Number for f32 {
    fn plus(self, left: Self, right: Self) -> Self {
        // `mul_add` is a slow call on processors without the instruction; a product of two f32 fits into an f64.
        (f64::from(self) + f64::from(left) * f64::from(right)) as Self
    }
}

impl Number for f64 {
    fn plus(self, left: Self, right: Self) -> Self {
        self + left * right
    }
}

/// `alpha · A · B + beta · C`, with A and B transposed where wanted.
#[derive(Debug)]
struct Gemm {
    alpha: f32,
    beta: f32,
    left_transposed: bool,
    right_transposed: bool,
}

fn gemm(node: Node<'_>) -> Result<Box<dyn Kernel>, ReadError> {
    Ok(Box::new(Gemm {
        alpha: node.float_or("alpha", 1.0),
        beta: node.float_or("beta", 1.0),
        left_transposed: node.flag("transA", false),
        right_transposed: node.flag("transB", false),
    }))
}

impl Kernel for Gemm {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let (left, right, added) = (inputs.get(0)?, inputs.get(1)?, inputs.optional(2));
        let (Some((rows, inner)), Some((other, columns))) =
            (sizes(left, self.left_transposed), sizes(right, self.right_transposed))
        else {
            return failed("it takes matrices");
        };
        if inner != other {
            let (left, right) = (left.shape(), right.shape());
            return failed(format!("the matrices {left:?} and {right:?} do not fit each other"));
        }
        let shape = vec![rows, columns];
        elements(&shape)?;
        let data = match (left.data(), right.data(), added.map(Tensor::data)) {
            (Data::F32(a), Data::F32(b), None) => Data::F32(self.product(a, b, inner, &shape)),
            (Data::F64(a), Data::F64(b), None) => Data::F64(self.product(a, b, inner, &shape)),
            (Data::F32(a), Data::F32(b), Some(Data::F32(c))) => {
                let product = self.product(a, b, inner, &shape);
                Data::F32(self.add(product, c, added.map_or(&[], Tensor::shape), &shape)?)
            }
            (Data::F64(a), Data::F64(b), Some(Data::F64(c))) => {
                let product = self.product(a, b, inner, &shape);
                Data::F64(self.add(product, c, added.map_or(&[], Tensor::shape), &shape)?)
            }
            (a, b, _) => return not_both(a, b),
        };
        Ok(vec![tensor(shape, data)?])
    }
}

impl Gemm {
    fn product<T: Number>(&self, left: &[T], right: &[T], inner: usize, shape: &[usize]) -> Vec<T> {
        let [rows, columns] = [shape[0], shape[1]];
        let left =
            if self.left_transposed { flipped(left, inner, rows) } else { Cow::Borrowed(left) };
        let right = if self.right_transposed {
            flipped(right, columns, inner)
        } else {
            Cow::Borrowed(right)
        };
        let mut product = vec![T::default(); rows * columns];
        multiply(&left, &right, inner, columns, &mut product);
        for item in &mut product {
            *item = *item * T::from(self.alpha);
        }
        product
    }

    fn add<T: Number>(
        &self,
        mut product: Vec<T>,
        added: &[T],
        added_shape: &[usize],
        shape: &[usize],
    ) -> Result<Vec<T>, RunError> {
        if broadcast(added_shape, shape)? != shape {
            return failed(format!("it does not add {added_shape:?} to {shape:?}"));
        }
        for (item, at) in product.iter_mut().zip(Offsets::stretched(added_shape, shape)?) {
            *item = item.plus(T::from(self.beta), added[at]);
        }
        Ok(product)
    }
}

fn sizes(tensor: &Tensor, transposed: bool) -> Option<(usize, usize)> {
    match *tensor.shape() {
        [rows, columns] if transposed => Some((columns, rows)),
        [rows, columns] => Some((rows, columns)),
        _ => None,
    }
}

/// Turns a matrix of so many rows and columns on its side.
fn flipped<T: Copy>(matrix: &[T], rows: usize, columns: usize) -> Cow<'_, [T]> {
    (0..columns)
        .flat_map(|column| (0..rows).map(move |row| matrix[row * columns + column]))
        .collect()
}

fn not_both<T>(left: &Data, right: &Data) -> Result<T, RunError> {
    failed(format!("it does not multiply {} with {}", type_name(left), type_name(right)))
}

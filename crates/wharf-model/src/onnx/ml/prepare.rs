//! What is done to features before a model: scaling, filling gaps, cutting at a threshold.

use crate::{
    error::{ReadError, RunError},
    tensor::{Data, Tensor},
};

use super::super::{
    array::{elements, failed, floats, rows_and_columns, tensor, type_name},
    node::{Inputs, Kernel, Node},
};

/// A value for each column, or one for all.
fn of_column<T: Copy>(values: &[T], column: usize) -> T {
    if values.len() == 1 { values[0] } else { values[column] }
}

fn check_columns(values: usize, columns: usize) -> Result<(), RunError> {
    if values == 1 || values == columns {
        return Ok(());
    }
    failed(format!("it takes {values} features, not {columns}"))
}

fn columns_of(input: &Tensor) -> Result<usize, RunError> {
    rows_and_columns(input.shape()).map(|(_, columns)| columns)
}

#[derive(Debug)]
struct Scaler {
    offset: Vec<f32>,
    scale: Vec<f32>,
}

pub(super) fn scaler(node: Node<'_>) -> Result<Box<dyn Kernel>, ReadError> {
    let or_one = |name, default| match node.floats(name) {
        [] => vec![default],
        values => values.to_vec(),
    };
    Ok(Box::new(Scaler { offset: or_one("offset", 0.0), scale: or_one("scale", 1.0) }))
}

impl Kernel for Scaler {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let input = inputs.get(0)?;
        let columns = columns_of(input)?;
        check_columns(self.offset.len(), columns)?;
        check_columns(self.scale.len(), columns)?;
        let items = floats(input)?;
        let scaled = items.iter().enumerate().map(|(at, item)| {
            let column = at % columns;
            (item - of_column(&self.offset, column)) * of_column(&self.scale, column)
        });
        Ok(vec![tensor(input.shape().to_vec(), Data::F32(scaled.collect()))?])
    }
}

#[derive(Debug, Clone, Copy)]
enum Normalizer {
    Max,
    L1,
    L2,
}

pub(super) fn normalizer(node: Node<'_>) -> Result<Box<dyn Kernel>, ReadError> {
    Ok(Box::new(match node.word("norm", "MAX")? {
        "MAX" => Normalizer::Max,
        "L1" => Normalizer::L1,
        "L2" => Normalizer::L2,
        other => return Err(node.corrupt(format!("normalises by the unknown norm {other}"))),
    }))
}

impl Kernel for Normalizer {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let input = inputs.get(0)?;
        let columns = columns_of(input)?;
        let mut items = floats(input)?.into_owned();
        for row in items.chunks_exact_mut(columns.max(1)) {
            let norm = match self {
                Self::Max => row.iter().copied().fold(f32::MIN, f32::max),
                Self::L1 => row.iter().map(|item| item.abs()).sum(),
                Self::L2 => row.iter().map(|item| item * item).sum::<f32>().sqrt(),
            };
            if norm != 0.0 {
                row.iter_mut().for_each(|item| *item /= norm);
            }
        }
        Ok(vec![tensor(input.shape().to_vec(), Data::F32(items))?])
    }
}

/// Puts values where one is missing.
#[derive(Debug)]
enum Imputer {
    Floats { missing: f32, values: Vec<f32> },
    Ints { missing: i64, values: Vec<i64> },
}

pub(super) fn imputer(node: Node<'_>) -> Result<Box<dyn Kernel>, ReadError> {
    let (floats, ints) = (node.floats("imputed_value_floats"), node.ints("imputed_value_int64s"));
    Ok(Box::new(match (floats, ints) {
        ([], []) => return Err(node.corrupt("has no values to put in")),
        ([], ints) => {
            Imputer::Ints { missing: node.int_or("replaced_value_int64", 0), values: ints.to_vec() }
        }
        (floats, _) => Imputer::Floats {
            missing: node.float_or("replaced_value_float", 0.0),
            values: floats.to_vec(),
        },
    }))
}

impl Kernel for Imputer {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let input = inputs.get(0)?;
        let columns = columns_of(input)?;
        let data = match (self, input.data()) {
            (Self::Ints { missing, values }, Data::I64(items)) => {
                check_columns(values.len(), columns)?;
                let filled = items.iter().enumerate().map(|(at, item)| {
                    if item == missing { of_column(values, at % columns) } else { *item }
                });
                Data::I64(filled.collect())
            }
            (Self::Floats { missing, values }, Data::F32(items)) => {
                check_columns(values.len(), columns)?;
                let filled = items.iter().enumerate().map(|(at, item)| {
                    let is_missing = item == missing || (missing.is_nan() && item.is_nan());
                    if is_missing { of_column(values, at % columns) } else { *item }
                });
                Data::F32(filled.collect())
            }
            (_, other) => return failed(format!("it does not fill gaps in {}", type_name(other))),
        };
        Ok(vec![tensor(input.shape().to_vec(), data)?])
    }
}

#[derive(Debug)]
struct Binarizer {
    threshold: f32,
}

pub(super) fn binarizer(node: Node<'_>) -> Result<Box<dyn Kernel>, ReadError> {
    Ok(Box::new(Binarizer { threshold: node.float_or("threshold", 0.0) }))
}

impl Kernel for Binarizer {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let input = inputs.get(0)?;
        let items = floats(input)?;
        let cut = items.iter().map(|item| f32::from(u8::from(*item > self.threshold))).collect();
        Ok(vec![tensor(input.shape().to_vec(), Data::F32(cut))?])
    }
}

/// Puts the columns of all inputs side by side.
#[derive(Debug)]
struct FeatureVectorizer;

pub(super) fn feature_vectorizer(_: Node<'_>) -> Result<Box<dyn Kernel>, ReadError> {
    Ok(Box::new(FeatureVectorizer))
}

impl Kernel for FeatureVectorizer {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let mut parts = Vec::new();
        for input in inputs.all()? {
            let (rows, columns) = rows_and_columns(input.shape())?;
            parts.push((rows, columns, floats(input)?));
        }
        let rows = parts.first().map_or(0, |(rows, ..)| *rows);
        if parts.iter().any(|(other, ..)| *other != rows) {
            return failed("its inputs have not the same number of rows");
        }
        let width = parts.iter().fold(0_usize, |sum, (_, columns, _)| sum.saturating_add(*columns));
        let mut all = Vec::with_capacity(elements(&[rows, width])?);
        for row in 0..rows {
            for (_, columns, items) in &parts {
                all.extend_from_slice(&items[row * columns..(row + 1) * columns]);
            }
        }
        Ok(vec![tensor(vec![rows, width], Data::F32(all))?])
    }
}

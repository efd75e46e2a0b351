//! Linear models.

use crate::{
    error::{ReadError, RunError},
    tensor::{Data, Tensor},
};

use super::{
    super::{
        array::{elements, failed, floats, rows_and_columns, tensor},
        node::{Inputs, Kernel, Node},
    },
    labels::{Labels, largest},
    post_transform::{PostTransform, Second},
};

/// One row of coefficients for each score.
#[derive(Debug)]
struct Linear {
    coefficients: Vec<f32>,
    /// As many as there are scores.
    intercepts: Vec<f32>,
}

impl Linear {
    fn of(node: Node<'_>, scores: Option<usize>) -> Result<Self, ReadError> {
        let coefficients = node.floats("coefficients").to_vec();
        let mut intercepts = node.floats("intercepts").to_vec();
        let scores = scores.unwrap_or(intercepts.len());
        if intercepts.is_empty() {
            // The coefficients bound the number of scores before anything is as large as it.
            intercepts = vec![0.0; scores.min(coefficients.len())];
        }
        if intercepts.len() != scores || scores == 0 || !coefficients.len().is_multiple_of(scores) {
            return Err(node.corrupt("has coefficients that do not fit its scores"));
        }
        Ok(Self { coefficients, intercepts })
    }

    /// Returns the number of rows and, row by row, the scores.
    fn scores(&self, input: &Tensor) -> Result<(usize, Vec<f32>), RunError> {
        let (rows, columns) = rows_and_columns(input.shape())?;
        let count = self.intercepts.len();
        if columns * count != self.coefficients.len() {
            let wanted = self.coefficients.len() / count;
            return failed(format!("it takes {wanted} features, not {columns}"));
        }
        let items = floats(input)?;
        let mut scores = Vec::with_capacity(elements(&[rows, count])?);
        for row in 0..rows {
            let row = &items[row * columns..(row + 1) * columns];
            for (at, intercept) in self.intercepts.iter().enumerate() {
                let factors = &self.coefficients[at * columns..(at + 1) * columns];
                let products = row.iter().zip(factors).map(|(a, b)| f64::from(*a) * f64::from(*b));
                // In float64, so that the order of summing does not show.
                scores.push((products.sum::<f64>() + f64::from(*intercept)) as f32);
            }
        }
        Ok((rows, scores))
    }
}

#[derive(Debug)]
struct Regressor {
    linear: Linear,
    post_transform: PostTransform,
}

pub(super) fn regressor(node: Node<'_>) -> Result<Box<dyn Kernel>, ReadError> {
    let targets = usize::try_from(node.int_or("targets", 1)).unwrap_or(0);
    let linear = Linear::of(node, Some(targets))?;
    Ok(Box::new(Regressor { linear, post_transform: PostTransform::of(node)? }))
}

impl Kernel for Regressor {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let (rows, mut scores) = self.linear.scores(inputs.get(0)?)?;
        let targets = self.linear.intercepts.len();
        for row in scores.chunks_exact_mut(targets) {
            if targets > 1 || self.post_transform == PostTransform::Probit {
                self.post_transform.apply(row);
            }
        }
        Ok(vec![tensor(vec![rows, targets], Data::F32(scores))?])
    }
}

#[derive(Debug)]
struct Classifier {
    linear: Linear,
    labels: Labels,
    post_transform: PostTransform,
}

pub(super) fn classifier(node: Node<'_>) -> Result<Box<dyn Kernel>, ReadError> {
    let labels = Labels::of(node, "classlabels_ints")?;
    let without = node.floats("intercepts").is_empty();
    let linear = Linear::of(node, without.then_some(labels.len()))?;
    let scores = linear.intercepts.len();
    // Two classes can share one score.
    if scores != labels.len() && (scores, labels.len()) != (1, 2) {
        return Err(node.corrupt(format!("has {scores} scores and {} labels", labels.len())));
    }
    Ok(Box::new(Classifier { linear, labels, post_transform: PostTransform::of(node)? }))
}

impl Kernel for Classifier {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let (rows, mut scores) = self.linear.scores(inputs.get(0)?)?;
        let classes = self.labels.len();
        let mut chosen = Vec::with_capacity(rows);
        if self.linear.intercepts.len() < classes {
            chosen.extend(scores.iter().map(|score| usize::from(*score > 0.0)));
            let pairs = scores.iter();
            let pairs = pairs.flat_map(|score| self.post_transform.two(*score, Second::Complement));
            scores = pairs.collect();
        } else {
            for row in scores.chunks_exact_mut(classes) {
                chosen.push(largest(row));
                self.post_transform.apply(row);
            }
        }
        let labels = tensor(vec![rows], self.labels.pick(&chosen))?;
        Ok(vec![labels, tensor(vec![rows, classes], Data::F32(scores))?])
    }
}

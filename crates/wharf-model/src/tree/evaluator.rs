//! From rows to scores, probabilities and classes.

use super::{
    forest::Forest,
    link::{Link, arg_max},
    number::Number,
};

/// A model that has been read.
#[derive(Debug)]
pub(super) struct Evaluator<T> {
    pub(super) features: usize,
    /// The scores that the sums begin with, one for each group.
    pub(super) start: Vec<T>,
    pub(super) body: Body<T>,
    /// Divides the sums, though not the raw scores: the number of rounds of a random forest.
    pub(super) divisor: Option<T>,
    pub(super) link: Link,
    /// How scores become probabilities; classifiers only.
    pub(super) probability: Option<Link>,
}

/// What the scores are made of.
#[derive(Debug)]
pub(super) enum Body<T> {
    Trees(Forest<T>),
    /// A factor for each feature and group, then a constant for each group.
    Linear(Vec<T>),
}

impl<T: Number> Evaluator<T> {
    /// Returns how many scores a row has.
    pub(super) fn groups(&self) -> usize {
        self.start.len()
    }

    /// Returns the raw scores, row by row.
    pub(super) fn scores(&self, rows: &[f64]) -> Vec<T> {
        let mut scores = self.start.repeat(rows.len() / self.features);
        // A block of rows stays in the processor's cache while all trees are asked.
        let block = (16_384 / self.features).clamp(8, 256);
        let mut inputs = Vec::with_capacity(rows.len().min(block * self.features));
        let blocks = rows.chunks(block * self.features);
        for (rows, scores) in blocks.zip(scores.chunks_mut(block * self.groups())) {
            inputs.clear();
            inputs.extend(rows.iter().map(|value| T::from_input(*value)));
            match &self.body {
                Body::Trees(forest) => forest.add_to(&inputs, scores),
                Body::Linear(weights) => self.add_linear(weights, &inputs, scores),
            }
        }
        scores
    }

    /// Returns what the library's own `predict` gives, row by row.
    pub(super) fn predict(&self, rows: &[f64]) -> Vec<T> {
        self.link.apply(self.divided_scores(rows), self.groups())
    }

    /// Returns a row of probabilities for each row, one for each class.
    pub(super) fn probabilities(&self, rows: &[f64]) -> Option<Vec<T>> {
        let probabilities = self.probability?.apply(self.divided_scores(rows), self.groups());
        Some(match self.groups() {
            1 => probabilities.into_iter().flat_map(|p| [p.one_minus(), p]).collect(),
            _ => probabilities,
        })
    }

    /// Returns the number of each row's class.
    pub(super) fn class_indices(&self, rows: &[f64]) -> Option<Vec<usize>> {
        let probability = self.probability?;
        // Rounding can make two probabilities equal; a library that answers with classes compares scores.
        let link = if self.link == Link::ArgMax { Link::Identity } else { probability };
        let values = link.apply(self.divided_scores(rows), self.groups());
        Some(match self.groups() {
            1 => values.into_iter().map(|p| usize::from(p.is_above_half())).collect(),
            groups => values.chunks_exact(groups).map(arg_max).collect(),
        })
    }

    fn divided_scores(&self, rows: &[f64]) -> Vec<T> {
        let mut scores = self.scores(rows);
        if let Some(divisor) = self.divisor {
            for score in &mut scores {
                *score /= divisor;
            }
        }
        scores
    }

    fn add_linear(&self, weights: &[T], rows: &[T], scores: &mut [T]) {
        let groups = self.groups();
        let (factors, constants) = weights.split_at(self.features * groups);
        let rows = rows.chunks_exact(self.features);
        for (row, scores) in rows.zip(scores.chunks_exact_mut(groups)) {
            for (group, (score, constant)) in scores.iter_mut().zip(constants).enumerate() {
                *score += *constant;
                let factors = factors[group..].iter().step_by(groups);
                for (value, factor) in row.iter().zip(factors) {
                    if !value.is_nan() {
                        *score += *value * *factor;
                    }
                }
            }
        }
    }
}

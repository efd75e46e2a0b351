//! The labels of a classifier.

use crate::{error::ReadError, tensor::Data};

use super::super::node::Node;

/// Labels in the order of the columns of scores.
#[derive(Debug, Clone)]
pub(super) enum Labels {
    Ints(Vec<i64>),
    Texts(Vec<String>),
}

impl Labels {
    /// Reads the labels of a classifier; the integers stand under another name in each.
    pub(super) fn of(node: Node<'_>, ints: &str) -> Result<Self, ReadError> {
        let texts = node.texts("classlabels_strings")?;
        let labels = if texts.is_empty() {
            Self::Ints(node.ints(ints).to_vec())
        } else {
            Self::Texts(texts)
        };
        if labels.len() == 0 {
            return Err(node.corrupt("has no labels"));
        }
        Ok(labels)
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Ints(labels) => labels.len(),
            Self::Texts(labels) => labels.len(),
        }
    }

    /// Returns the label of each chosen column.
    pub(super) fn pick(&self, columns: &[usize]) -> Data {
        match self {
            Self::Ints(labels) => Data::I64(columns.iter().map(|at| labels[*at]).collect()),
            Self::Texts(labels) => {
                Data::Str(columns.iter().map(|at| labels[*at].clone()).collect())
            }
        }
    }
}

/// Returns the column of the largest score, of equal ones the first.
pub(super) fn largest(scores: &[f32]) -> usize {
    let mut best = 0;
    for (at, score) in scores.iter().enumerate().skip(1) {
        if *score > scores[best] {
            best = at;
        }
    }
    best
}

//! The trees of a LightGBM file → a forest.

use std::str::FromStr;

use super::{
    super::{
        forest::{Described, Forest, Leaves, Rule, Split},
        number::Number,
        parse_number,
    },
    text::TreeText,
};
use crate::error::ReadError;

/// Bits of `decision_type`.
const BY_CATEGORY: u8 = 1;
const DEFAULT_LEFT: u8 = 2;
/// What counts as missing, above these two bits: nothing, zero, or NaN.
const MISSING_SHIFT: u8 = 2;

/// The arrays of a tree's inner nodes.
struct Inner {
    split_feature: Vec<u32>,
    threshold: Vec<f64>,
    decision_type: Vec<u8>,
    left_child: Vec<i32>,
    right_child: Vec<i32>,
    /// The set of each categorical node, by the index that its threshold is.
    sets: Vec<u32>,
}

/// Adds a tree that belongs to one group.
pub(super) fn add_tree(
    forest: &mut Forest<f64>,
    tree: &TreeText<'_>,
    group: usize,
    features: usize,
) -> Result<(), ReadError> {
    let leaf_count: usize = parse_number(tree.num_leaves, "num_leaves")?;
    let leaf_values: Vec<f64> = numbers("leaf_value", tree.leaf_value, leaf_count)?;
    let inner_count =
        leaf_count.checked_sub(1).ok_or_else(|| ReadError::corrupt("it has no leaf"))?;
    let inner = Inner {
        split_feature: numbers("split_feature", tree.split_feature, inner_count)?,
        threshold: numbers("threshold", tree.threshold, inner_count)?,
        decision_type: numbers("decision_type", tree.decision_type, inner_count)?,
        left_child: numbers("left_child", tree.left_child, inner_count)?,
        right_child: numbers("right_child", tree.right_child, inner_count)?,
        sets: add_sets(forest, tree)?,
    };
    let linear = match tree.is_linear.trim() {
        "1" => Some(add_linear(forest, tree, &leaf_values, features)?),
        _ => None,
    };
    let leaves = match linear {
        Some(_) => Leaves::Linear { group },
        None => Leaves::Values { group },
    };
    // Inner nodes first, then leaves.
    forest.add_tree(leaves, inner_count + leaf_count, |node| match node.checked_sub(inner_count) {
        Some(leaf) => Ok(Described::Leaf(match linear {
            Some(first) => f64::from_index(first + leaf as u32),
            None => leaf_values[leaf],
        })),
        None => inner.describe(node).map(Described::Split),
    })
}

impl Inner {
    fn describe(&self, node: usize) -> Result<Split<f64>, ReadError> {
        let (kind, threshold) = (self.decision_type[node], self.threshold[node]);
        let goes_left_by_default = kind & DEFAULT_LEFT != 0;
        let (rule, missing_left, zero_is_missing) = if kind & BY_CATEGORY != 0 {
            (Rule::Set(self.set(node, threshold)?), false, false)
        } else {
            let (missing_left, zero_is_missing) = match kind >> MISSING_SHIFT & 3 {
                // NaN is taken for zero.
                0 => (0.0 <= threshold, false),
                1 => (goes_left_by_default, true),
                2 => (goes_left_by_default, false),
                _ => {
                    return Err(ReadError::corrupt(format!(
                        "node {node} has decision type {kind}"
                    )));
                }
            };
            (Rule::Threshold(threshold), missing_left, zero_is_missing)
        };
        let children = [self.place(self.left_child[node])?, self.place(self.right_child[node])?];
        let feature = self.split_feature[node] as usize;
        Ok(Split { feature, rule, missing_left, zero_is_missing, children })
    }

    /// Turns a child into a number of the tree: below zero it is leaf −child − 1.
    fn place(&self, child: i32) -> Result<usize, ReadError> {
        let inner_count = self.threshold.len();
        let (kind, number, count) = match usize::try_from(child) {
            Ok(inner) => ("node", inner, inner_count),
            Err(_) => ("leaf", !child as usize, inner_count + 1),
        };
        if number >= count {
            return Err(ReadError::corrupt(format!(
                "a node points at {kind} {number}, but there are {count}"
            )));
        }
        Ok(if child < 0 { inner_count + number } else { number })
    }

    fn set(&self, node: usize, threshold: f64) -> Result<u32, ReadError> {
        let index = threshold as usize;
        let set = (index as f64 == threshold).then(|| self.sets.get(index)).flatten();
        set.copied().ok_or_else(|| {
            ReadError::corrupt(format!(
                "node {node} has categories {threshold}, which are not there"
            ))
        })
    }
}

/// Adds the sets of categories of a tree.
fn add_sets(forest: &mut Forest<f64>, tree: &TreeText<'_>) -> Result<Vec<u32>, ReadError> {
    let boundaries: Vec<u32> = list("cat_boundaries", tree.cat_boundaries)?;
    let words: Vec<u32> = list("cat_threshold", tree.cat_threshold)?;
    let sets = boundaries.array_windows().map(|[start, end]| {
        let field = words.get(*start as usize..*end as usize).ok_or_else(|| {
            ReadError::corrupt(format!("`cat_threshold` has no words {start} to {end}"))
        })?;
        Ok(forest.sets_mut().add_bits(field))
    });
    sets.collect()
}

/// Adds leaves that compute, and returns the number of the first.
fn add_linear(
    forest: &mut Forest<f64>,
    tree: &TreeText<'_>,
    leaf_values: &[f64],
    features: usize,
) -> Result<u32, ReadError> {
    let constants: Vec<f64> = numbers("leaf_const", tree.leaf_const, leaf_values.len())?;
    let counts: Vec<u32> = numbers("num_features", tree.num_features, leaf_values.len())?;
    let columns: Vec<u32> = list("leaf_features", tree.leaf_features)?;
    let factors: Vec<f64> = numbers("leaf_coeff", tree.leaf_coeff, columns.len())?;
    if let Some(column) = columns.iter().find(|column| **column as usize >= features) {
        return Err(ReadError::corrupt(format!(
            "a leaf uses feature {column}, but the model has {features}"
        )));
    }
    let mut terms = columns.into_iter().zip(factors);
    let mut first = None;
    for ((plain, constant), count) in leaf_values.iter().zip(constants).zip(counts) {
        let count = count as usize;
        if count > terms.len() {
            return Err(ReadError::corrupt("`leaf_features` has too few entries"));
        }
        let leaf = forest.add_linear(constant, *plain, terms.by_ref().take(count))?;
        first.get_or_insert(leaf);
    }
    first.ok_or_else(|| ReadError::corrupt("it has no leaf"))
}

fn list<T: FromStr>(key: &str, line: &str) -> Result<Vec<T>, ReadError> {
    line.split_ascii_whitespace().map(|item| parse_number(item, key)).collect()
}

fn numbers<T: FromStr>(key: &str, line: &str, count: usize) -> Result<Vec<T>, ReadError> {
    let numbers = list(key, line)?;
    if numbers.len() != count {
        return Err(ReadError::corrupt(format!(
            "`{key}` has {} entries instead of {count}",
            numbers.len()
        )));
    }
    Ok(numbers)
}

//! CatBoost's symmetric trees: all nodes of a level ask the same, so that a leaf's number is the row of answers.
//!
//! Each value becomes, once, the number of borders below it; a split then compares bytes, for a block of rows at a
//! time, which the compiler turns into vector instructions.

use std::ops::Range;

use super::{Borders, SymmetricTree};
use crate::error::ReadError;

/// CatBoost itself grows no deeper.
const MAX_DEPTH: usize = 16;

/// As many borders as a byte can count.
const PER_BYTE: usize = u8::MAX as usize;

/// How many rows are asked together: their bytes stay in the processor's cache.
const BLOCK: usize = 128;

#[derive(Debug)]
pub(super) struct Symmetric {
    dimensions: usize,
    counters: Vec<Counter>,
    splits: Vec<Split>,
    trees: Vec<Tree>,
    leaves: Vec<f64>,
}

/// Counts the borders below a value; a feature with many borders has several of these.
#[derive(Debug)]
struct Counter {
    column: usize,
    borders: Vec<f32>,
    missing_is_high: bool,
}

/// Whether a counter counts more than so many.
#[derive(Debug)]
struct Split {
    counter: usize,
    more_than: u8,
}

#[derive(Debug)]
struct Tree {
    splits: Range<usize>,
    leaves: Range<usize>,
}

impl Symmetric {
    /// Lays out the trees.
    ///
    /// # Errors
    /// When a tree asks for what is not there, or has another number of leaves than its depth makes.
    pub(super) fn new(
        trees: Vec<SymmetricTree>,
        borders: &Borders,
        dimensions: usize,
    ) -> Result<Self, ReadError> {
        let mut new = Self {
            dimensions,
            counters: Vec::new(),
            splits: Vec::new(),
            trees: Vec::with_capacity(trees.len()),
            leaves: Vec::new(),
        };
        // The counter of each run of borders that some split asks for.
        let mut counters: Vec<Vec<Option<usize>>> = borders
            .features
            .iter()
            .map(|feature| vec![None; feature.borders.len().div_ceil(PER_BYTE)])
            .collect();
        for (index, tree) in trees.into_iter().enumerate() {
            let SymmetricTree { splits, leaves } = tree;
            let expected = (splits.len() <= MAX_DEPTH).then(|| (1 << splits.len()) * dimensions);
            if expected != Some(leaves.len()) {
                return Err(ReadError::corrupt(format!(
                    "tree {index} has depth {} and {} values in its leaves",
                    splits.len(),
                    leaves.len()
                )));
            }
            let first = new.splits.len();
            for split in splits {
                let (feature, border) = borders.find(split)?;
                let run = border / PER_BYTE;
                let counter = *counters[feature][run]
                    .get_or_insert_with(|| new.add_counter(borders, feature, run));
                let more_than = (border % PER_BYTE) as u8;
                new.splits.push(Split { counter, more_than });
            }
            let leaf = new.leaves.len();
            new.leaves.extend(leaves);
            let (splits, leaves) = (first..new.splits.len(), leaf..new.leaves.len());
            new.trees.push(Tree { splits, leaves });
        }
        Ok(new)
    }

    fn add_counter(&mut self, borders: &Borders, feature: usize, run: usize) -> usize {
        let feature = &borders.features[feature];
        let run = feature.borders.chunks(PER_BYTE).nth(run).expect("a run for each border");
        self.counters.push(Counter {
            column: feature.column,
            borders: run.to_vec(),
            missing_is_high: feature.missing_is_high,
        });
        self.counters.len() - 1
    }

    pub(super) fn len(&self) -> usize {
        self.trees.len()
    }

    /// Adds the leaves that rows of so many features arrive at to their scores, tree by tree.
    pub(super) fn add_to(&self, rows: &[f64], features: usize, scores: &mut [f64]) {
        let mut counts = Vec::with_capacity(self.counters.len() * BLOCK.min(scores.len()));
        let mut leaves = [0_u16; BLOCK];
        let blocks = rows.chunks(BLOCK * features);
        for (rows, scores) in blocks.zip(scores.chunks_mut(BLOCK * self.dimensions)) {
            let count = scores.len() / self.dimensions;
            let rows = &rows[..count * features];
            counts.clear();
            for counter in &self.counters {
                let column = rows[counter.column..].iter().step_by(features);
                counts.extend(column.map(|value| counter.count(*value as f32)));
            }
            for tree in &self.trees {
                self.find_leaves(tree, &counts, &mut leaves[..count]);
                self.add_leaves(tree, &leaves[..count], scores);
            }
        }
    }

    /// Finds the number of the leaf of each row: a bit for each split.
    fn find_leaves(&self, tree: &Tree, counts: &[u8], leaves: &mut [u16]) {
        leaves.fill(0);
        for (bit, split) in self.splits[tree.splits.clone()].iter().enumerate() {
            let counts = &counts[split.counter * leaves.len()..][..leaves.len()];
            for (leaf, count) in leaves.iter_mut().zip(counts) {
                *leaf |= u16::from(*count > split.more_than) << bit;
            }
        }
    }

    fn add_leaves(&self, tree: &Tree, leaves: &[u16], scores: &mut [f64]) {
        let values = &self.leaves[tree.leaves.clone()];
        if self.dimensions == 1 {
            for (score, leaf) in scores.iter_mut().zip(leaves) {
                *score += values[usize::from(*leaf)];
            }
            return;
        }
        for (scores, leaf) in scores.chunks_exact_mut(self.dimensions).zip(leaves) {
            let values = &values[usize::from(*leaf) * self.dimensions..];
            for (score, value) in scores.iter_mut().zip(values) {
                *score += *value;
            }
        }
    }
}

impl Counter {
    #[inline]
    fn count(&self, value: f32) -> u8 {
        if value.is_nan() {
            return if self.missing_is_high { self.borders.len() as u8 } else { 0 };
        }
        self.borders.partition_point(|border| value > *border) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Feature, *};

    #[test]
    fn more_borders_than_a_byte_counts_are_told_apart() {
        let borders = Borders::new(vec![Feature {
            column: 1,
            name: String::new(),
            borders: (0..600_u16).map(f32::from).collect(),
            missing_is_high: false,
        }])
        .unwrap();
        for border in [0, 254, 255, 256, 509, 510, 599_u16] {
            let tree = SymmetricTree { splits: vec![border.into()], leaves: vec![1.0, 2.0] };
            let model = Symmetric::new(vec![tree], &borders, 1).unwrap();
            let on = f64::from(border);
            // Below, on and above the border; the first column does not matter.
            let rows = [on, on - 0.5, -1.0, on, 9e9, on + 0.5, 9e9, f64::NAN];
            let mut scores = [0.0; 4];
            model.add_to(&rows, 2, &mut scores);
            assert_eq!(scores, [1.0, 1.0, 2.0, 1.0], "{border}");
        }
    }
}

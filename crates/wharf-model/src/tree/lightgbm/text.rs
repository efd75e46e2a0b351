//! The lines of a LightGBM file, by key. Lines that do not matter for answers are skipped.

use crate::error::ReadError;

/// The parts of a file.
pub(super) struct Sections<'a> {
    pub(super) head: Head<'a>,
    /// The lines of all trees.
    trees: &'a str,
    /// What follows `end of trees`.
    pub(super) rest: &'a str,
}

#[derive(Default)]
pub(super) struct Head<'a> {
    pub(super) version: &'a str,
    pub(super) trees_per_round: Option<&'a str>,
    pub(super) max_feature_idx: Option<&'a str>,
    pub(super) objective: Option<&'a str>,
    pub(super) feature_names: &'a str,
    pub(super) feature_infos: &'a str,
    pub(super) average_output: bool,
}

/// A tree's lines; empty where a line is missing.
#[derive(Default)]
pub(super) struct TreeText<'a> {
    pub(super) num_leaves: &'a str,
    pub(super) split_feature: &'a str,
    pub(super) threshold: &'a str,
    pub(super) decision_type: &'a str,
    pub(super) left_child: &'a str,
    pub(super) right_child: &'a str,
    pub(super) leaf_value: &'a str,
    pub(super) cat_boundaries: &'a str,
    pub(super) cat_threshold: &'a str,
    pub(super) is_linear: &'a str,
    pub(super) leaf_const: &'a str,
    pub(super) num_features: &'a str,
    pub(super) leaf_features: &'a str,
    pub(super) leaf_coeff: &'a str,
}

impl<'a> Sections<'a> {
    /// Takes a file apart, without looking at the values.
    pub(super) fn of(text: &'a str) -> Result<Self, ReadError> {
        let (body, rest) = text.split_once("\nend of trees").ok_or_else(|| {
            ReadError::corrupt("there is no line `end of trees`: the file is cut off")
        })?;
        let (head, trees) = body.split_at(body.find(TREE).unwrap_or(body.len()));
        Ok(Self { head: Head::of(head), trees, rest })
    }

    /// Returns the trees in order, one at a time: a section can be as short as six bytes.
    pub(super) fn trees(&self) -> impl Iterator<Item = TreeText<'a>> {
        self.trees.split(TREE).skip(1).map(TreeText::of)
    }
}

/// Begins the section of a tree; its number follows.
const TREE: &str = "\nTree=";

impl<'a> Head<'a> {
    fn of(text: &'a str) -> Self {
        let mut head = Self::default();
        for line in text.lines() {
            match line.split_once('=') {
                Some((key, value)) => head.set(key, value),
                None => head.average_output |= line == "average_output",
            }
        }
        head
    }

    fn set(&mut self, key: &str, value: &'a str) {
        match key {
            "version" => self.version = value,
            "num_tree_per_iteration" => self.trees_per_round = Some(value),
            "max_feature_idx" => self.max_feature_idx = Some(value),
            "objective" => self.objective = Some(value),
            "feature_names" => self.feature_names = value,
            "feature_infos" => self.feature_infos = value,
            _ => {}
        }
    }
}

impl<'a> TreeText<'a> {
    fn of(text: &'a str) -> Self {
        let mut tree = Self::default();
        for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
            tree.set(key, value);
        }
        tree
    }

    fn set(&mut self, key: &str, value: &'a str) {
        let line = match key {
            "num_leaves" => &mut self.num_leaves,
            "split_feature" => &mut self.split_feature,
            "threshold" => &mut self.threshold,
            "decision_type" => &mut self.decision_type,
            "left_child" => &mut self.left_child,
            "right_child" => &mut self.right_child,
            "leaf_value" => &mut self.leaf_value,
            "cat_boundaries" => &mut self.cat_boundaries,
            "cat_threshold" => &mut self.cat_threshold,
            "is_linear" => &mut self.is_linear,
            "leaf_const" => &mut self.leaf_const,
            "num_features" => &mut self.num_features,
            "leaf_features" => &mut self.leaf_features,
            "leaf_coeff" => &mut self.leaf_coeff,
            _ => return,
        };
        *line = value;
    }
}

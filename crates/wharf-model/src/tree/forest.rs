//! Trees laid out for speed, and the walk through them.
//!
//! The children of a node lie side by side, so a node names one place and a step is an addition. A leaf points at
//! itself, so that eight rows can walk in step without a branch: one that has arrived stays where it is. Building
//! visits every node once and puts children behind their parent; a walk therefore ends.

use std::array;

use super::{category::CategorySets, number::Number};
use crate::error::ReadError;

/// More columns than this are refused; a request would need a value for each of them.
pub(super) const MAX_FEATURES: usize = 1 << 20;

/// How many rows walk through a tree in step.
const LANES: usize = 8;

/// Trees whose leaves add up to the scores.
#[derive(Debug)]
pub(super) struct Forest<T> {
    features: usize,
    groups: usize,
    trees: Vec<Tree>,
    nodes: Vec<Node<T>>,
    sets: CategorySets,
    /// [`Leaves::Vectors`]: one row of `groups` values for each leaf.
    vectors: Vec<T>,
    /// [`Leaves::Linear`]: one for each leaf.
    linear: Vec<LinearLeaf<T>>,
    terms: Vec<(u32, T)>,
}

/// What a reader says about a node.
#[derive(Debug, Clone, Copy)]
pub(super) enum Described<T> {
    Leaf(T),
    Split(Split<T>),
}

/// A node with two children.
#[derive(Debug, Clone, Copy)]
pub(super) struct Split<T> {
    pub(super) feature: usize,
    pub(super) rule: Rule<T>,
    /// Where a missing value goes.
    pub(super) missing_left: bool,
    pub(super) zero_is_missing: bool,
    /// Left, right.
    pub(super) children: [usize; 2],
}

/// How a node tells left from right.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rule<T> {
    Threshold(T),
    /// A set of [`Forest::sets_mut`].
    Set(u32),
}

/// What stands in the leaves of a tree.
#[derive(Debug, Clone, Copy)]
pub(super) enum Leaves {
    /// A value for one group.
    Values { group: usize },
    /// A value for each group; the leaf holds its number ([`Number::from_index`]) in [`Forest::add_vectors`].
    Vectors,
    /// A linear function for one group; the leaf holds the number of [`Forest::add_linear`].
    Linear { group: usize },
}

/// A leaf that computes: `constant` and each feature times its factor.
#[derive(Debug)]
struct LinearLeaf<T> {
    constant: T,
    /// The answer when one of the features is missing.
    plain: T,
    /// Part of [`Forest::terms`].
    terms: (u32, u32),
}

#[derive(Debug)]
struct Tree {
    root: u32,
    depth: u32,
    leaves: Leaves,
    /// No node asks for a category.
    is_numeric: bool,
}

#[derive(Debug)]
struct Node<T> {
    /// An inner node's threshold or set; a leaf's value or number.
    threshold: T,
    /// The left child; the right one is next to it. A leaf: itself.
    left: u32,
    /// The feature, above [`FLAGS`] bits of flags.
    meta: u32,
}

const INNER: u32 = 1;
const MISSING_LEFT: u32 = 2;
const ZERO_IS_MISSING: u32 = 4;
const CATEGORICAL: u32 = 8;
/// Bits of flags below the feature's number, which is less than [`MAX_FEATURES`].
const FLAGS: u32 = 8;

impl<T: Number> Forest<T> {
    pub(super) fn new(features: usize, groups: usize) -> Self {
        Self {
            features,
            groups,
            trees: Vec::new(),
            nodes: Vec::new(),
            sets: CategorySets::default(),
            vectors: Vec::new(),
            linear: Vec::new(),
            terms: Vec::new(),
        }
    }

    /// Returns the number of trees.
    pub(super) fn len(&self) -> usize {
        self.trees.len()
    }

    pub(super) fn sets_mut(&mut self) -> &mut CategorySets {
        &mut self.sets
    }

    /// Adds the values of a tree's vector leaves, and returns the number of the first leaf.
    pub(super) fn add_vectors(&mut self, values: impl Iterator<Item = T>) -> usize {
        let first = self.vectors.len() / self.groups;
        self.vectors.extend(values);
        first
    }

    /// Adds a leaf that computes, and returns its number.
    pub(super) fn add_linear(
        &mut self,
        constant: T,
        plain: T,
        terms: impl Iterator<Item = (u32, T)>,
    ) -> Result<u32, ReadError> {
        let start = place(self.terms.len())?;
        self.terms.extend(terms);
        let end = place(self.terms.len())?;
        self.linear.push(LinearLeaf { constant, plain, terms: (start, end) });
        place(self.linear.len() - 1)
    }

    /// Adds a tree of `count` nodes, of which number 0 is the root.
    ///
    /// # Errors
    /// When a node points outside of the tree, or is reached twice, or asks for a feature that is not there.
    pub(super) fn add_tree(
        &mut self,
        leaves: Leaves,
        count: usize,
        describe: impl Fn(usize) -> Result<Described<T>, ReadError>,
    ) -> Result<(), ReadError> {
        if count == 0 {
            return Err(ReadError::corrupt("it has no nodes"));
        }
        let root = self.nodes.len();
        // The node of the file at each place, in the order of the places: level by level.
        let mut order = Vec::with_capacity(count);
        order.push(0);
        let mut reached = vec![false; count];
        let (mut at, mut depth, mut level_end, mut is_numeric) = (0, 0, 1, true);
        while let Some(&source) = order.get(at) {
            if at == level_end {
                depth += 1;
                level_end = order.len();
            }
            let source = source as usize;
            let node = match describe(source)? {
                Described::Leaf(value) => Node::leaf(value, place(root + at)?),
                Described::Split(split) => {
                    let left = place(root + order.len())?;
                    for child in split.children {
                        visit(&mut reached, source, child)?;
                        order.push(place(child)?);
                    }
                    is_numeric &= matches!(split.rule, Rule::Threshold(_));
                    self.inner(&split, left, source)?
                }
            };
            self.nodes.push(node);
            at += 1;
        }
        self.trees.push(Tree { root: place(root)?, depth, leaves, is_numeric });
        Ok(())
    }

    fn inner(&self, split: &Split<T>, left: u32, source: usize) -> Result<Node<T>, ReadError> {
        if split.feature >= self.features {
            return Err(ReadError::corrupt(format!(
                "node {source} asks for feature {}, but the model has {}",
                split.feature, self.features
            )));
        }
        let (threshold, kind) = match split.rule {
            Rule::Threshold(threshold) => (threshold, 0),
            Rule::Set(set) => (T::from_index(set), CATEGORICAL),
        };
        let flag = |is_set: bool, flag: u32| if is_set { flag } else { 0 };
        let flags = INNER
            | kind
            | flag(split.missing_left, MISSING_LEFT)
            | flag(split.zero_is_missing, ZERO_IS_MISSING);
        Ok(Node { threshold, left, meta: place(split.feature)? << FLAGS | flags })
    }

    /// Adds the leaves that rows arrive at to their scores, tree by tree in the order of the file.
    pub(super) fn add_to(&self, rows: &[T], scores: &mut [T]) {
        let (eight_rows, eight_scores) = (LANES * self.features, LANES * self.groups);
        let lanes = rows.len() / eight_rows;
        let (stepped, single) = rows.split_at(lanes * eight_rows);
        let (stepped_scores, single_scores) = scores.split_at_mut(lanes * eight_scores);
        for tree in &self.trees {
            if tree.is_numeric {
                let blocks = stepped.chunks_exact(eight_rows);
                for (rows, scores) in blocks.zip(stepped_scores.chunks_exact_mut(eight_scores)) {
                    self.add_eight(tree, rows, scores);
                }
            } else {
                self.add_each(tree, stepped, stepped_scores);
            }
            self.add_each(tree, single, single_scores);
        }
    }

    fn add_each(&self, tree: &Tree, rows: &[T], scores: &mut [T]) {
        let rows = rows.chunks_exact(self.features);
        for (row, scores) in rows.zip(scores.chunks_exact_mut(self.groups)) {
            self.add_leaf(tree, self.walk(tree, row), row, scores);
        }
    }

    fn add_eight(&self, tree: &Tree, rows: &[T], scores: &mut [T]) {
        let rows: [&[T]; LANES] =
            array::from_fn(|lane| &rows[lane * self.features..(lane + 1) * self.features]);
        let places = self.walk_eight(tree, rows);
        let scores = scores.chunks_exact_mut(self.groups);
        for ((place, row), scores) in places.into_iter().zip(rows).zip(scores) {
            self.add_leaf(tree, place, row, scores);
        }
    }

    /// Returns the place of the leaf that a row arrives at.
    fn walk(&self, tree: &Tree, row: &[T]) -> u32 {
        let mut place = tree.root;
        loop {
            let node = &self.nodes[place as usize];
            if !node.has(INNER) {
                return place;
            }
            let value = row[node.feature()];
            let left = if node.has(CATEGORICAL) {
                self.category_goes_left(node, value)
            } else {
                node.goes_left(value)
            };
            place = node.left + u32::from(!left);
        }
    }

    /// The same for eight rows in step, for a tree without categories.
    fn walk_eight(&self, tree: &Tree, rows: [&[T]; LANES]) -> [u32; LANES] {
        let mut places = [tree.root; LANES];
        for _ in 0..tree.depth {
            let mut walking = 0;
            for (place, row) in places.iter_mut().zip(rows) {
                let node = &self.nodes[*place as usize];
                let right = node.has(INNER) & !node.goes_left(row[node.feature()]);
                *place = node.left + u32::from(right);
                walking |= node.meta & INNER;
            }
            if walking == 0 {
                break;
            }
        }
        places
    }

    fn category_goes_left(&self, node: &Node<T>, value: T) -> bool {
        if value.is_nan() {
            return node.has(MISSING_LEFT);
        }
        let is_held = value
            .category()
            .is_some_and(|category| self.sets.contains(node.threshold.index(), category));
        is_held == T::SET_GOES_LEFT
    }

    fn add_leaf(&self, tree: &Tree, place: u32, row: &[T], scores: &mut [T]) {
        let value = self.nodes[place as usize].threshold;
        match tree.leaves {
            Leaves::Values { group } => scores[group] += value,
            Leaves::Vectors => {
                let start = value.index() as usize * self.groups;
                for (score, value) in scores.iter_mut().zip(&self.vectors[start..]) {
                    *score += *value;
                }
            }
            Leaves::Linear { group } => {
                scores[group] += self.linear_value(&self.linear[value.index() as usize], row);
            }
        }
    }

    fn linear_value(&self, leaf: &LinearLeaf<T>, row: &[T]) -> T {
        let (start, end) = leaf.terms;
        let mut value = leaf.constant;
        for (feature, factor) in &self.terms[start as usize..end as usize] {
            let input = row[*feature as usize];
            if input.is_nan() {
                return leaf.plain;
            }
            value += input * *factor;
        }
        value
    }
}

impl<T: Number> Node<T> {
    fn leaf(value: T, place: u32) -> Self {
        Self { threshold: value, left: place, meta: 0 }
    }

    #[inline]
    fn has(&self, flag: u32) -> bool {
        self.meta & flag != 0
    }

    #[inline]
    fn feature(&self) -> usize {
        (self.meta >> FLAGS) as usize
    }

    /// Compares with the threshold; `&` and `|` instead of `&&` and `||` keep branches out of the walk in step.
    #[inline]
    fn goes_left(&self, value: T) -> bool {
        let is_missing_zero =
            T::ZERO_MAY_BE_MISSING & ((self.has(ZERO_IS_MISSING)) & (value == T::default()));
        let is_missing = value.is_nan() | is_missing_zero;
        (is_missing & self.has(MISSING_LEFT)) | (!is_missing & value.is_left_of(self.threshold))
    }
}

/// Marks a node as reached from another one.
fn visit(reached: &mut [bool], from: usize, child: usize) -> Result<(), ReadError> {
    match reached.get_mut(child) {
        None => Err(ReadError::corrupt(format!(
            "node {from} points at node {child}, but there are {}",
            reached.len()
        ))),
        Some(true) => Err(ReadError::corrupt(format!("node {child} has two parents"))),
        // The root has none, so pointing at it closes a circle.
        Some(_) if child == 0 => {
            Err(ReadError::corrupt(format!("node {from} points back at the root")))
        }
        Some(reached) => {
            *reached = true;
            Ok(())
        }
    }
}

fn place(number: usize) -> Result<u32, ReadError> {
    u32::try_from(number).map_err(|_| ReadError::unsupported("the model has more than 2^32 nodes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(children: [usize; 2]) -> Described<f32> {
        split_on(0, children)
    }

    fn split_on(feature: usize, children: [usize; 2]) -> Described<f32> {
        Described::Split(Split {
            feature,
            rule: Rule::Threshold(0.5),
            missing_left: true,
            zero_is_missing: false,
            children,
        })
    }

    fn build(nodes: &[Described<f32>]) -> Result<Forest<f32>, ReadError> {
        let mut forest = Forest::new(2, 1);
        forest.add_tree(Leaves::Values { group: 0 }, nodes.len(), |node| Ok(nodes[node]))?;
        Ok(forest)
    }

    #[track_caller]
    fn check_corrupt(nodes: &[Described<f32>], expect: &str) {
        assert_eq!(build(nodes).unwrap_err(), ReadError::corrupt(expect));
    }

    #[test]
    fn a_node_that_points_at_itself_is_refused() {
        check_corrupt(&[split([0, 1]), Described::Leaf(1.0)], "node 0 points back at the root");
        check_corrupt(
            &[split([1, 2]), split([1, 2]), Described::Leaf(1.0)],
            "node 1 has two parents",
        );
    }

    #[test]
    fn a_circle_among_nodes_is_refused() {
        let nodes = [
            split([1, 2]),
            Described::Leaf(1.0),
            split([3, 4]),
            split([2, 5]),
            Described::Leaf(1.0),
        ];
        check_corrupt(&nodes, "node 2 has two parents");
    }

    #[test]
    fn a_child_outside_the_tree_is_refused() {
        check_corrupt(
            &[split([1, 9]), Described::Leaf(1.0)],
            "node 0 points at node 9, but there are 2",
        );
    }

    #[test]
    fn a_feature_that_is_not_there_is_refused() {
        check_corrupt(
            &[split_on(2, [1, 2]), Described::Leaf(1.0), Described::Leaf(2.0)],
            "node 0 asks for feature 2, but the model has 2",
        );
    }

    #[test]
    fn rows_in_step_arrive_where_single_rows_do() {
        // A chain: the right child goes on, so the leaves lie at different depths.
        let chain: Vec<_> = (0..9)
            .flat_map(|link| {
                [split_on(link % 2, [2 * link + 1, 2 * link + 2]), Described::Leaf(link as f32)]
            })
            .chain([Described::Leaf(9.0)])
            .enumerate()
            .map(|(node, described)| if node == 0 { split([1, 2]) } else { described })
            .collect();
        // Nodes 2, 4, 6 … continue the chain; the odd ones are leaves.
        let forest = build(&chain).unwrap();
        let rows: Vec<f32> =
            (0..32).map(|i| [0.0, 0.7, f32::NAN, 0.5][(i * 7 + i / 5) % 4]).collect();
        let mut together = vec![0.0; 16];
        forest.add_to(&rows, &mut together);
        let alone: Vec<f32> = rows
            .chunks(2)
            .map(|row| {
                let mut score = [0.0];
                forest.add_to(row, &mut score);
                score[0]
            })
            .collect();
        assert_eq!(together, alone);
    }
}

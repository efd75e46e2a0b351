//! The trees of an XGBoost file → a forest.

use super::{
    super::{
        forest::{Described, Forest, Leaves, Rule, Split},
        in_tree,
        number::Number,
        parse_number,
    },
    file::{Model, TreeArrays},
};
use crate::error::ReadError;

/// Lays out the trees of the first `rounds`, or of all.
pub(super) fn forest(
    model: &Model,
    weights: Option<&[f32]>,
    features: usize,
    groups: usize,
    rounds: Option<usize>,
) -> Result<Forest<f32>, ReadError> {
    let trees = model.trees.len();
    check_length("tree_info", model.tree_info.len(), trees)?;
    if let Some(weights) = weights {
        check_length("weight_drop", weights.len(), trees)?;
    }
    let used = match rounds {
        Some(rounds) => trees_of(model, rounds, groups)?,
        None => trees,
    };
    let mut forest = Forest::new(features, groups);
    for (index, (tree, group)) in model.trees.iter().zip(&model.tree_info).take(used).enumerate() {
        let weight = weights.map_or(1.0, |weights| weights[index]);
        add_tree(&mut forest, tree, *group as usize, groups, weight).map_err(in_tree(index))?;
    }
    Ok(forest)
}

/// Returns how many trees the first rounds have.
fn trees_of(model: &Model, rounds: usize, groups: usize) -> Result<usize, ReadError> {
    let parallel = match &model.gbtree_model_param.num_parallel_tree {
        Some(text) => parse_number(text, "num_parallel_tree")?,
        None => 1,
    };
    let trees = match model.iteration_indptr.as_slice() {
        [] => rounds.checked_mul(groups).and_then(|trees| trees.checked_mul(parallel)),
        starts => starts.get(rounds).map(|start| *start as usize),
    };
    trees.filter(|trees| *trees <= model.trees.len()).ok_or_else(|| {
        ReadError::corrupt(format!("the best iteration is {}, which is not there", rounds - 1))
    })
}

fn add_tree(
    forest: &mut Forest<f32>,
    tree: &TreeArrays,
    group: usize,
    groups: usize,
    weight: f32,
) -> Result<(), ReadError> {
    let count = tree.left_children.len();
    check_length("right_children", tree.right_children.len(), count)?;
    check_length("split_indices", tree.split_indices.len(), count)?;
    check_length("split_conditions", tree.split_conditions.len(), count)?;
    check_length("default_left", tree.default_left.len(), count)?;
    if !tree.split_type.is_empty() {
        check_length("split_type", tree.split_type.len(), count)?;
    }
    if group >= groups {
        return Err(ReadError::corrupt(format!("it belongs to output {group} of {groups}")));
    }
    let sets = add_sets(forest, tree)?;
    let vectors = VectorLeaves::add(forest, tree, groups, weight)?;
    let leaves = match vectors {
        Some(_) => Leaves::Vectors,
        None => Leaves::Values { group },
    };
    forest.add_tree(leaves, count, |node| {
        if tree.left_children[node] == -1 {
            return match &vectors {
                Some(vectors) => vectors.leaf(tree, node),
                None => Ok(Described::Leaf(tree.split_conditions[node] * weight)),
            };
        }
        Ok(Described::Split(Split {
            feature: tree.split_indices[node] as usize,
            rule: rule(tree, &sets, node)?,
            missing_left: tree.default_left[node].0,
            zero_is_missing: false,
            children: [child(tree.left_children[node])?, child(tree.right_children[node])?],
        }))
    })
}

fn rule(tree: &TreeArrays, sets: &[(usize, u32)], node: usize) -> Result<Rule<f32>, ReadError> {
    if tree.split_type.get(node) != Some(&1) {
        return Ok(Rule::Threshold(tree.split_conditions[node]));
    }
    match sets.binary_search_by_key(&node, |(node, _)| *node) {
        Ok(at) => Ok(Rule::Set(sets[at].1)),
        Err(_) => Err(ReadError::corrupt(format!("node {node} has no categories"))),
    }
}

/// Adds the categories of a tree's nodes, and returns each node with its set, sorted.
fn add_sets(forest: &mut Forest<f32>, tree: &TreeArrays) -> Result<Vec<(usize, u32)>, ReadError> {
    let nodes = &tree.categories_nodes;
    check_length("categories_segments", tree.categories_segments.len(), nodes.len())?;
    check_length("categories_sizes", tree.categories_sizes.len(), nodes.len())?;
    let mut sets = Vec::with_capacity(nodes.len());
    // The segments follow each other, so that no category is read twice and the sets stay as small as the file.
    let mut end = 0;
    let segments = tree.categories_segments.iter().zip(&tree.categories_sizes);
    for (node, (start, size)) in nodes.iter().zip(segments) {
        let (start, size) = (*start as usize, *size as usize);
        let categories = (start >= end).then(|| tree.categories.get(start..start + size)).flatten();
        let categories = categories.ok_or_else(|| {
            ReadError::corrupt(format!("the categories of node {node} are not there"))
        })?;
        end = start + size;
        sets.push((*node as usize, forest.sets_mut().add_categories(categories)));
    }
    sets.sort_unstable();
    Ok(sets)
}

/// Where the values of leaves with several values lie.
struct VectorLeaves {
    first: usize,
    count: usize,
    /// Newer files number the leaves; older ones have values for every node.
    numbered: bool,
}

impl VectorLeaves {
    fn add(
        forest: &mut Forest<f32>,
        tree: &TreeArrays,
        groups: usize,
        weight: f32,
    ) -> Result<Option<Self>, ReadError> {
        let size = match &tree.tree_param.size_leaf_vector {
            Some(text) => parse_number(text, "size_leaf_vector")?,
            None => 0_usize,
        };
        if size <= 1 {
            return Ok(None);
        }
        let values = tree.leaf_weights();
        if size != groups || !values.len().is_multiple_of(groups) {
            return Err(ReadError::corrupt(format!(
                "its leaves have {size} of {groups} values, and there are {} in all",
                values.len()
            )));
        }
        let first = forest.add_vectors(values.iter().map(|value| value * weight));
        let count = values.len() / groups;
        Ok(Some(Self { first, count, numbered: tree.leaf_weights.is_some() }))
    }

    fn leaf(&self, tree: &TreeArrays, node: usize) -> Result<Described<f32>, ReadError> {
        let number = if self.numbered { child(tree.right_children[node])? } else { node };
        let place =
            (number < self.count).then(|| u32::try_from(self.first + number).ok()).flatten();
        place.map(|place| Described::Leaf(f32::from_index(place))).ok_or_else(|| {
            ReadError::corrupt(format!(
                "node {node} is leaf {number}, but there are {}",
                self.count
            ))
        })
    }
}

fn child(node: i32) -> Result<usize, ReadError> {
    usize::try_from(node).map_err(|_| ReadError::corrupt(format!("a node has child {node}")))
}

fn check_length(key: &str, length: usize, expected: usize) -> Result<(), ReadError> {
    if length != expected {
        return Err(ReadError::corrupt(format!(
            "`{key}` has {length} entries instead of {expected}"
        )));
    }
    Ok(())
}

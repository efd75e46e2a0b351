//! `.cbm`: `CBM1`, the size of what follows, and a table of FlatBuffers. Further parts behind it belong to
//! categories.

use super::{
    Feature, Model, Node, SymmetricTree, Trees,
    flat::Table,
    not_numeric,
    said::{Said, Texts},
};
use crate::error::ReadError;

/// What a file begins with.
pub(super) const MAGIC: &[u8] = b"CBM1";

/// Slots of the outermost table.
mod core {
    pub(super) const VERSION: usize = 0;
    pub(super) const TREES: usize = 1;
    pub(super) const SAID: usize = 2;
    pub(super) const PARTS: usize = 3;
}

/// Slots of the table of trees.
mod trees {
    pub(super) const DIMENSIONS: usize = 0;
    pub(super) const SPLITS: usize = 1;
    pub(super) const SIZES: usize = 2;
    pub(super) const CATEGORICAL: usize = 4;
    pub(super) const FLOAT: usize = 5;
    pub(super) const LEAF_VALUES: usize = 8;
    pub(super) const STEPS: usize = 10;
    pub(super) const LEAF_OF_NODE: usize = 11;
    pub(super) const TEXT: usize = 12;
    pub(super) const SCALE: usize = 14;
    pub(super) const BIAS: usize = 15;
    pub(super) const BIASES: usize = 16;
    pub(super) const EMBEDDING: usize = 18;
}

/// Slots of a feature.
mod feature {
    pub(super) const COLUMN: usize = 2;
    pub(super) const BORDERS: usize = 3;
    pub(super) const NAME: usize = 4;
    pub(super) const MISSING: usize = 5;
}

/// Reads a model.
pub(super) fn read(bytes: &[u8]) -> Result<Model, ReadError> {
    let root = Table::root(table(bytes)?)?;
    let version = root.text(core::VERSION)?;
    if version != "FlabuffersModel_v1" {
        return Err(ReadError::unsupported(format!(
            "the file's form is `{}`, which wharf does not know",
            super::super::clip(version)
        )));
    }
    let table = root.table(core::TREES)?;
    let table = table.ok_or_else(|| ReadError::corrupt("the file holds no trees"))?;
    for (slot, what) in [
        (trees::CATEGORICAL, "categorical"),
        (trees::TEXT, "text"),
        (trees::EMBEDDING, "embedding"),
    ] {
        if !table.vector::<4>(slot)?.is_empty() {
            return Err(not_numeric(what));
        }
    }
    if !root.vector::<4>(core::PARTS)?.is_empty() {
        return Err(not_numeric("computed"));
    }
    let dimensions = table.scalar(trees::DIMENSIONS)?.map_or(0, i32::from_le_bytes);
    let dimensions = usize::try_from(dimensions).unwrap_or(0);
    Ok(Model {
        dimensions,
        features: features(&table, bytes.len())?,
        trees: read_trees(&table, dimensions)?,
        scale: table.scalar(trees::SCALE)?.map_or(1.0, f64::from_le_bytes),
        bias: bias(&table)?,
        said: said(&root)?,
    })
}

/// Returns the bytes of the table of FlatBuffers.
fn table(bytes: &[u8]) -> Result<&[u8], ReadError> {
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| {
        ReadError::corrupt("the file begins neither with `CBM1` nor with a brace")
    })?;
    let table = rest.split_first_chunk().and_then(|(size, rest)| {
        let size = u32::from_le_bytes(*size) as usize;
        rest.get(..size)
    });
    table.ok_or_else(|| ReadError::corrupt("the file is shorter than it says: it is cut off"))
}

fn features(table: &Table<'_>, size: usize) -> Result<Vec<Feature>, ReadError> {
    let mut features = Vec::new();
    // Several features could point at the same borders, and be more than the file holds.
    let mut left = size;
    for feature in table.tables(trees::FLOAT)? {
        let feature = feature?;
        let column = feature.scalar(feature::COLUMN)?.map_or(0, i32::from_le_bytes);
        let column = usize::try_from(column)
            .map_err(|_| ReadError::corrupt(format!("a feature is column {column}")))?;
        let borders = feature.vector::<4>(feature::BORDERS)?;
        let name = feature.text(feature::NAME)?;
        left = left.checked_sub(4 * borders.len() + name.len()).ok_or_else(|| {
            ReadError::corrupt("the features have more borders than the file holds")
        })?;
        features.push(Feature {
            column,
            name: name.to_owned(),
            borders: borders.iter().map(|border| f32::from_le_bytes(*border)).collect(),
            missing_is_high: feature.scalar(feature::MISSING)? == Some([2]),
        });
    }
    Ok(features)
}

fn read_trees(table: &Table<'_>, dimensions: usize) -> Result<Trees, ReadError> {
    let splits = numbers(table.vector(trees::SPLITS)?);
    let sizes = numbers(table.vector(trees::SIZES)?);
    let leaves: Vec<f64> =
        table.vector(trees::LEAF_VALUES)?.iter().map(|value| f64::from_le_bytes(*value)).collect();
    let steps = table.vector::<4>(trees::STEPS)?;
    if steps.is_empty() {
        return symmetric(&splits, &sizes, &leaves, dimensions).map(Trees::Symmetric);
    }
    let leaf_of_node = numbers(table.vector(trees::LEAF_OF_NODE)?);
    if splits.len() != steps.len() || leaf_of_node.len() != steps.len() {
        return Err(ReadError::corrupt(format!(
            "there are {} nodes, {} splits and {} leaves for them",
            steps.len(),
            splits.len(),
            leaf_of_node.len()
        )));
    }
    let mut nodes = steps.iter().zip(splits.iter().zip(&leaf_of_node)).map(
        |(&[left, low, right, high], (split, leaf))| {
            let steps = [u16::from_le_bytes([left, low]), u16::from_le_bytes([right, high])];
            (steps, *split, *leaf as usize)
        },
    );
    let mut trees = Vec::with_capacity(sizes.len());
    for size in sizes {
        if size as usize > nodes.len() {
            return Err(cut_off(trees.len()));
        }
        trees.push(tree(nodes.by_ref().take(size as usize), size as usize));
    }
    Ok(Trees::Nodes { trees, leaves })
}

/// Takes a tree's nodes apart: a node without a child on one side is the leaf there itself.
fn tree(nodes: impl Iterator<Item = ([u16; 2], u32, usize)>, size: usize) -> Vec<Node> {
    let mut leaves = Vec::new();
    let mut all: Vec<Node> = nodes
        .enumerate()
        .map(|(node, (steps, border, leaf))| {
            if steps == [0, 0] {
                return Node::Leaf(leaf);
            }
            let children = steps.map(|step| {
                if step != 0 {
                    return node + usize::from(step);
                }
                leaves.push(Node::Leaf(leaf));
                size + leaves.len() - 1
            });
            Node::Split { border, children }
        })
        .collect();
    // A step beyond the tree ends at one of these, which then has two parents and is refused.
    all.append(&mut leaves);
    all
}

fn symmetric(
    splits: &[u32],
    sizes: &[u32],
    leaves: &[f64],
    dimensions: usize,
) -> Result<Vec<SymmetricTree>, ReadError> {
    let (mut splits, mut leaves) = (splits, leaves);
    let mut trees = Vec::with_capacity(sizes.len());
    for (index, size) in sizes.iter().enumerate() {
        let values = 1_usize.checked_shl(*size).and_then(|leaves| leaves.checked_mul(dimensions));
        let own = splits.split_at_checked(*size as usize);
        let values = values.and_then(|values| leaves.split_at_checked(values));
        let (Some((own, further)), Some((values, rest))) = (own, values) else {
            return Err(cut_off(index));
        };
        trees.push(SymmetricTree { splits: own.to_vec(), leaves: values.to_vec() });
        (splits, leaves) = (further, rest);
    }
    Ok(trees)
}

fn cut_off(tree: usize) -> ReadError {
    ReadError::corrupt(format!("tree {tree} is larger than what the file holds"))
}

fn bias(table: &Table<'_>) -> Result<Vec<f64>, ReadError> {
    let biases = table.vector(trees::BIASES)?;
    if biases.is_empty() {
        return Ok(vec![table.scalar(trees::BIAS)?.map_or(0.0, f64::from_le_bytes)]);
    }
    Ok(biases.iter().map(|bias| f64::from_le_bytes(*bias)).collect())
}

fn said(root: &Table<'_>) -> Result<Said, ReadError> {
    let mut texts = Texts::default();
    for pair in root.tables(core::SAID)? {
        let pair = pair?;
        let text = match pair.text(0)? {
            "catboost_version_info" => &mut texts.version,
            "params" => &mut texts.params,
            "class_params" => &mut texts.class_params,
            "binclass_probability_threshold" => &mut texts.threshold,
            _ => continue,
        };
        *text = pair.text(1)?;
    }
    Said::of(&texts)
}

fn numbers(items: &[[u8; 4]]) -> Vec<u32> {
    items.iter().map(|item| u32::from_le_bytes(*item)).collect()
}

//! The same as JSON.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    Feature, Model, Node, SymmetricTree, Trees, not_numeric,
    said::{Said, Texts},
};
use crate::error::ReadError;

#[derive(Deserialize)]
struct File<'a> {
    features_info: Features,
    #[serde(borrow)]
    model_info: Info<'a>,
    #[serde(default)]
    oblivious_trees: Vec<Oblivious>,
    #[serde(default)]
    trees: Vec<Nested>,
    scale_and_bias: (f64, Numbers),
}

#[derive(Deserialize)]
struct Features {
    #[serde(default)]
    float_features: Vec<FloatFeature>,
    #[serde(default)]
    categorical_features: Vec<IgnoredAny>,
    #[serde(default)]
    text_features: Vec<IgnoredAny>,
    #[serde(default)]
    embedding_features: Vec<IgnoredAny>,
}

#[derive(Deserialize)]
struct FloatFeature {
    flat_feature_index: usize,
    #[serde(default)]
    feature_id: String,
    borders: Option<Vec<f32>>,
    #[serde(default)]
    nan_value_treatment: String,
}

#[derive(Deserialize)]
struct Info<'a> {
    #[serde(default)]
    catboost_version_info: String,
    #[serde(borrow)]
    params: &'a RawValue,
    #[serde(borrow, default)]
    class_params: Option<&'a RawValue>,
    #[serde(default)]
    binclass_probability_threshold: String,
}

#[derive(Deserialize)]
struct Oblivious {
    leaf_values: Vec<f64>,
    splits: Option<Vec<Split>>,
}

#[derive(Deserialize)]
struct Split {
    /// Counted through all borders.
    split_index: u32,
}

/// A leaf has a value, a node the other three.
#[derive(Deserialize)]
struct Nested {
    value: Option<Numbers>,
    split: Option<Split>,
    left: Option<Box<Self>>,
    right: Option<Box<Self>>,
}

/// A list of numbers, or a single one.
struct Numbers(Vec<f64>);

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumbersVisitor;

        impl<'de> Visitor<'de> for NumbersVisitor {
            type Value = Numbers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("numbers")
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Numbers, E> {
                Ok(Numbers(vec![number]))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Numbers, E> {
                Ok(Numbers(vec![number as f64]))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Numbers, E> {
                Ok(Numbers(vec![number as f64]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Numbers, A::Error> {
                let mut numbers = Vec::new();
                while let Some(number) = items.next_element()? {
                    numbers.push(number);
                }
                Ok(Numbers(numbers))
            }
        }

        deserializer.deserialize_any(NumbersVisitor)
    }
}

/// Reads a model.
pub(super) fn read(bytes: &[u8]) -> Result<Model, ReadError> {
    let file: File<'_> = serde_json::from_slice(bytes).map_err(|error| {
        ReadError::corrupt(format!("the JSON is not that of a CatBoost model: {error}"))
    })?;
    let Features { float_features, categorical_features, text_features, embedding_features } =
        file.features_info;
    for (features, what) in [
        (categorical_features, "categorical"),
        (text_features, "text"),
        (embedding_features, "embedding"),
    ] {
        if !features.is_empty() {
            return Err(not_numeric(what));
        }
    }
    let bias = file.scale_and_bias.1.0;
    let said = said(&file.model_info)?;
    let trees = if file.trees.is_empty() {
        Trees::Symmetric(file.oblivious_trees.into_iter().map(symmetric).collect())
    } else {
        nested(file.trees)?
    };
    Ok(Model {
        dimensions: bias.len(),
        features: float_features.into_iter().map(feature).collect(),
        trees,
        scale: file.scale_and_bias.0,
        bias,
        said,
    })
}

fn feature(feature: FloatFeature) -> Feature {
    Feature {
        column: feature.flat_feature_index,
        name: feature.feature_id,
        borders: feature.borders.unwrap_or_default(),
        missing_is_high: feature.nan_value_treatment == "AsTrue",
    }
}

fn symmetric(tree: Oblivious) -> SymmetricTree {
    let splits = tree.splits.unwrap_or_default();
    SymmetricTree {
        splits: splits.iter().map(|split| split.split_index).collect(),
        leaves: tree.leaf_values,
    }
}

fn nested(nested: Vec<Nested>) -> Result<Trees, ReadError> {
    let mut leaves = Vec::new();
    let mut trees = Vec::with_capacity(nested.len());
    for root in nested {
        let mut nodes = Vec::new();
        add_node(root, &mut nodes, &mut leaves)?;
        trees.push(nodes);
    }
    Ok(Trees::Nodes { trees, leaves })
}

/// Adds a node and all below it; the reader of JSON has bounded how deep that is.
fn add_node(
    node: Nested,
    nodes: &mut Vec<Node>,
    leaves: &mut Vec<f64>,
) -> Result<usize, ReadError> {
    let place = nodes.len();
    nodes.push(Node::Leaf(leaves.len()));
    match node {
        Nested { value: Some(value), .. } => leaves.extend(value.0),
        Nested { split: Some(split), left: Some(left), right: Some(right), .. } => {
            let children = [add_node(*left, nodes, leaves)?, add_node(*right, nodes, leaves)?];
            nodes[place] = Node::Split { border: split.split_index, children };
        }
        _ => return Err(ReadError::corrupt("a node of a tree has neither value nor children")),
    }
    Ok(place)
}

fn said(info: &Info<'_>) -> Result<Said, ReadError> {
    let params = unwrapped(info.params)?;
    let class_params = info.class_params.map(unwrapped).transpose()?.unwrap_or_default();
    Said::of(&Texts {
        version: &info.catboost_version_info,
        params: &params,
        class_params: &class_params,
        threshold: &info.binclass_probability_threshold,
    })
}

/// Returns an object's text; some versions wrote it as a string.
fn unwrapped(raw: &RawValue) -> Result<String, ReadError> {
    let text = raw.get();
    if !text.starts_with('"') {
        return Ok(text.to_owned());
    }
    serde_json::from_str(text)
        .map_err(|error| ReadError::corrupt(format!("`model_info` cannot be read: {error}")))
}

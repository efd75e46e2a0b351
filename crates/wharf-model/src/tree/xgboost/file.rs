//! The tree of keys in an XGBoost file, in JSON and UBJSON alike; the old binary form is read into it. What does not matter for answers is skipped.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{self, SeqAccess, Visitor},
};

use super::super::forest::MAX_FEATURES;

#[derive(Debug, Deserialize)]
pub(super) struct File {
    pub(super) learner: Learner,
    #[serde(default)]
    pub(super) version: Vec<u32>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Learner {
    #[serde(default)]
    pub(super) attributes: Attributes,
    #[serde(default)]
    pub(super) feature_names: Columns<String>,
    #[serde(default)]
    pub(super) feature_types: Columns<ColumnType>,
    pub(super) gradient_booster: Booster,
    pub(super) learner_model_param: LearnerParam,
    pub(super) objective: Objective,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Attributes {
    #[serde(default)]
    pub(super) best_iteration: Option<String>,
}

/// Numbers as text.
#[derive(Debug, Deserialize)]
pub(super) struct LearnerParam {
    /// Up to 2.x a number, from 3.1 on a list with one for each output.
    pub(super) base_score: String,
    /// The base score is a margin already; only in binary files before 1.0.
    #[serde(skip)]
    pub(super) base_is_margin: bool,
    pub(super) num_feature: String,
    #[serde(default)]
    pub(super) num_class: Option<String>,
    #[serde(default)]
    pub(super) num_target: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Objective {
    pub(super) name: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Booster {
    pub(super) name: String,
    /// `gbtree`, `gblinear`.
    #[serde(default)]
    pub(super) model: Option<Model>,
    /// `dart`.
    #[serde(default)]
    pub(super) gbtree: Option<Inner>,
    /// `dart`: what each tree's leaves are multiplied by.
    #[serde(default)]
    pub(super) weight_drop: Vec<f32>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Inner {
    pub(super) model: Model,
}

/// The keys of `gbtree` and `gblinear` in one, since the booster's name comes behind them.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Model {
    #[serde(default)]
    pub(super) gbtree_model_param: ModelParam,
    /// Where each round's trees begin, and the end; not in old files.
    #[serde(default)]
    pub(super) iteration_indptr: Vec<u32>,
    #[serde(default)]
    pub(super) tree_info: Vec<u32>,
    #[serde(default)]
    pub(super) trees: Vec<TreeArrays>,
    #[serde(default)]
    pub(super) cats: Categories,
    #[serde(default)]
    pub(super) weights: Vec<f32>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct ModelParam {
    #[serde(default)]
    pub(super) num_parallel_tree: Option<String>,
}

/// The categories of a data frame that the model was trained with.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Categories {
    #[serde(default)]
    pub(super) enc: Columns<Encoding>,
}

/// The categories of a column; none when it holds numbers.
#[derive(Debug, Deserialize)]
pub(super) struct Encoding {
    /// Text: where each name begins in `values`, and the end of the last.
    pub(super) offsets: Option<Vec<u32>>,
    /// Text: its bytes. Else the categories themselves.
    pub(super) values: Vec<f64>,
}

/// A tree: one entry for each node, the root first.
#[derive(Debug, Default, Deserialize)]
pub(super) struct TreeArrays {
    /// −1: a leaf.
    pub(super) left_children: Vec<i32>,
    /// At a leaf with several values: its number in `leaf_weights`.
    pub(super) right_children: Vec<i32>,
    pub(super) split_indices: Vec<u32>,
    /// A leaf's value, too.
    pub(super) split_conditions: Vec<f32>,
    pub(super) default_left: Vec<Flag>,
    /// 1: by category. Not in old files.
    #[serde(default)]
    pub(super) split_type: Vec<u8>,
    /// Categories that go to the right: `sizes[i]` of them from `segments[i]` on, for node `nodes[i]`.
    #[serde(default)]
    pub(super) categories: Vec<u32>,
    #[serde(default)]
    pub(super) categories_nodes: Vec<u32>,
    #[serde(default)]
    pub(super) categories_segments: Vec<u32>,
    #[serde(default)]
    pub(super) categories_sizes: Vec<u32>,
    /// The values of leaves with several, leaf by leaf.
    #[serde(default)]
    pub(super) leaf_weights: Option<Vec<f32>>,
    /// The same in old files, node by node.
    #[serde(default)]
    pub(super) base_weights: Vec<f32>,
    pub(super) tree_param: TreeParam,
}

impl TreeArrays {
    /// Returns the values of leaves with several values.
    pub(super) fn leaf_weights(&self) -> &[f32] {
        self.leaf_weights.as_deref().unwrap_or(&self.base_weights)
    }
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct TreeParam {
    /// Values in a leaf; 0 in old files.
    #[serde(default)]
    pub(super) size_leaf_vector: Option<String>,
}

/// Something for each column. Text takes much more room in memory than in a file, so that more columns than can be
/// served are refused at once.
#[derive(Debug)]
pub(super) struct Columns<T>(pub(super) Vec<T>);

impl<T> Default for Columns<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Columns<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ColumnsVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ColumnsVisitor<T> {
            type Value = Columns<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of at most {MAX_FEATURES} columns")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Columns<T>, A::Error> {
                let mut columns = Vec::new();
                while let Some(column) = items.next_element()? {
                    if columns.len() == MAX_FEATURES {
                        return Err(de::Error::invalid_length(MAX_FEATURES + 1, &self));
                    }
                    columns.push(column);
                }
                Ok(Columns(columns))
            }
        }

        deserializer.deserialize_seq(ColumnsVisitor(PhantomData))
    }
}

/// `c`, `q`, `int`, `float`, `i`.
#[derive(Debug)]
pub(super) struct ColumnType {
    pub(super) is_category: bool,
}

impl<'de> Deserialize<'de> for ColumnType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = Cow::<str>::deserialize(deserializer)?;
        Ok(Self { is_category: word == "c" })
    }
}

/// `true` and `false`, or 1 and 0, after the version that wrote it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flag(pub(super) bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FlagVisitor;

        impl Visitor<'_> for FlagVisitor {
            type Value = Flag;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a truth value")
            }

            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Flag, E> {
                Ok(Flag(value))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Flag, E> {
                Ok(Flag(value != 0))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Flag, E> {
                Ok(Flag(value != 0))
            }
        }

        deserializer.deserialize_any(FlagVisitor)
    }
}

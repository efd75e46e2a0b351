//! CatBoost's files: `.cbm` and JSON, of models whose features are numbers.
//!
//! - `binary` (with `flat`) and `json` read the two forms into a `Model`; `said` is what both say in JSON;
//! - `symmetric` evaluates symmetric trees; others walk through the same forest as those of LightGBM;
//! - `loss` makes answers of the scores, with the library's own exponential function in `fast_exp`.

mod binary;

mod flat;

mod json;

mod said;

mod symmetric;

mod loss;

mod fast_exp;

use serde_json::Value;

use self::{loss::Link, said::Said, symmetric::Symmetric};
use super::{
    Facts, check_features,
    forest::{Described, Forest, Leaves, Rule, Split},
    in_tree,
    link::arg_max,
    number::Number,
};
use crate::error::ReadError;

/// Says whether the first bytes look like a file of CatBoost.
pub(super) fn looks_like(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(256)];
    let has = |key: &[u8]| start.windows(key.len()).any(|window| window == key);
    start.starts_with(binary::MAGIC)
        || start.starts_with(b"{") && (has(b"\"features_info\"") || has(b"\"ctr_data\""))
}

/// Reads a model.
pub(super) fn read(bytes: &[u8]) -> Result<(Facts, Evaluator), ReadError> {
    let model = if bytes.starts_with(b"{") { json::read(bytes)? } else { binary::read(bytes)? };
    let Model { dimensions, features, trees, scale, bias, said } = model;
    if dimensions == 0 || bias.len() != dimensions {
        return Err(ReadError::corrupt(format!(
            "the model has {dimensions} scores a row and {} constants for them",
            bias.len()
        )));
    }
    let columns = columns(&features)?;
    let names = names(&features, columns);
    let (task, link) = loss::of(&said.loss, dimensions)?;
    let classes = task.classes(dimensions);
    let class_names = class_names(said.class_names, classes)?;
    let borders = Borders::new(features)?;
    let body = Body::new(trees, &borders, columns, dimensions)?;
    let facts = Facts {
        library: "catboost",
        version: said.version,
        objective: said.loss,
        task,
        features: columns,
        feature_names: names,
        categorical: Vec::new(),
        categories: Vec::new(),
        outputs: dimensions,
        classes,
        class_names,
        trees: body.trees(),
        // CatBoost saves the trees up to the best one only.
        best_iteration: None,
        handles_missing: true,
    };
    let is_classifier = classes > 0;
    let threshold = said.threshold;
    Ok((facts, Evaluator { columns, body, scale, bias, link, is_classifier, threshold }))
}

/// What both forms of a file say.
struct Model {
    /// Scores of a row.
    dimensions: usize,
    features: Vec<Feature>,
    trees: Trees,
    scale: f64,
    /// One for each of the dimensions.
    bias: Vec<f64>,
    said: Said,
}

/// A feature and its borders, in ascending order.
#[derive(Debug)]
struct Feature {
    column: usize,
    name: String,
    borders: Vec<f32>,
    /// A missing value lies above all borders; below them else.
    missing_is_high: bool,
}

enum Trees {
    Symmetric(Vec<SymmetricTree>),
    Nodes {
        trees: Vec<Vec<Node>>,
        /// The values of all leaves, leaf by leaf.
        leaves: Vec<f64>,
    },
}

/// Splits are numbers of [`Borders`]; the first one is the lowest bit of a leaf's number.
struct SymmetricTree {
    splits: Vec<u32>,
    leaves: Vec<f64>,
}

/// A node of a tree that is not symmetric; the first one is the root.
#[derive(Debug, Clone, Copy)]
enum Node {
    /// Where its values begin.
    Leaf(usize),
    /// Left: not above the border.
    Split { border: u32, children: [usize; 2] },
}

/// The borders of all features, numbered through.
struct Borders {
    features: Vec<Feature>,
    /// The number of each feature's first border.
    starts: Vec<usize>,
    count: usize,
}

impl Borders {
    fn new(features: Vec<Feature>) -> Result<Self, ReadError> {
        let mut count = 0;
        let mut starts = Vec::with_capacity(features.len());
        for feature in &features {
            if !feature.borders.is_sorted_by(|low, high| low < high) {
                return Err(ReadError::corrupt(format!(
                    "the borders of column {} do not ascend",
                    feature.column
                )));
            }
            starts.push(count);
            count += feature.borders.len();
        }
        Ok(Self { features, starts, count })
    }

    /// Returns the feature of a border, and which of its borders it is.
    fn find(&self, number: u32) -> Result<(usize, usize), ReadError> {
        let number = number as usize;
        if number >= self.count {
            return Err(ReadError::corrupt(format!(
                "a tree asks for border {number}, but the model has {}",
                self.count
            )));
        }
        // Of features without borders, which begin at the same number, the last one does not.
        let feature = self.starts.partition_point(|start| *start <= number) - 1;
        Ok((feature, number - self.starts[feature]))
    }
}

/// Returns how many columns the input has.
fn columns(features: &[Feature]) -> Result<usize, ReadError> {
    let columns = features.iter().map(|feature| feature.column.saturating_add(1)).max();
    let columns = columns.unwrap_or(0);
    check_features(columns)?;
    Ok(columns)
}

/// Returns the names of the columns; none where one has no name.
fn names(features: &[Feature], columns: usize) -> Vec<String> {
    let mut names = vec![String::new(); columns];
    for feature in features {
        names[feature.column].clone_from(&feature.name);
    }
    if names.iter().any(String::is_empty) { Vec::new() } else { names }
}

fn class_names(names: Vec<Value>, classes: usize) -> Result<Vec<Value>, ReadError> {
    if classes == 0 || names.is_empty() {
        return Ok(Vec::new());
    }
    if names.len() != classes {
        return Err(ReadError::unsupported(format!(
            "the model names {} classes and tells {classes} apart",
            names.len()
        )));
    }
    Ok(names)
}

/// A model that has been read.
#[derive(Debug)]
pub(super) struct Evaluator {
    columns: usize,
    body: Body,
    scale: f64,
    bias: Vec<f64>,
    link: Link,
    is_classifier: bool,
    /// The score above which a row is of the second class of two.
    threshold: f64,
}

impl Evaluator {
    /// Returns how many scores a row has.
    pub(super) fn dimensions(&self) -> usize {
        self.bias.len()
    }

    /// Returns the raw scores, row by row.
    pub(super) fn scores(&self, rows: &[f64]) -> Vec<f64> {
        let count = rows.len() / self.columns;
        let mut scores = vec![0.0; count * self.dimensions()];
        self.body.add_to(&rows[..count * self.columns], self.columns, &mut scores);
        for row in scores.chunks_exact_mut(self.dimensions()) {
            for (score, bias) in row.iter_mut().zip(&self.bias) {
                *score = *score * self.scale + bias;
            }
        }
        scores
    }

    /// Returns the values, or the probabilities of a classifier's classes, of two of the second one.
    pub(super) fn predict(&self, rows: &[f64]) -> Vec<f64> {
        let mut scores = self.scores(rows);
        self.link.apply(&mut scores, self.dimensions());
        scores
    }

    /// Returns a row of probabilities for each row, one for each class.
    pub(super) fn probabilities(&self, rows: &[f64]) -> Option<Vec<f64>> {
        let probabilities = self.is_classifier.then(|| self.predict(rows))?;
        Some(match self.dimensions() {
            1 => probabilities.into_iter().flat_map(|p| [1.0 - p, p]).collect(),
            _ => probabilities,
        })
    }

    /// Returns the number of each row's class.
    pub(super) fn class_indices(&self, rows: &[f64]) -> Option<Vec<usize>> {
        let scores = self.is_classifier.then(|| self.scores(rows))?;
        Some(match self.dimensions() {
            1 => scores.into_iter().map(|score| usize::from(score > self.threshold)).collect(),
            dimensions => scores.chunks_exact(dimensions).map(arg_max).collect(),
        })
    }
}

#[derive(Debug)]
enum Body {
    Symmetric(Symmetric),
    Forest(Forest<f64>),
}

impl Body {
    fn new(
        trees: Trees,
        borders: &Borders,
        columns: usize,
        dimensions: usize,
    ) -> Result<Self, ReadError> {
        Ok(match trees {
            Trees::Symmetric(trees) => Self::Symmetric(Symmetric::new(trees, borders, dimensions)?),
            Trees::Nodes { trees, leaves } => {
                let mut forest = Forest::new(columns, dimensions);
                if dimensions > 1 {
                    forest.add_vectors(leaves.iter().copied());
                }
                for (index, nodes) in trees.iter().enumerate() {
                    add_tree(&mut forest, nodes, &leaves, borders, dimensions)
                        .map_err(in_tree(index))?;
                }
                Self::Forest(forest)
            }
        })
    }

    fn trees(&self) -> usize {
        match self {
            Self::Symmetric(trees) => trees.len(),
            Self::Forest(forest) => forest.len(),
        }
    }

    fn add_to(&self, rows: &[f64], columns: usize, scores: &mut [f64]) {
        match self {
            Self::Symmetric(trees) => trees.add_to(rows, columns, scores),
            Self::Forest(forest) => {
                // The borders are floats of 32 bits, so what is compared with them has to be.
                let narrowed: Vec<f64> =
                    rows.iter().map(|value| f64::from(*value as f32)).collect();
                forest.add_to(&narrowed, scores);
            }
        }
    }
}

fn add_tree(
    forest: &mut Forest<f64>,
    nodes: &[Node],
    leaves: &[f64],
    borders: &Borders,
    dimensions: usize,
) -> Result<(), ReadError> {
    let kind = if dimensions == 1 { Leaves::Values { group: 0 } } else { Leaves::Vectors };
    forest.add_tree(kind, nodes.len(), |node| match nodes[node] {
        Node::Leaf(first) => leaf(first, leaves, dimensions),
        Node::Split { border, children } => {
            let (feature, border) = borders.find(border)?;
            let feature = &borders.features[feature];
            Ok(Described::Split(Split {
                feature: feature.column,
                rule: Rule::Threshold(feature.borders[border].into()),
                missing_left: !feature.missing_is_high,
                zero_is_missing: false,
                children,
            }))
        }
    })
}

fn leaf(first: usize, leaves: &[f64], dimensions: usize) -> Result<Described<f64>, ReadError> {
    let number = u32::try_from(first / dimensions).ok();
    let is_there = first.is_multiple_of(dimensions) && first < leaves.len();
    match number.filter(|_| is_there && leaves.len().is_multiple_of(dimensions)) {
        Some(_) if dimensions == 1 => Ok(Described::Leaf(leaves[first])),
        Some(number) => Ok(Described::Leaf(f64::from_index(number))),
        None => Err(ReadError::corrupt(format!(
            "a leaf's values begin at {first}, but there are {}",
            leaves.len()
        ))),
    }
}

/// Returns the error for features of which wharf knows no numbers.
fn not_numeric(what: &str) -> ReadError {
    ReadError::Unsupported {
        what: format!("the model has {what} features, which wharf does not evaluate"),
        hint: Some("write a `predict.py` that loads it with CatBoost".to_owned()),
    }
}

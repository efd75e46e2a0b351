//! Gradient-boosted trees: readers and evaluators, bit for bit what the original library answers.
//!
//! - `xgboost` and `lightgbm` read files into an `Evaluator`; `ubjson` is XGBoost's binary JSON;
//! - `catboost` reads and evaluates its own, which compare numbers of borders instead of values;
//! - `forest` lays the trees out and walks through them, with the sets of `category`;
//! - `names` turns the categories of a data frame into numbers;
//! - `number` is what each library computes with, `link` what it makes of the sums.
//!
//! ```no_run
//! use wharf_model::tree::{Ensemble, Format};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let bytes = std::fs::read("iris.json")?;
//! let model = Ensemble::read(Format::Xgboost, &bytes, &Default::default())?;
//! let answer = model.predict(&[5.1, 3.5, 1.4, 0.2]);
//! assert_eq!(answer.shape(), [1, 3]);
//! # Ok(())
//! # }
//! ```

mod xgboost;

mod ubjson;

mod lightgbm;

mod catboost;

mod evaluator;

mod forest;

mod category;

mod names;

mod number;

mod link;

use serde_json::Value;
use wharf_spec::model::NativeOptions;

use self::{
    evaluator::Evaluator,
    names::{Names, Unknown},
    number::Number,
};
use crate::{
    error::{ReadError, RunError},
    tensor::Tensor,
};

/// What wrote the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON or UBJSON, told apart by their content.
    Xgboost,
    /// Text.
    Lightgbm,
    /// `.cbm` or JSON, told apart by their content.
    Catboost,
}

/// Returns what the first bytes look like; for files whose name says nothing.
pub fn looks_like(bytes: &[u8]) -> Option<Format> {
    if xgboost::looks_like(bytes) {
        Some(Format::Xgboost)
    } else if lightgbm::looks_like(bytes) {
        Some(Format::Lightgbm)
    } else if catboost::looks_like(bytes) {
        Some(Format::Catboost)
    } else {
        None
    }
}

/// A model, read and ready to answer.
///
/// Rows are row-major with [`Facts::features`] columns; a rest that is no whole row is left out. Answers have the
/// element type of the library: `f32` for XGBoost, `f64` for the others.
#[derive(Debug)]
pub struct Ensemble {
    facts: Facts,
    names: Names,
    evaluator: AnyEvaluator,
}

/// What a file says of its model.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// `xgboost`, `lightgbm` or `catboost`.
    pub library: &'static str,
    /// The library's version, `3.2.0`; LightGBM: the form's, `v4`. Empty when the file has none.
    pub version: String,
    /// The objective's name, as the library spells it.
    pub objective: String,
    pub task: Task,
    /// Columns of the input.
    pub features: usize,
    /// In the order of the columns; empty when the file has none of its own.
    pub feature_names: Vec<String>,
    /// Which columns hold numbers of categories; empty when none does.
    pub categorical: Vec<bool>,
    /// The names of categories, column by column, where the model was trained with a data frame's; their places are
    /// the numbers that rows hold ([`Ensemble::encode`]). Empty when no column has names.
    pub categories: Vec<Vec<Value>>,
    /// Numbers in a row of [`Ensemble::predict`].
    pub outputs: usize,
    /// Zero when the model is no classifier.
    pub classes: usize,
    /// What the file calls them, in order; empty when it does not say.
    pub class_names: Vec<Value>,
    /// Trees that are asked, so without those after the best iteration when these are left out.
    pub trees: usize,
    /// The best round when training stopped early, counted from zero.
    pub best_iteration: Option<usize>,
    /// NaN may stand for a missing value.
    pub handles_missing: bool,
}

/// What the answers are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    Regression,
    Binary,
    Multiclass,
    Ranking,
    Other,
}

impl Task {
    /// Returns how many classes a model with so many scores in a row tells apart.
    const fn classes(self, groups: usize) -> usize {
        match self {
            Self::Binary => 2,
            Self::Multiclass => groups,
            Self::Regression | Self::Ranking | Self::Other => 0,
        }
    }
}

/// An evaluator with the number its library computes with.
#[derive(Debug)]
enum AnyEvaluator {
    Xgboost(Evaluator<f32>),
    Lightgbm(Evaluator<f64>),
    Catboost(catboost::Evaluator),
}

impl Ensemble {
    /// Reads a model's file.
    ///
    /// # Errors
    /// When the bytes are damaged, or the model uses what wharf cannot run.
    pub fn read(format: Format, bytes: &[u8], options: &NativeOptions) -> Result<Self, ReadError> {
        let (facts, evaluator) = match format {
            Format::Xgboost => {
                let (facts, evaluator) = xgboost::read(bytes, options)?;
                (facts, AnyEvaluator::Xgboost(evaluator))
            }
            Format::Lightgbm => {
                let (facts, evaluator) = lightgbm::read(bytes)?;
                (facts, AnyEvaluator::Lightgbm(evaluator))
            }
            Format::Catboost => {
                let (facts, evaluator) = catboost::read(bytes)?;
                (facts, AnyEvaluator::Catboost(evaluator))
            }
        };
        let unknown = match format {
            Format::Lightgbm => Unknown::Missing,
            Format::Xgboost | Format::Catboost => Unknown::Refused,
        };
        Ok(Self { names: Names::new(&facts.categories, unknown), facts, evaluator })
    }

    /// Returns what the file says of the model.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Returns the number that stands for a cell of a table: a category's by its name, NaN for `null`.
    ///
    /// # Errors
    /// When it is neither a number nor a category of the column. LightGBM takes an unknown category for missing.
    pub fn encode(&self, column: usize, cell: &Value) -> Result<f64, RunError> {
        self.names.encode(column, cell)
    }

    /// Returns what the library's `Booster.predict` gives: `[rows]`, or `[rows, outputs]`. CatBoost, which has no
    /// such thing: the values, or the probabilities of classes, of two of the second one.
    pub fn predict(&self, rows: &[f64]) -> Tensor {
        let outputs = self.facts.outputs;
        match &self.evaluator {
            AnyEvaluator::Xgboost(evaluator) => tensor(evaluator.predict(rows), outputs),
            AnyEvaluator::Lightgbm(evaluator) => tensor(evaluator.predict(rows), outputs),
            AnyEvaluator::Catboost(evaluator) => tensor(evaluator.predict(rows), outputs),
        }
    }

    /// Returns the raw scores: XGBoost's `output_margin`, LightGBM's `raw_score`, CatBoost's `RawFormulaVal`.
    pub fn margins(&self, rows: &[f64]) -> Tensor {
        match &self.evaluator {
            AnyEvaluator::Xgboost(evaluator) => tensor(evaluator.scores(rows), evaluator.groups()),
            AnyEvaluator::Lightgbm(evaluator) => tensor(evaluator.scores(rows), evaluator.groups()),
            AnyEvaluator::Catboost(evaluator) => {
                tensor(evaluator.scores(rows), evaluator.dimensions())
            }
        }
    }

    /// Returns `[rows, classes]`, for two classes 1 − p and p; `None` when the model is no classifier.
    pub fn probabilities(&self, rows: &[f64]) -> Option<Tensor> {
        let classes = self.facts.classes;
        match &self.evaluator {
            AnyEvaluator::Xgboost(evaluator) => {
                evaluator.probabilities(rows).map(|values| table(values, classes))
            }
            AnyEvaluator::Lightgbm(evaluator) => {
                evaluator.probabilities(rows).map(|values| table(values, classes))
            }
            AnyEvaluator::Catboost(evaluator) => {
                evaluator.probabilities(rows).map(|values| table(values, classes))
            }
        }
    }

    /// Returns the number of each row's likeliest class, of equal ones the first; of two classes the second only
    /// above one half, or above CatBoost's own threshold. `None` when the model is no classifier.
    pub fn class_indices(&self, rows: &[f64]) -> Option<Vec<usize>> {
        match &self.evaluator {
            AnyEvaluator::Xgboost(evaluator) => evaluator.class_indices(rows),
            AnyEvaluator::Lightgbm(evaluator) => evaluator.class_indices(rows),
            AnyEvaluator::Catboost(evaluator) => evaluator.class_indices(rows),
        }
    }
}

/// Returns an array of one dimension where a row has one number, else a table.
fn tensor<T: Number>(values: Vec<T>, columns: usize) -> Tensor {
    if columns == 1 { Tensor::vector(T::into_data(values)) } else { table(values, columns) }
}

fn table<T: Number>(values: Vec<T>, columns: usize) -> Tensor {
    Tensor::new(vec![values.len() / columns, columns], T::into_data(values))
        .expect("an evaluator answers with whole rows")
}

/// Reads a number that stands as text.
fn parse_number<T: std::str::FromStr>(text: &str, key: &str) -> Result<T, ReadError> {
    text.trim().parse().map_err(|_| {
        ReadError::corrupt(format!("`{key}` is `{}`, which is no number for it", clip(text)))
    })
}

/// Checks the number of columns that a file declares.
fn check_features(features: usize) -> Result<(), ReadError> {
    match features {
        0 => Err(ReadError::corrupt("the model has no features")),
        1..=forest::MAX_FEATURES => Ok(()),
        _ => Err(ReadError::unsupported(format!(
            "the model has {features} features; wharf serves at most {}",
            forest::MAX_FEATURES
        ))),
    }
}

/// Checks that the names of a file, if there are any, are as many as its features.
fn check_names(names: usize, features: usize) -> Result<(), ReadError> {
    if names != 0 && names != features {
        return Err(ReadError::corrupt(format!("the model names {names} of {features} features")));
    }
    Ok(())
}

/// Says in which tree something is wrong.
fn in_tree(index: usize) -> impl Fn(ReadError) -> ReadError {
    move |error| match error {
        ReadError::Corrupt(what) => ReadError::corrupt(format!("tree {index}: {what}")),
        error @ ReadError::Unsupported { .. } => error,
    }
}

/// Cuts what a message quotes.
fn clip(text: &str) -> &str {
    match text.char_indices().nth(40) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

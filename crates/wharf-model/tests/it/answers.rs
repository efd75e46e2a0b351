//! Models of tests, and what the libraries that made them answered.

use std::{fs, path::PathBuf};

use serde::Deserialize;
use serde_json::Value;

/// A folder of models below `tests/data`, each with its answers beside it.
pub(crate) struct Folder(pub(crate) &'static str);

impl Folder {
    pub(crate) fn path(&self) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(self.0)
    }

    pub(crate) fn file(&self, name: &str) -> Vec<u8> {
        fs::read(self.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn answers(&self, name: &str) -> Answers {
        serde_json::from_slice(&self.file(&format!("{name}.answers.json"))).unwrap()
    }
}

/// What a library answered.
#[derive(Deserialize)]
pub(crate) struct Answers {
    /// `null` is NaN.
    #[serde(rename = "X")]
    pub(crate) rows: Vec<Vec<Option<f64>>>,
    pub(crate) raw: Vec<Vec<f64>>,
    /// Probabilities of a classifier, values of the others.
    pub(crate) prob: Vec<Vec<f64>>,
    /// Classes, or whether a row has each of several labels; where they were asked for.
    #[serde(default)]
    pub(crate) label: Vec<Vec<Value>>,
}

impl Answers {
    pub(crate) fn flat_rows(&self) -> Vec<f64> {
        self.rows.iter().flatten().map(|value| value.unwrap_or(f64::NAN)).collect()
    }
}

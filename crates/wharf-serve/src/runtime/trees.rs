//! Gradient-boosted trees: XGBoost, LightGBM and CatBoost.

use std::{fs, sync::Arc};

use serde_json::Value;
use wharf_model::{
    error::RunError,
    tensor::{Data, Tensor},
    tree::{Ensemble, Format},
};
use wharf_spec::{
    data_type::DataType,
    model::{Answer, Method, ModelKind, RuntimeKind},
};

use super::{
    Bundle, CallError, Frame, LoadError, Loaded, Native, Payload, Runtime, RuntimeSettings, cast,
    outputs,
};

/// Our evaluators.
#[derive(Debug, Clone, Copy)]
pub struct Trees;

impl Runtime for Trees {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Trees
    }

    fn load(&self, bundle: &Bundle, _: &RuntimeSettings) -> Result<Loaded, LoadError> {
        let card = &bundle.card;
        let format = match card.kind {
            ModelKind::Xgboost => Format::Xgboost,
            ModelKind::Lightgbm => Format::Lightgbm,
            ModelKind::Catboost => Format::Catboost,
            other => return Err(LoadError(format!("no evaluator for the trees of {other}"))),
        };
        let bytes = read_entry(bundle)?;
        let ensemble = Ensemble::read(format, &bytes, &card.options)
            .map_err(|error| LoadError(format!("`{}`: {error}", card.entry)))?;
        Ok(Loaded::Native(Arc::new(TreeModel { ensemble, classes: card.classes.clone() })))
    }
}

/// Puts labels below each other where the signature has a column of them, as CatBoost answers for several classes.
fn in_shape(labels: Payload, returns: &DataType) -> Payload {
    let has_column = matches!(returns, DataType::Ndarray(tensor)
        if tensor.shape.as_ref().is_some_and(|shape| shape.len() == 2));
    match labels {
        Payload::Tensor(tensor) if has_column => {
            let (shape, data) = tensor.into_parts();
            let column = Tensor::new(vec![shape[0], 1], data).expect("labels are one for each row");
            Payload::Tensor(column)
        }
        labels => labels,
    }
}

/// Returns the content of the file that the card names.
pub(super) fn read_entry(bundle: &Bundle) -> Result<Vec<u8>, LoadError> {
    let path = bundle.folder.join(&bundle.card.entry);
    fs::read(&path).map_err(|error| LoadError(format!("`{}`: {error}", path.display())))
}

#[derive(Debug)]
struct TreeModel {
    ensemble: Ensemble,
    classes: Vec<Value>,
}

impl TreeModel {
    /// Returns a table as numbers, row by row; categories by their names.
    fn numbers(&self, frame: &Frame) -> Result<Tensor, CallError> {
        let width = frame.columns.len();
        let rows = frame.columns.first().map_or(0, |column| cast::length(&column.values));
        let mut cells = Vec::with_capacity(rows * width);
        for row in 0..rows {
            for (index, column) in frame.columns.iter().enumerate() {
                let cell = self.ensemble.encode(index, &cast::cell(&column.values, row));
                let unfit =
                    |error: RunError| cast::unfit(format!("the column `{}`: {error}", column.name));
                cells.push(cell.map_err(unfit)?);
            }
        }
        Ok(Tensor::new(vec![rows, width], Data::F64(cells))
            .expect("a cell for each row and column"))
    }
}

impl Native for TreeModel {
    fn call(&self, method: &Method, inputs: Vec<Option<Payload>>) -> Result<Payload, CallError> {
        // A booster's `predict` has a dozen arguments; the first one is the data.
        let data = inputs.into_iter().next().flatten();
        let data = data.ok_or_else(|| cast::unfit("the model needs data"))?;
        let has_names = !self.ensemble.facts().categories.is_empty();
        let tensor = match data {
            Payload::Frame(frame) if has_names => self.numbers(&frame)?,
            other => cast::tensor(other)?,
        };
        let (features, shape) = (self.ensemble.facts().features, tensor.shape());
        if shape.len() != 2 || shape[1] != features {
            return Err(cast::unfit(format!(
                "the model has {features} features, the data has shape {shape:?}"
            )));
        }
        let rows = cast::floats(tensor)?;
        let no_classifier =
            || CallError::Internal(format!("`{}` asks no classifier for classes", method.name));
        match method.answer {
            Answer::Value => Ok(Payload::Tensor(self.ensemble.predict(&rows))),
            Answer::Probabilities => {
                let probabilities = self.ensemble.probabilities(&rows);
                Ok(Payload::Tensor(probabilities.ok_or_else(no_classifier)?))
            }
            Answer::Class => {
                let indices = self.ensemble.class_indices(&rows).ok_or_else(no_classifier)?;
                Ok(in_shape(outputs::labels(&indices, &self.classes), &method.returns))
            }
            Answer::Outputs => {
                Ok(Payload::List(vec![Payload::Tensor(self.ensemble.predict(&rows))]))
            }
        }
    }
}

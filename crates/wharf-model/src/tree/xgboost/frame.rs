//! The categories of a data frame that a model was trained with, from XGBoost 3.1 on.

use serde_json::Value;

use super::file::{Categories, Encoding};
use crate::error::ReadError;

/// Returns the names of each column's categories; empty when no column has any.
pub(super) fn categories(file: &Categories, features: usize) -> Result<Vec<Vec<Value>>, ReadError> {
    let columns = &file.enc.0;
    if columns.iter().all(|column| column.values.is_empty()) {
        return Ok(Vec::new());
    }
    if columns.len() != features {
        return Err(ReadError::corrupt(format!(
            "the model has categories for {} of {features} columns",
            columns.len()
        )));
    }
    columns.iter().map(names).collect()
}

fn names(column: &Encoding) -> Result<Vec<Value>, ReadError> {
    match &column.offsets {
        Some(offsets) => {
            offsets.array_windows().map(|[start, end]| text(column, *start, *end)).collect()
        }
        None => column.values.iter().map(|number| whole(*number)).collect(),
    }
}

fn text(column: &Encoding, start: u32, end: u32) -> Result<Value, ReadError> {
    let bytes = column.values.get(start as usize..end as usize);
    let bytes = bytes.ok_or_else(|| ReadError::corrupt("the name of a category is not there"))?;
    // XGBoost 3.2 counts characters and copies bytes: names beyond ASCII are cut off, and those behind them are shifted.
    if bytes.iter().any(|byte| !(0.0..128.0).contains(byte)) {
        return Err(ReadError::Unsupported {
            what: "the model has names of categories beyond ASCII, which XGBoost saves cut off"
                .to_owned(),
            hint: Some("train with ASCII names, or with `.cat.codes` as columns".to_owned()),
        });
    }
    Ok(Value::String(bytes.iter().map(|byte| char::from(*byte as u8)).collect()))
}

fn whole(number: f64) -> Result<Value, ReadError> {
    if number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0 {
        return Ok(Value::from(number as i64));
    }
    Err(ReadError::Unsupported {
        what: format!(
            "the model was trained with the number {number} as a category, and wharf takes whole ones"
        ),
        hint: Some("train with the categories' names, or with `.cat.codes` as columns".to_owned()),
    })
}

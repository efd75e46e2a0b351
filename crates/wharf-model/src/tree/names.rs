//! The categories of a data frame: names in a request, numbers in the trees.

use std::collections::HashMap;

use serde_json::Value;

use crate::error::RunError;

/// The numbers of the categories, column by column; a column of numbers has none.
#[derive(Debug)]
pub(super) struct Names {
    columns: Vec<HashMap<String, u32>>,
    unknown: Unknown,
}

/// What a library makes of a category that it was not trained with.
#[derive(Debug, Clone, Copy)]
pub(super) enum Unknown {
    Missing,
    Refused,
}

impl Names {
    pub(super) fn new(columns: &[Vec<Value>], unknown: Unknown) -> Self {
        let numbered = |names: &Vec<Value>| names.iter().map(key).zip(0..).collect();
        Self { columns: columns.iter().map(numbered).collect(), unknown }
    }

    /// Returns what stands for a cell; NaN for a missing one.
    pub(super) fn encode(&self, column: usize, cell: &Value) -> Result<f64, RunError> {
        if cell.is_null() {
            return Ok(f64::NAN);
        }
        let Some(numbers) = self.columns.get(column).filter(|numbers| !numbers.is_empty()) else {
            let number = cell.as_f64().or(cell.as_bool().map(|is_true| u8::from(is_true).into()));
            return number.ok_or_else(|| RunError(format!("{cell} is no number")));
        };
        match (numbers.get(&key(cell)), self.unknown) {
            (Some(number), _) => Ok(f64::from(*number)),
            (None, Unknown::Missing) => Ok(f64::NAN),
            (None, Unknown::Refused) => {
                Err(RunError(format!("the model knows no category {cell}")))
            }
        }
    }
}

/// Returns a category as it is looked up: 2001 and 2001.0 are one.
fn key(category: &Value) -> String {
    match category.as_f64() {
        Some(number) => number.to_string(),
        None => category.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_has_its_number_and_a_number_stays() {
        let columns = [vec![json!("b"), json!("a")], vec![], vec![json!(2001), json!(2005)]];
        let names = Names::new(&columns, Unknown::Refused);
        for (column, cell, expect) in [
            (0, json!("a"), 1.0),
            (1, json!(7), 7.0),
            (1, json!(true), 1.0),
            (2, json!(2005.0), 1.0),
        ] {
            assert_eq!(names.encode(column, &cell).unwrap(), expect, "{cell}");
        }
        assert!(names.encode(0, &Value::Null).unwrap().is_nan());
        assert_eq!(
            names.encode(0, &json!("c")).unwrap_err().0,
            "the model knows no category \"c\""
        );
        assert_eq!(names.encode(1, &json!("a")).unwrap_err().0, "\"a\" is no number");
        let lenient = Names::new(&columns, Unknown::Missing);
        assert!(lenient.encode(0, &json!("c")).unwrap().is_nan());
    }
}

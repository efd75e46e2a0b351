//! Inputs of a call → arrays of the type that a native model computes with.

use serde_json::Value;
use wharf_model::tensor::{Data, Tensor};

use super::{CallError, Frame, Payload, Values};

/// Returns the error for an input that the signature let through and the model cannot take.
pub(super) fn unfit(why: impl Into<String>) -> CallError {
    CallError::Raised { class: "ValueError".to_owned(), text: why.into() }
}

/// Returns an array of an input; tables lie row by row, in the order of their columns.
pub(super) fn tensor(payload: Payload) -> Result<Tensor, CallError> {
    match payload {
        Payload::Tensor(tensor) => Ok(tensor),
        Payload::Frame(frame) => table(&frame),
        Payload::Json(_) | Payload::Binary(_) | Payload::List(_) => {
            Err(unfit("the model takes arrays and tables of numbers"))
        }
    }
}

fn table(frame: &Frame) -> Result<Tensor, CallError> {
    let rows = frame.columns.first().map_or(0, |column| length(&column.values));
    let width = frame.columns.len();
    let mut cells = vec![0.0; rows * width];
    for (index, column) in frame.columns.iter().enumerate() {
        let mut put = |row: usize, cell: f64| cells[row * width + index] = cell;
        match &column.values {
            Values::F64(items) => items.iter().enumerate().for_each(|(row, cell)| put(row, *cell)),
            Values::I64(items) => {
                items.iter().enumerate().for_each(|(row, cell)| put(row, *cell as f64));
            }
            Values::Bool(items) => {
                items.iter().enumerate().for_each(|(row, cell)| put(row, u8::from(*cell).into()));
            }
            Values::Json(items) => {
                for (row, cell) in items.iter().enumerate() {
                    put(row, number(cell).ok_or_else(|| not_numeric(&column.name))?);
                }
            }
        }
    }
    Ok(Tensor::new(vec![rows, width], Data::F64(cells)).expect("a cell for each row and column"))
}

/// Returns how many cells a column has.
pub(super) fn length(values: &Values) -> usize {
    match values {
        Values::F64(items) => items.len(),
        Values::I64(items) => items.len(),
        Values::Bool(items) => items.len(),
        Values::Json(items) => items.len(),
    }
}

/// Returns a cell as JSON says it; NaN is `null`.
pub(super) fn cell(values: &Values, row: usize) -> Value {
    match values {
        Values::F64(items) => items[row].into(),
        Values::I64(items) => items[row].into(),
        Values::Bool(items) => items[row].into(),
        Values::Json(items) => items[row].clone(),
    }
}

fn number(cell: &Value) -> Option<f64> {
    match cell {
        Value::Null => Some(f64::NAN),
        Value::Bool(yes) => Some(u8::from(*yes).into()),
        other => other.as_f64(),
    }
}

fn not_numeric(column: &str) -> CallError {
    unfit(format!("the column `{column}` is not numeric"))
}

/// Returns the elements as floats of 64 bits.
pub(super) fn floats(tensor: Tensor) -> Result<Vec<f64>, CallError> {
    Ok(match tensor.into_parts().1 {
        Data::F64(items) => items,
        Data::F32(items) => items.into_iter().map(f64::from).collect(),
        Data::I32(items) => items.into_iter().map(f64::from).collect(),
        Data::I64(items) => items.into_iter().map(|item| item as f64).collect(),
        Data::U64(items) => items.into_iter().map(|item| item as f64).collect(),
        Data::Bool(items) => items.into_iter().map(|item| u8::from(item).into()).collect(),
        Data::Str(_) => return Err(unfit("the model takes numbers, not text")),
    })
}

/// Returns the array with elements of the type that a graph's input declares.
pub(super) fn to_dtype(tensor: Tensor, dtype: &str) -> Result<Tensor, CallError> {
    let (shape, data) = tensor.into_parts();
    let data = match (data, dtype) {
        (data @ Data::F64(_), "float64")
        | (data @ Data::F32(_), "float32" | "float16")
        | (data @ Data::I64(_), "int64")
        | (data @ Data::I32(_), "int32")
        | (data @ Data::U64(_), "uint64")
        | (data @ Data::Bool(_), "bool")
        | (data @ Data::Str(_), "str") => data,
        (data, dtype) => convert(shape.clone(), data, dtype)?,
    };
    Ok(Tensor::new(shape, data).expect("a cast keeps the number of elements"))
}

fn convert(shape: Vec<usize>, data: Data, dtype: &str) -> Result<Data, CallError> {
    let whole = Tensor::new(shape, data).expect("taken apart a moment ago");
    if dtype == "str" {
        return Err(unfit("the model takes text, not numbers"));
    }
    let floats = floats(whole)?;
    let integer = |number: &f64| {
        let fits = number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0;
        fits.then_some(*number as i64)
            .ok_or_else(|| unfit(format!("{number} does not fit {dtype}")))
    };
    Ok(match dtype {
        "float64" => Data::F64(floats),
        "float32" | "float16" => Data::F32(floats.iter().map(|number| *number as f32).collect()),
        "int64" => Data::I64(floats.iter().map(integer).collect::<Result<_, _>>()?),
        // Narrower types have no width of their own here; the network narrows them itself.
        "int32" | "int16" | "int8" | "uint16" | "uint8" => {
            let narrow =
                |number| i32::try_from(integer(number)?).map_err(|error| unfit(error.to_string()));
            Data::I32(floats.iter().map(narrow).collect::<Result<_, _>>()?)
        }
        "uint64" => {
            let narrow =
                |number| u64::try_from(integer(number)?).map_err(|error| unfit(error.to_string()));
            Data::U64(floats.iter().map(narrow).collect::<Result<_, _>>()?)
        }
        "bool" => Data::Bool(floats.iter().map(|number| *number != 0.0).collect()),
        other => return Err(CallError::Internal(format!("no input can be made {other}"))),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::runtime::Column;

    #[test]
    fn a_table_becomes_rows() {
        let column = |values| Column { name: "a".to_owned(), values };
        let frame = Frame {
            columns: vec![
                column(Values::I64(vec![1, 2])),
                column(Values::Json(vec![json!(0.5), json!(true)])),
            ],
        };
        let expect = Tensor::new(vec![2, 2], Data::F64(vec![1.0, 0.5, 2.0, 1.0]));
        assert_eq!(tensor(Payload::Frame(frame)).ok(), expect);
    }

    #[test]
    fn a_cast_is_lossless_for_integers() {
        let given = |number| Tensor::vector(Data::F64(vec![number]));
        let expect = Tensor::vector(Data::I64(vec![3]));
        assert_eq!(to_dtype(given(3.0), "int64"), Ok(expect));
        assert!(to_dtype(given(3.5), "int64").is_err());
        assert!(to_dtype(given(3e9), "int32").is_err());
    }
}

//! Lists of records → tables and columns of pandas.

use serde_json::{Map, Value};
use wharf_spec::data_type::Frame as FrameType;

use super::{
    scalar::{self, Element, Missing, Refusal},
    wrong::{Class, WrongInput, other_type, repr},
};
use crate::runtime::{Column, Frame, Values};

/// Reads `{"values": [{column: value, …}, …]}`.
pub(crate) fn table(
    value: &Value,
    frame: &FrameType,
    missing: Missing,
) -> Result<Frame, WrongInput> {
    let Value::Object(map) = value else { return Err(other_type(value, "dict")) };
    let Some(rows) = map.get("values") else {
        return Err(WrongInput::new(Class::Key, "'values'")
            .hint("a table is sent as {\"values\": [{\"column\": value, …}, …]}"));
    };
    records(rows, frame, missing).map_err(|wrong| wrong.under("values"))
}

/// Reads `[{column: value, …}, …]`.
pub(crate) fn records(
    value: &Value,
    frame: &FrameType,
    missing: Missing,
) -> Result<Frame, WrongInput> {
    let rows = match value {
        Value::Array(rows) => rows,
        // pandas makes a table with one column, named 0, of a bare value; so MLEM said this.
        Value::String(_) => return Err(other_columns(["0"].into_iter(), frame)),
        other => return Err(other_type(other, "list")),
    };
    if rows.is_empty() {
        return Err(other_columns([].into_iter(), frame).hint("send at least one row"));
    }
    let rows = rows
        .iter()
        .enumerate()
        .map(|(index, row)| record(row, frame).map_err(|wrong| wrong.at(index)))
        .collect::<Result<Vec<_>, _>>()?;
    let columns = frame
        .columns
        .iter()
        .zip(&frame.dtypes)
        .map(|(name, dtype)| {
            let values = column(&rows, name, dtype, missing)?;
            Ok(Column { name: name.clone(), values })
        })
        .collect::<Result<_, WrongInput>>()?;
    Ok(Frame { columns })
}

fn record<'a>(row: &'a Value, frame: &FrameType) -> Result<&'a Map<String, Value>, WrongInput> {
    let Value::Object(record) = row else { return Err(other_type(row, "dict")) };
    let complete = frame.columns.iter().all(|name| record.contains_key(name));
    if complete && record.len() == frame.columns.len() {
        return Ok(record);
    }
    Err(other_columns(record.keys().map(String::as_str), frame))
}

fn other_columns<'a>(given: impl Iterator<Item = &'a str>, frame: &FrameType) -> WrongInput {
    let given: Vec<&str> = given.take(100).collect();
    let lacking = frame.columns.iter().find(|name| !given.contains(&name.as_str()));
    let wrong = WrongInput::form(format!(
        "given dataframe has columns: {}, expected: {}",
        repr(&Value::from(given.clone())),
        repr(&Value::from(frame.columns.clone()))
    ));
    match lacking {
        Some(name) => wrong.hint(format!("the column `{name}` is missing")),
        None => wrong.hint("leave out the columns that the model does not know"),
    }
}

fn column(
    rows: &[&Map<String, Value>],
    name: &str,
    dtype: &str,
    missing: Missing,
) -> Result<Values, WrongInput> {
    let cells = || rows.iter().map(|row| &row[name]);
    let element = Element::named(dtype);
    let holes = missing == Missing::Allowed && cells().any(Value::is_null);
    // Each list stops at the first cell that does not fit; its place is looked up afterwards.
    let read = match element {
        Element::F64 => {
            cells().map(|cell| scalar::float(cell, missing)).collect_values(Values::F64)
        }
        Element::F32 => cells()
            .map(|cell| scalar::float32(cell, missing).map(f64::from))
            .collect_values(Values::F64),
        Element::I32 { min, max } | Element::I64 { min, max } if !holes => {
            cells().map(|cell| scalar::bounded(cell, min, max)).collect_values(Values::I64)
        }
        Element::Bool if !holes => cells().map(scalar::truth).collect_values(Values::Bool),
        _ => cells().map(|cell| any_cell(cell, element, missing)).collect_values(Values::Json),
    };
    read.map_err(|(index, refusal)| {
        let cell = &rows[index][name];
        let unreadable = format!("{} could not be converted to {dtype}", repr(cell));
        refusal.explain(cell, dtype, unreadable).under(name).at(index)
    })
}

/// Reads a cell that travels as JSON: text, dates, whole numbers with holes between them.
fn any_cell(cell: &Value, element: Element, missing: Missing) -> Result<Value, Refusal> {
    match (cell, element) {
        (Value::Null, _) if missing == Missing::Allowed => Ok(Value::Null),
        (Value::Null, _) => Err(Refusal::Missing),
        (_, Element::I32 { min, max } | Element::I64 { min, max }) => {
            scalar::bounded(cell, min, max).map(Value::from)
        }
        (_, Element::U64) => {
            let number = scalar::integer(cell)?;
            u64::try_from(number).map(Value::from).map_err(|_| Refusal::Range)
        }
        (_, Element::Bool) => scalar::truth(cell).map(Value::Bool),
        (_, Element::Text) => scalar::text(cell).map(Value::String),
        (Value::Array(_) | Value::Object(_), _) => Err(Refusal::NotANumber),
        (other, _) => Ok(other.clone()),
    }
}

/// Collecting that remembers which cell was refused.
trait CollectValues<T>: Iterator<Item = Result<T, Refusal>> + Sized {
    fn collect_values(self, into: fn(Vec<T>) -> Values) -> Result<Values, (usize, Refusal)> {
        self.enumerate()
            .map(|(index, cell)| cell.map_err(|refusal| (index, refusal)))
            .collect::<Result<Vec<T>, _>>()
            .map(into)
    }
}

impl<T, I: Iterator<Item = Result<T, Refusal>>> CollectValues<T> for I {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn people() -> FrameType {
        let owned = |names: [&str; 3]| names.map(str::to_owned).to_vec();
        FrameType {
            columns: owned(["age", "income", "city"]),
            dtypes: owned(["int64", "float64", "str"]),
            index_cols: Vec::new(),
        }
    }

    fn wrong(value: &Value) -> (String, Option<String>) {
        let wrong = table(value, &people(), Missing::Refused).unwrap_err();
        (wrong.error(), wrong.under("data").field())
    }

    #[test]
    fn columns_come_in_any_order_and_leave_in_the_declared_one() {
        let body = json!({ "values": [{ "city": "Oslo", "income": 1, "age": 20.0 }] });
        let frame = table(&body, &people(), Missing::Refused).unwrap();
        let expect = [
            ("age", Values::I64(vec![20])),
            ("income", Values::F64(vec![1.0])),
            ("city", Values::Json(vec![json!("Oslo")])),
        ];
        let expect = expect.map(|(name, values)| Column { name: name.to_owned(), values });
        assert_eq!(frame.columns, expect);
    }

    #[test]
    fn a_wrong_cell_is_named_by_row_and_column() {
        let body = json!({ "values": [
            { "age": 1, "income": 1.0, "city": "a" },
            { "age": 33.7, "income": 1.0, "city": "a" },
        ] });
        let (error, field) = wrong(&body);
        assert_eq!(error, "DeserializationError: 33.7 would be cut to fit int64");
        assert_eq!(field.as_deref(), Some("data.values[1].age"));
    }

    #[test]
    fn wrong_tables_are_told_in_mlems_words() {
        let expect = "given dataframe has columns: ['age'], expected: ['age', 'income', 'city']";
        let (error, field) = wrong(&json!({ "values": [{ "age": 1 }] }));
        assert_eq!(error, format!("DeserializationError: {expect}"));
        assert_eq!(field.as_deref(), Some("data.values[0]"));
        let expect = "given data is of type: <class 'NoneType'>, expected: <class 'dict'>";
        assert_eq!(wrong(&json!(null)).0, format!("DeserializationError: {expect}"));
        assert_eq!(wrong(&json!({})).0, "KeyError: 'values'");
    }

    #[test]
    fn whole_numbers_with_holes_keep_being_whole() {
        let body = json!({ "values": [
            { "age": null, "income": null, "city": null },
            { "age": 9_007_199_254_740_993_i64, "income": 1, "city": "a" },
        ] });
        let frame = table(&body, &people(), Missing::Allowed).unwrap();
        let expect = Values::Json(vec![Value::Null, json!(9_007_199_254_740_993_i64)]);
        assert_eq!(frame.columns[0].values, expect);
    }
}

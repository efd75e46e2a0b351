//! Values that travel as JSON: Python's own types, lists and mappings.

use serde_json::{Map, Value};
use wharf_spec::data_type::DataType;

use super::{
    array::ArraySpec,
    frame,
    scalar::{self, Missing},
    wrong::{WrongInput, other_type, repr},
};
use crate::runtime::Payload;

/// Reads an argument of any type but `binary`.
pub(crate) fn read(
    value: &Value,
    data_type: &DataType,
    missing: Missing,
) -> Result<Payload, WrongInput> {
    if let Some(spec) = ArraySpec::of(data_type) {
        return spec.read(value, missing);
    }
    match data_type {
        DataType::DataFrame(columns) => frame::table(value, columns, missing).map(Payload::Frame),
        DataType::Series(columns) => frame::records(value, columns, missing).map(Payload::Frame),
        DataType::Lightgbm(dataset) => match value {
            // LightGBM's dataset with labels: only the data is predicted on.
            Value::Object(map) if map.contains_key("data") && dataset.labels.is_some() => {
                read(&map["data"], &dataset.inner, missing).map_err(|wrong| wrong.under("data"))
            }
            bare => read(bare, &dataset.inner, missing),
        },
        // Several arrays, as the inputs of an ONNX graph.
        DataType::List(list) | DataType::Tuple(list) if list.items.iter().any(is_array) => {
            let given = same_length(value, list.items.len())?.iter().zip(&list.items);
            given
                .enumerate()
                .map(|(index, (item, data_type))| {
                    read(item, data_type, missing).map_err(|wrong| wrong.at(index))
                })
                .collect::<Result<_, _>>()
                .map(Payload::List)
        }
        _ => nested(value, data_type, missing).map(Payload::Json),
    }
}

fn is_array(data_type: &DataType) -> bool {
    let is_table = matches!(data_type, DataType::DataFrame(_) | DataType::Series(_));
    is_table || ArraySpec::of(data_type).is_some()
}

fn same_length(value: &Value, expected: usize) -> Result<&Vec<Value>, WrongInput> {
    let given = items(value)?;
    if given.len() == expected {
        return Ok(given);
    }
    let given = given.len();
    Err(WrongInput::form(format!("given list has len: {given}, expected: {expected}")))
}

/// Reads a value inside others; what comes out is JSON again, with every leaf of its declared type.
fn nested(value: &Value, data_type: &DataType, missing: Missing) -> Result<Value, WrongInput> {
    match data_type {
        DataType::Primitive(primitive) => scalar::primitive(value, &primitive.ptype),
        DataType::Number(number) => scalar::number(value, &number.dtype, missing),
        DataType::Array(array) => items(value)?
            .iter()
            .enumerate()
            .map(|(index, item)| {
                nested(item, &array.dtype, missing).map_err(|wrong| wrong.at(index))
            })
            .collect::<Result<_, _>>()
            .map(Value::Array),
        DataType::List(list) | DataType::Tuple(list) => {
            let given = same_length(value, list.items.len())?.iter().zip(&list.items);
            given
                .enumerate()
                .map(|(index, (item, data_type))| {
                    nested(item, data_type, missing).map_err(|wrong| wrong.at(index))
                })
                .collect::<Result<_, _>>()
                .map(Value::Array)
        }
        DataType::Dict(dict) => mapping(value, &dict.item_types.0, missing),
        DataType::DynamicDict(dict) => entries(value)?
            .iter()
            .map(|(key, item)| {
                let item =
                    nested(item, &dict.value_type, missing).map_err(|wrong| wrong.under(key))?;
                Ok((key.clone(), item))
            })
            .collect::<Result<Map<_, _>, WrongInput>>()
            .map(Value::Object),
        // Checked as it would be on its own; inside others it stays the lists that it was.
        DataType::Ndarray(_)
        | DataType::Torch(_)
        | DataType::TfTensor(_)
        | DataType::CsrMatrix(_)
        | DataType::DMatrix(_)
        | DataType::DataFrame(_)
        | DataType::Series(_)
        | DataType::Lightgbm(_) => read(value, data_type, missing).map(|_| value.clone()),
        DataType::Unspecified(_) => Ok(value.clone()),
        DataType::Binary(_) => {
            Err(WrongInput::form("bytes cannot travel inside JSON").hint("send text in base64"))
        }
    }
}

fn items(value: &Value) -> Result<&Vec<Value>, WrongInput> {
    match value {
        Value::Array(items) => Ok(items),
        other => Err(other_type(other, "list")),
    }
}

fn entries(value: &Value) -> Result<&Map<String, Value>, WrongInput> {
    match value {
        Value::Object(map) => Ok(map),
        other => Err(other_type(other, "dict")),
    }
}

fn mapping(
    value: &Value,
    types: &[(String, DataType)],
    missing: Missing,
) -> Result<Value, WrongInput> {
    let given = entries(value)?;
    let complete = types.iter().all(|(key, _)| given.contains_key(key));
    if !complete || given.len() != types.len() {
        return Err(WrongInput::form(format!(
            "given dict has keys: {}, expected: {}",
            key_set(given.keys()),
            key_set(types.iter().map(|(key, _)| key))
        )));
    }
    types
        .iter()
        .map(|(key, data_type)| {
            let item = nested(&given[key], data_type, missing).map_err(|wrong| wrong.under(key))?;
            Ok((key.clone(), item))
        })
        .collect::<Result<Map<_, _>, WrongInput>>()
        .map(Value::Object)
}

/// Shows keys as a set of Python.
fn key_set<'a>(keys: impl Iterator<Item = &'a String>) -> String {
    let keys: Vec<String> = keys.take(50).map(|key| repr(&Value::String(key.clone()))).collect();
    format!("{{{}}}", keys.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(data_type: &Value, value: &Value) -> Result<Value, String> {
        let data_type: DataType = serde_json::from_value(data_type.clone()).unwrap();
        match read(value, &data_type, Missing::Refused) {
            Ok(Payload::Json(value)) => Ok(value),
            Ok(other) => panic!("{other:?}"),
            Err(wrong) => Err(format!(
                "{} at {}",
                wrong.error(),
                wrong.under("data").field().unwrap_or_default()
            )),
        }
    }

    #[test]
    fn a_mapping_has_exactly_its_keys() {
        let sums = json!({ "type": "dict", "item_types": {
            "a": { "type": "primitive", "ptype": "int" },
            "b": { "type": "primitive", "ptype": "int" },
        } });
        assert_eq!(check(&sums, &json!({ "b": 2, "a": 1 })), Ok(json!({ "a": 1, "b": 2 })));
        let expect = "DeserializationError: given dict has keys: {'a'}, expected: {'a', 'b'}";
        assert_eq!(check(&sums, &json!({ "a": 1 })), Err(format!("{expect} at data")));
        let wrong = check(&sums, &json!({ "a": 1, "b": "x" })).unwrap_err();
        assert!(wrong.ends_with("at data.b"), "{wrong}");
    }

    #[test]
    fn a_list_has_a_type_for_each_item_and_an_array_any_length() {
        let int = json!({ "type": "primitive", "ptype": "int" });
        let pair =
            json!({ "type": "tuple", "items": [int, { "type": "primitive", "ptype": "str" }] });
        assert_eq!(check(&pair, &json!([1, "a"])), Ok(json!([1, "a"])));
        let expect = "DeserializationError: given list has len: 1, expected: 2 at data";
        assert_eq!(check(&pair, &json!([1])), Err(expect.to_owned()));
        let array = json!({ "type": "array", "dtype": int, "size": 3 });
        assert_eq!(check(&array, &json!([1])), Ok(json!([1])));
        assert!(check(&array, &json!([1, "x"])).unwrap_err().ends_with("at data[1]"));
    }

    #[test]
    fn what_is_unspecified_takes_anything() {
        let any = json!({ "type": "unspecified" });
        assert_eq!(check(&any, &json!({ "x": [null] })), Ok(json!({ "x": [null] })));
    }
}

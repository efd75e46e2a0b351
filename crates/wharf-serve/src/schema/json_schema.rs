//! A signature → JSON Schema, with an example in each.

use serde_json::{Map, Value, json};
use wharf_spec::{
    data_type::{DataType, Frame},
    model::{Argument, Method},
};

use super::{sample, scalar::Element};

/// Returns the schema of a call's body.
pub(crate) fn of_body(method: &Method) -> Value {
    let properties: Map<String, Value> =
        method.args.iter().map(|argument| (argument.name.clone(), of_argument(argument))).collect();
    let required: Vec<&str> = method
        .args
        .iter()
        .filter(|argument| argument.required)
        .map(|argument| argument.name.as_str())
        .collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "examples": [sample::body(method)],
    })
}

/// Returns the schema of an answer.
pub(crate) fn of_answer(method: &Method) -> Value {
    let mut schema = of(&method.returns, Nulls::Allowed);
    put_example(&mut schema, sample::of(&method.returns));
    schema
}

fn of_argument(argument: &Argument) -> Value {
    let nulls = if argument.allows_missing { Nulls::Allowed } else { Nulls::Refused };
    let mut schema = of(&argument.data_type, nulls);
    if !argument.fields.is_empty() {
        let names: Vec<&str> = argument.fields.iter().map(|field| field.name.as_str()).collect();
        put(&mut schema, "description", json!(format!("columns: {}", names.join(", "))));
    }
    if let Some(default) = &argument.default {
        put(&mut schema, "default", default.clone());
    }
    put_example(&mut schema, sample::of(&argument.data_type));
    schema
}

/// Whether a number may be `null`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nulls {
    Allowed,
    Refused,
}

fn of(data_type: &DataType, nulls: Nulls) -> Value {
    match data_type {
        DataType::Primitive(primitive) => match primitive.ptype.as_str() {
            "int" => json!({ "type": "integer" }),
            "float" => json!({ "type": "number" }),
            "bool" => json!({ "type": "boolean" }),
            "str" => json!({ "type": "string" }),
            "NoneType" => json!({ "type": "null" }),
            _ => json!({}),
        },
        DataType::Number(number) => of_element(Element::named(&number.dtype), nulls),
        DataType::Array(array) => json!({ "type": "array", "items": of(&array.dtype, nulls) }),
        DataType::List(list) | DataType::Tuple(list) => {
            let items: Vec<Value> = list.items.iter().map(|item| of(item, nulls)).collect();
            let length = items.len();
            // `false`: nothing after these.
            json!({ "type": "array", "prefixItems": items, "items": false, "minItems": length })
        }
        DataType::Dict(dict) => {
            let items = dict.item_types.0.iter();
            let properties: Map<String, Value> =
                items.map(|(key, value)| (key.clone(), of(value, nulls))).collect();
            of_record(properties)
        }
        DataType::DynamicDict(dict) => {
            json!({ "type": "object", "additionalProperties": of(&dict.value_type, nulls) })
        }
        DataType::Ndarray(array) | DataType::Torch(array) | DataType::TfTensor(array) => {
            let element = Element::named(&array.dtype);
            array.shape.as_ref().map_or_else(|| json!({}), |shape| of_array(shape, element, nulls))
        }
        DataType::CsrMatrix(matrix) => {
            let columns = matrix.shape.as_ref().and_then(|shape| shape.get(1).copied().flatten());
            of_array(&[None, columns], Element::named(&matrix.dtype), nulls)
        }
        DataType::DMatrix(matrix) => {
            let columns = matrix.feature_names.as_ref().map(|names| names.len() as u64);
            of_array(&[None, columns], Element::F32, nulls)
        }
        DataType::DataFrame(frame) => {
            of_record(Map::from_iter([("values".to_owned(), of_rows(frame, nulls))]))
        }
        DataType::Series(frame) => of_rows(frame, nulls),
        DataType::Lightgbm(dataset) => of(&dataset.inner, nulls),
        DataType::Binary(_) => json!({ "type": "string", "format": "binary" }),
        DataType::Unspecified(_) => json!({}),
    }
}

/// An object with exactly these keys.
fn of_record(properties: Map<String, Value>) -> Value {
    let required: Vec<String> = properties.keys().cloned().collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn of_rows(frame: &Frame, nulls: Nulls) -> Value {
    let columns = frame.columns.iter().zip(&frame.dtypes);
    let properties: Map<String, Value> = columns
        .map(|(name, dtype)| {
            let cell = match Element::named(dtype) {
                Element::Any if dtype.starts_with("datetime") => {
                    json!({ "type": "string", "format": "date-time" })
                }
                element => of_element(element, nulls),
            };
            (name.clone(), cell)
        })
        .collect();
    json!({ "type": "array", "items": of_record(properties), "minItems": 1 })
}

fn of_array(shape: &[Option<u64>], element: Element, nulls: Nulls) -> Value {
    shape.iter().rev().fold(of_element(element, nulls), |inner, size| match size {
        Some(size) => {
            json!({ "type": "array", "items": inner, "minItems": size, "maxItems": size })
        }
        None => json!({ "type": "array", "items": inner }),
    })
}

fn of_element(element: Element, nulls: Nulls) -> Value {
    let mut schema = match element {
        Element::F64 | Element::F32 => json!({ "type": "number" }),
        Element::I32 { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Element::I64 { .. } => json!({ "type": "integer", "format": "int64" }),
        Element::U64 => json!({ "type": "integer", "format": "uint64", "minimum": 0 }),
        Element::Bool => json!({ "type": "boolean" }),
        Element::Text => json!({ "type": "string" }),
        Element::Any => return json!({}),
    };
    if nulls == Nulls::Allowed {
        let named = schema["type"].take();
        schema["type"] = json!([named, "null"]);
    }
    schema
}

fn put_example(schema: &mut Value, example: Value) {
    put(schema, "examples", json!([example]));
}

fn put(schema: &mut Value, key: &str, value: Value) {
    if let Value::Object(map) = schema {
        map.insert(key.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_axes_have_a_length_and_free_ones_none() {
        let iris = DataType::ndarray(vec![None, Some(4)], "float64");
        let expect = json!({ "type": "array", "items": {
            "type": "array", "items": { "type": "number" }, "minItems": 4, "maxItems": 4,
        } });
        assert_eq!(of(&iris, Nulls::Refused), expect);
        let missing = of(&DataType::ndarray(vec![], "float64"), Nulls::Allowed);
        assert_eq!(missing, json!({ "type": ["number", "null"] }));
    }
}

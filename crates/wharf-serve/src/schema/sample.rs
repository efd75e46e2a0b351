//! A body to start from, where the model's author gave no example: zeros and empty text of the right form.

use serde_json::{Map, Value, json};
use wharf_spec::{
    data_type::{DataType, Frame},
    model::{Argument, Method},
};

use super::scalar::Element;

/// Largest sample array; an image of 3 × 224 × 224 zeros helps nobody.
const MAX_SAMPLE: u64 = 4_096;

/// Returns the first example of a method, or a made-up body.
pub(crate) fn body(method: &Method) -> Map<String, Value> {
    if let Some(example) = method.examples.first() {
        return example.clone();
    }
    method
        .args
        .iter()
        .filter(|argument| argument.required)
        .map(|argument| (argument.name.clone(), of_argument(argument)))
        .collect()
}

fn of_argument(argument: &Argument) -> Value {
    let choices: Vec<Option<&Value>> =
        argument.fields.iter().map(|field| field.choices.first()).collect();
    match (of(&argument.data_type), &argument.data_type) {
        (Value::Array(rows), DataType::Ndarray(_)) if !choices.is_empty() => {
            let filled = |row: Value| match row {
                Value::Array(cells) => cells
                    .into_iter()
                    .zip(choices.iter().chain(std::iter::repeat(&None)))
                    .map(|(cell, choice)| choice.cloned().unwrap_or(cell))
                    .collect(),
                other => other,
            };
            Value::Array(rows.into_iter().map(filled).collect())
        }
        (sample, _) => sample,
    }
}

/// Returns a value of a type.
pub(crate) fn of(data_type: &DataType) -> Value {
    match data_type {
        DataType::Primitive(primitive) => match primitive.ptype.as_str() {
            "int" => json!(0),
            "float" | "complex" => json!(0.0),
            "bool" => json!(false),
            "str" => json!(""),
            _ => Value::Null,
        },
        DataType::Number(number) => of_element(Element::named(&number.dtype)),
        DataType::Array(array) => json!([of(&array.dtype)]),
        DataType::List(list) | DataType::Tuple(list) => list.items.iter().map(of).collect(),
        DataType::Dict(dict) => {
            dict.item_types.0.iter().map(|(key, value)| (key.clone(), of(value))).collect()
        }
        DataType::DynamicDict(dict) => json!({ "key": of(&dict.value_type) }),
        DataType::Ndarray(array) | DataType::Torch(array) | DataType::TfTensor(array) => {
            let shape = array.shape.clone().unwrap_or_else(|| vec![None]);
            of_array(&shape, Element::named(&array.dtype))
        }
        DataType::CsrMatrix(matrix) => {
            let columns = matrix.shape.as_ref().and_then(|shape| shape.get(1).copied().flatten());
            of_array(&[None, columns], Element::named(&matrix.dtype))
        }
        DataType::DMatrix(matrix) => {
            let columns = matrix.feature_names.as_ref().map(|names| names.len() as u64);
            of_array(&[None, columns], Element::F32)
        }
        DataType::DataFrame(frame) => json!({ "values": [of_row(frame)] }),
        DataType::Series(frame) => json!([of_row(frame)]),
        DataType::Lightgbm(dataset) => of(&dataset.inner),
        DataType::Binary(_) | DataType::Unspecified(_) => Value::Null,
    }
}

fn of_row(frame: &Frame) -> Value {
    let cells = frame.columns.iter().zip(&frame.dtypes);
    cells
        .map(|(name, dtype)| {
            let cell = match Element::named(dtype) {
                Element::Any if dtype.starts_with("datetime") => json!("2026-01-01"),
                Element::Any => json!(""),
                element => of_element(element),
            };
            (name.clone(), cell)
        })
        .collect()
}

fn of_array(shape: &[Option<u64>], element: Element) -> Value {
    let elements: u64 =
        shape.iter().fold(1, |product, size| product.saturating_mul(size.unwrap_or(1)));
    if elements > MAX_SAMPLE {
        return json!([]);
    }
    shape.iter().rev().fold(of_element(element), |inner, size| {
        let length = usize::try_from(size.unwrap_or(1)).unwrap_or(1);
        Value::Array(vec![inner; length])
    })
}

fn of_element(element: Element) -> Value {
    match element {
        Element::F64 | Element::F32 => json!(0.0),
        Element::I32 { .. } | Element::I64 { .. } | Element::U64 => json!(0),
        Element::Bool => json!(false),
        Element::Text => json!(""),
        Element::Any => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_the_declared_form() {
        let array = |shape: &[Option<u64>]| of(&DataType::ndarray(shape.to_vec(), "float64"));
        assert_eq!(array(&[None, Some(3)]), json!([[0.0, 0.0, 0.0]]));
        assert_eq!(array(&[]), json!(0.0));
        assert_eq!(array(&[None, Some(3), Some(224), Some(224)]), json!([]));
        assert_eq!(array(&[Some(u64::MAX), Some(u64::MAX)]), json!([]));
    }
}

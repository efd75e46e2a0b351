//! About how many bytes arguments take in memory, for what bounds those that wait.

use serde_json::Value;
use wharf_model::tensor::Data;

use super::{Payload, Values};

/// Returns the weight of a call's arguments.
pub(crate) fn of_inputs(inputs: &[Option<Payload>]) -> usize {
    inputs.iter().flatten().map(of_payload).sum()
}

fn of_payload(payload: &Payload) -> usize {
    match payload {
        Payload::Tensor(tensor) => match tensor.data() {
            Data::Bool(items) => items.len(),
            Data::F32(_) | Data::I32(_) => tensor.data().len() * 4,
            Data::F64(_) | Data::I64(_) | Data::U64(_) => tensor.data().len() * 8,
            Data::Str(items) => items.iter().map(|text| text.len() + size_of::<String>()).sum(),
        },
        Payload::Frame(frame) => frame.columns.iter().map(|column| of_values(&column.values)).sum(),
        Payload::Json(value) => of_json(value),
        Payload::Binary(content) => content.len(),
        Payload::List(items) => items.iter().map(of_payload).sum(),
    }
}

fn of_values(values: &Values) -> usize {
    match values {
        Values::F64(items) => items.len() * 8,
        Values::I64(items) => items.len() * 8,
        Values::Bool(items) => items.len(),
        Values::Json(items) => items.iter().map(of_json).sum(),
    }
}

fn of_json(value: &Value) -> usize {
    let inside = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(of_json).sum(),
        Value::Object(items) => items.iter().map(|(key, item)| key.len() + of_json(item)).sum(),
    };
    inside + size_of::<Value>()
}

//! Answers of methods → the tensors of the protocol, and the body that carries them.

use bytes::Bytes;
use serde_json::Value;
use wharf_model::tensor::{Data, Tensor};
use wharf_spec::data_type::DataType;

use super::{
    classes,
    datatype::Datatype,
    request::Wanted,
    signature::{Output, Part, Port},
    tensor::{Elements, V2Tensor},
};
use crate::{
    runtime::{Payload, Values},
    schema::answer::{self, Written},
};

/// Returns the tensor of an output from its method's answer, or why it has not what is wanted.
pub(crate) fn tensor(
    output: &Output,
    answer: &Payload,
    wanted: Wanted,
    labels: &[Value],
) -> Result<V2Tensor, String> {
    let tensor = match (output.part, answer) {
        (Part::Item(index), Payload::List(items)) if index < items.len() => {
            of_payload(&output.port, &items[index])
        }
        (Part::Column(index), Payload::Frame(frame)) if index < frame.columns.len() => {
            of_column(&output.port, &frame.columns[index].values)
        }
        (_, whole) => of_payload(&output.port, whole),
    };
    match wanted.classes {
        None => Ok(tensor),
        Some(count) => classes::best(&tensor, count, labels)
            .ok_or_else(|| format!("the output `{}` has no scores of classes", tensor.name)),
    }
}

fn of_payload(port: &Port, payload: &Payload) -> V2Tensor {
    match payload {
        Payload::Tensor(tensor) => of_data(port, tensor.shape().to_vec(), tensor.data().clone()),
        Payload::Json(value) => of_json(port, value),
        Payload::Binary(bytes) => of_texts(port, vec![1], vec![bytes.clone()]),
        // Not what the signature promised; as JSON it can be read all the same.
        Payload::Frame(_) | Payload::List(_) => {
            let json = match answer::write(payload.clone(), &DataType::unspecified()) {
                Written::Json(json) => Bytes::from(json),
                Written::Bytes(bytes) => bytes,
            };
            of_texts(port, vec![1], vec![json])
        }
    }
}

fn of_column(port: &Port, values: &Values) -> V2Tensor {
    match values {
        Values::F64(items) => of_data(port, vec![items.len()], Data::F64(items.clone())),
        Values::I64(items) => of_data(port, vec![items.len()], Data::I64(items.clone())),
        Values::Bool(items) => of_data(port, vec![items.len()], Data::Bool(items.clone())),
        Values::Json(items) => of_values(port, vec![items.len()], items),
    }
}

fn of_json(port: &Port, value: &Value) -> V2Tensor {
    match value {
        Value::Array(items) if port.shape == [-1] => of_values(port, vec![items.len()], items),
        one => of_values(port, vec![1], std::slice::from_ref(one)),
    }
}

/// Returns plain values as the tensor of their declared type, else as text: what is none as its JSON.
fn of_values(port: &Port, shape: Vec<usize>, values: &[Value]) -> V2Tensor {
    let floats =
        || values.iter().map(|value| if value.is_null() { Some(f64::NAN) } else { value.as_f64() });
    let data = match port.datatype {
        Datatype::Fp64 => floats().collect::<Option<_>>().map(Data::F64),
        Datatype::Fp32 => {
            floats().map(|number| Some(number? as f32)).collect::<Option<_>>().map(Data::F32)
        }
        Datatype::Bool => values.iter().map(Value::as_bool).collect::<Option<_>>().map(Data::Bool),
        Datatype::Uint64 => values.iter().map(Value::as_u64).collect::<Option<_>>().map(Data::U64),
        datatype if datatype.bounds().is_some() => {
            values.iter().map(Value::as_i64).collect::<Option<_>>().map(Data::I64)
        }
        _ => None,
    };
    if let Some(data) = data {
        return of_data(port, shape, data);
    }
    let text = |value: &Value| match value {
        Value::String(text) => Bytes::copy_from_slice(text.as_bytes()),
        other => Bytes::from(other.to_string()),
    };
    of_texts(port, shape, values.iter().map(text).collect())
}

fn of_data(port: &Port, mut shape: Vec<usize>, data: Data) -> V2Tensor {
    if shape.is_empty() {
        // One value is a list of one here.
        shape.push(1);
    }
    let datatype = fitting(port.datatype, &data);
    let elements = match data {
        Data::Str(texts) => Elements::Texts(texts.into_iter().map(Bytes::from).collect()),
        numbers => Elements::Numbers(numbers),
    };
    V2Tensor { name: port.name.clone(), datatype, shape, elements }
}

fn of_texts(port: &Port, shape: Vec<usize>, texts: Vec<Bytes>) -> V2Tensor {
    let elements = Elements::Texts(texts);
    V2Tensor { name: port.name.clone(), datatype: Datatype::Bytes, shape, elements }
}

/// Returns the declared type where it holds every element, else the one in which they are.
fn fitting(declared: Datatype, data: &Data) -> Datatype {
    let within = |(min, max): (i64, i64)| match data {
        Data::I32(items) => items.iter().all(|item| (min..=max).contains(&i64::from(*item))),
        Data::I64(items) => items.iter().all(|item| (min..=max).contains(item)),
        _ => false,
    };
    let same_holder = Elements::none(declared).holds_as(data);
    if same_holder && declared.bounds().is_some_and(within) {
        declared
    } else {
        Datatype::of_data(data)
    }
}

/// The body of an answer: JSON, and the tensors behind it that were asked for in binary.
#[derive(Debug)]
pub(crate) struct InferBody {
    pub(crate) bytes: Vec<u8>,
    /// How many of the bytes are JSON, where not all of them are.
    pub(crate) json_length: Option<usize>,
}

/// Writes an answer; each tensor with whether it goes in binary.
pub(crate) fn body(model: &str, id: Option<&str>, tensors: Vec<(V2Tensor, bool)>) -> InferBody {
    let (mut json, mut binary) = (Vec::with_capacity(256), Vec::new());
    let put = |json: &mut Vec<u8>, text: &str| json.extend_from_slice(text.as_bytes());
    let has_binary = tensors.iter().any(|(_, binary)| *binary);
    put(&mut json, &format!("{{\"model_name\":{},\"model_version\":\"{VERSION}\",", quoted(model)));
    if let Some(id) = id {
        put(&mut json, &format!("\"id\":{},", quoted(id)));
    }
    put(&mut json, "\"outputs\":[");
    for (index, (tensor, in_binary)) in tensors.into_iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let (name, word, shape) = (quoted(&tensor.name), tensor.datatype.word(), &tensor.shape);
        put(
            &mut json,
            &format!("{comma}{{\"name\":{name},\"datatype\":\"{word}\",\"shape\":{shape:?},"),
        );
        if in_binary {
            let before = binary.len();
            tensor.elements.write_bytes(tensor.datatype, &mut binary);
            let size = binary.len() - before;
            put(&mut json, &format!("\"parameters\":{{\"binary_data_size\":{size}}}}}"));
        } else {
            put(&mut json, "\"data\":");
            json.extend_from_slice(&flat(tensor.elements));
            put(&mut json, "}");
        }
    }
    put(&mut json, "]}");
    let json_length = has_binary.then_some(json.len());
    json.append(&mut binary);
    InferBody { bytes: json, json_length }
}

/// The only version of a model.
pub(crate) const VERSION: &str = "1";

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// Returns the elements as one flat list; what is no number in JSON is `null`.
fn flat(elements: Elements) -> Vec<u8> {
    let data = match elements {
        Elements::Numbers(data) => data,
        // JSON has no bytes; whoever needs them asks for binary.
        Elements::Texts(texts) => {
            Data::Str(texts.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect())
        }
    };
    match answer::write(Payload::Tensor(Tensor::vector(data)), &DataType::unspecified()) {
        Written::Json(json) => json,
        Written::Bytes(bytes) => bytes.into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn port(datatype: Datatype) -> Port {
        Port { name: "predict".to_owned(), datatype, shape: vec![-1] }
    }

    fn check(datatype: Datatype, payload: &Payload, expect: &Value) {
        let tensor = of_payload(&port(datatype), payload);
        let body = body("m", None, vec![(tensor, false)]);
        let json: Value = serde_json::from_slice(&body.bytes).unwrap();
        let output = &json["outputs"][0];
        assert_eq!(json!([output["datatype"], output["shape"], output["data"]]), *expect);
    }

    fn vector(data: Data) -> Payload {
        Payload::Tensor(Tensor::vector(data))
    }

    #[test]
    fn an_answer_has_its_declared_type_where_that_holds_it() {
        check(Datatype::Uint8, &vector(Data::I32(vec![255])), &json!(["UINT8", [1], [255]]));
        check(Datatype::Uint8, &vector(Data::I32(vec![256])), &json!(["INT32", [1], [256]]));
        check(Datatype::Int64, &vector(Data::F32(vec![0.1])), &json!(["FP32", [1], [0.1]]));
        check(Datatype::Fp64, &vector(Data::F64(vec![f64::NAN])), &json!(["FP64", [1], [null]]));
    }

    #[test]
    fn plain_values_are_tensors_and_all_else_is_text() {
        check(Datatype::Int64, &Payload::Json(json!([1, 2])), &json!(["INT64", [2], [1, 2]]));
        check(Datatype::Fp64, &Payload::Json(json!(3)), &json!(["FP64", [1], [3.0]]));
        check(Datatype::Bytes, &Payload::Json(json!("a")), &json!(["BYTES", [1], ["a"]]));
        check(
            Datatype::Bytes,
            &Payload::Json(json!({ "a": 1 })),
            &json!(["BYTES", [1], ["{\"a\":1}"]]),
        );
        check(Datatype::Int64, &Payload::Json(json!([1, "x"])), &json!(["BYTES", [2], ["1", "x"]]));
    }

    #[test]
    fn binary_tensors_lie_behind_the_json_in_order() {
        let tensor = |data| of_data(&port(Datatype::Fp32), vec![1], data);
        let (first, second) = (tensor(Data::F32(vec![1.5])), tensor(Data::I64(vec![7])));
        let body = body("m", Some("a\"b"), vec![(first, true), (second, true)]);
        let (json, binary) = body.bytes.split_at(body.json_length.unwrap());
        let json: Value = serde_json::from_slice(json).unwrap();
        assert_eq!(json["id"], "a\"b");
        assert_eq!(json["outputs"][1]["parameters"]["binary_data_size"], 8);
        assert!(json["outputs"][0].get("data").is_none());
        assert_eq!(binary, [&1.5_f32.to_le_bytes()[..], &7_i64.to_le_bytes()].concat());
    }
}

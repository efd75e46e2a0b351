//! A batch → a request of the Open Inference Protocol; its answer → the values of each row.

use bytes::Bytes;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    rows::Batch,
    server::Message,
    signature::{Datatype, RowsOfCall, Signature},
};

/// Writes the request for a batch.
pub(super) fn request(signature: &Signature, batch: &Batch) -> Message {
    let inputs = signature.inputs.iter().zip(&batch.inputs).map(|(port, tensor)| {
        json!({
            "name": port.name,
            "datatype": port.datatype,
            "shape": tensor.shape,
            "parameters": { "binary_data_size": tensor.bytes.len() },
        })
    });
    let outputs = signature
        .outputs
        .iter()
        .map(|port| json!({ "name": port.name, "parameters": { "binary_data": true } }));
    let request = json!({
        "inputs": inputs.collect::<Vec<_>>(),
        "outputs": outputs.collect::<Vec<_>>(),
    });
    let mut body = request.to_string().into_bytes();
    let json_length = Some(body.len());
    for tensor in &batch.inputs {
        body.extend_from_slice(&tensor.bytes);
    }
    Message { body: body.into(), json_length }
}

/// The values of one output, for each row of a batch.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Column {
    pub(super) name: String,
    /// How many values a row has; `None` for one value that is no list.
    pub(super) width: Option<usize>,
    /// All of them, row by row.
    pub(super) values: Values,
}

/// Values as the server gave them.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Values {
    F32(Vec<f32>),
    F64(Vec<f64>),
    I64(Vec<i64>),
    U64(Vec<u64>),
    Bool(Vec<bool>),
    Json(Vec<Value>),
}

#[derive(Deserialize)]
struct Answer {
    outputs: Vec<Output>,
}

#[derive(Deserialize)]
struct Output {
    name: String,
    datatype: Datatype,
    shape: Vec<usize>,
    parameters: Parameters,
}

#[derive(Deserialize)]
struct Parameters {
    binary_data_size: usize,
}

/// Reads the answer to a batch, or says what is wrong with it.
pub(super) fn answer(
    signature: &Signature,
    rows: usize,
    message: &Message,
) -> Result<Vec<Column>, String> {
    let length = message.json_length.unwrap_or(message.body.len()).min(message.body.len());
    let answer: Answer = read(&message.body[..length])?;
    let mut rest = message.body.slice(length..);
    if answer.outputs.len() != signature.outputs.len() {
        return Err("it has not the outputs that were asked for".to_owned());
    }
    let mut columns = Vec::with_capacity(answer.outputs.len());
    for (output, port) in answer.outputs.into_iter().zip(&signature.outputs) {
        let size = output.parameters.binary_data_size;
        if size > rest.len() || output.name != port.name {
            return Err(format!("its output `{}` is not what was asked for", port.name));
        }
        let bytes = rest.split_to(size);
        let declared_whole = port.shape == [1];
        columns.push(column(output, &bytes, rows, declared_whole, signature.rows)?);
    }
    Ok(columns)
}

fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, String> {
    serde_json::from_slice(json).map_err(|error| error.to_string())
}

fn column(
    output: Output,
    bytes: &Bytes,
    rows: usize,
    declared_whole: bool,
    rows_of_call: RowsOfCall,
) -> Result<Column, String> {
    let Output { name, datatype, shape, .. } = output;
    let values = values(datatype, bytes)?;
    let count = values.len();
    if rows_of_call == RowsOfCall::One {
        return Ok(Column { name, width: None, values: whole(values, declared_whole) });
    }
    // An answer of which nothing is known is one text, a list in JSON.
    if declared_whole
        && let Values::Json(texts) = &values
        && let [Value::String(text)] = &texts[..]
        && let Ok(list) = serde_json::from_str::<Vec<Value>>(text)
        && list.len() == rows
    {
        return Ok(Column { name, width: None, values: Values::Json(list) });
    }
    if shape.first() != Some(&rows) || !count.is_multiple_of(rows) {
        return Err(format!("its output `{name}` has shape {shape:?} for {rows} rows"));
    }
    let width = (shape.len() > 1).then(|| count / rows);
    Ok(Column { name, width, values })
}

/// Returns the answer to one row as one value.
fn whole(values: Values, declared_whole: bool) -> Values {
    let mut list: Vec<Value> = match values {
        Values::Json(texts) => texts,
        numbers if numbers.len() == 1 => return numbers,
        numbers => (0..numbers.len()).map(|index| numbers.json(index)).collect(),
    };
    let one = match &list[..] {
        // Whatever has no type of its own travels as JSON in a text.
        [Value::String(text)] if declared_whole && text.starts_with(['[', '{']) => {
            serde_json::from_str(text).unwrap_or_else(|_| list.remove(0))
        }
        [_] => list.remove(0),
        _ => Value::Array(list),
    };
    Values::Json(vec![one])
}

fn values(datatype: Datatype, bytes: &Bytes) -> Result<Values, String> {
    Ok(match datatype {
        Datatype::Bool => Values::Bool(bytes.iter().map(|byte| *byte != 0).collect()),
        Datatype::Uint8 => Values::I64(items(bytes, |[byte]: [u8; 1]| byte.into())?),
        Datatype::Uint16 => Values::I64(items(bytes, |item| u16::from_le_bytes(item).into())?),
        Datatype::Uint32 => Values::I64(items(bytes, |item| u32::from_le_bytes(item).into())?),
        Datatype::Uint64 => Values::U64(items(bytes, u64::from_le_bytes)?),
        Datatype::Int8 => Values::I64(items(bytes, |item| i8::from_le_bytes(item).into())?),
        Datatype::Int16 => Values::I64(items(bytes, |item| i16::from_le_bytes(item).into())?),
        Datatype::Int32 => Values::I64(items(bytes, |item| i32::from_le_bytes(item).into())?),
        Datatype::Int64 => Values::I64(items(bytes, i64::from_le_bytes)?),
        Datatype::Fp32 => Values::F32(items(bytes, f32::from_le_bytes)?),
        Datatype::Fp64 => Values::F64(items(bytes, f64::from_le_bytes)?),
        Datatype::Bytes => Values::Json(texts(bytes)?),
        Datatype::Fp16 | Datatype::Bf16 => {
            return Err("floats of 16 bits are not read".to_owned());
        }
    })
}

fn items<T, const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Result<Vec<T>, String> {
    match bytes.as_chunks::<N>() {
        (chunks, []) => Ok(chunks.iter().map(|chunk| read(*chunk)).collect()),
        _ => Err("a tensor ends within an element".to_owned()),
    }
}

fn texts(mut bytes: &[u8]) -> Result<Vec<Value>, String> {
    let mut texts = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let (text, rest) =
            rest.split_at_checked(length).ok_or_else(|| "a text is cut off".to_owned())?;
        texts.push(Value::from(String::from_utf8_lossy(text)));
        bytes = rest;
    }
    if bytes.is_empty() { Ok(texts) } else { Err("a text is cut off".to_owned()) }
}

impl Values {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::F32(items) => items.len(),
            Self::F64(items) => items.len(),
            Self::I64(items) => items.len(),
            Self::U64(items) => items.len(),
            Self::Bool(items) => items.len(),
            Self::Json(items) => items.len(),
        }
    }

    fn json(&self, index: usize) -> Value {
        match self {
            // By way of its text: 0.1 stays 0.1.
            Self::F32(items) => items[index].to_string().parse::<f64>().unwrap_or(f64::NAN).into(),
            Self::F64(items) => items[index].into(),
            Self::I64(items) => items[index].into(),
            Self::U64(items) => items[index].into(),
            Self::Bool(items) => items[index].into(),
            Self::Json(items) => items[index].clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(datatype: &str, shape: &[i64], rows: RowsOfCall) -> Signature {
        let port = json!([{ "name": "predict", "datatype": datatype, "shape": shape }]);
        Signature {
            path: String::new(),
            inputs: Vec::new(),
            outputs: serde_json::from_value(port).unwrap(),
            rows,
        }
    }

    fn message(datatype: &str, shape: &[usize], bytes: &[u8]) -> Message {
        let json = json!({ "outputs": [{
            "name": "predict", "datatype": datatype, "shape": shape,
            "parameters": { "binary_data_size": bytes.len() },
        }] })
        .to_string();
        let json_length = Some(json.len());
        Message { body: [json.as_bytes(), bytes].concat().into(), json_length }
    }

    #[test]
    fn a_request_announces_its_tensors() {
        let port = json!([{ "name": "data", "datatype": "FP32", "shape": [-1, 2] }]);
        let many = signature("FP32", &[-1], RowsOfCall::Many);
        let signature = Signature { inputs: serde_json::from_value(port).unwrap(), ..many };
        let tensor = super::super::rows::Tensor { shape: vec![1, 2], bytes: vec![7; 8] };
        let batch = Batch { rows: 1, first_line: 2, last_line: 2, inputs: vec![tensor], read: 0 };
        let message = request(&signature, &batch);
        let (json, binary) = message.body.split_at(message.json_length.unwrap());
        let json: Value = serde_json::from_slice(json).unwrap();
        assert_eq!(json["inputs"][0]["shape"], json!([1, 2]));
        assert_eq!(json["inputs"][0]["parameters"]["binary_data_size"], 8);
        assert_eq!(json["outputs"][0]["parameters"]["binary_data"], true);
        assert_eq!(binary, [7; 8]);
    }

    #[test]
    fn answers_have_values_for_each_row() {
        let many = signature("FP32", &[-1, 2], RowsOfCall::Many);
        let bytes = [0.5_f32, 0.5, 1.0, 0.0].map(f32::to_le_bytes).concat();
        let columns = answer(&many, 2, &message("FP32", &[2, 2], &bytes)).unwrap();
        assert_eq!(columns[0].width, Some(2));
        assert_eq!(columns[0].values, Values::F32(vec![0.5, 0.5, 1.0, 0.0]));
        let columns = answer(&many, 4, &message("FP32", &[4], &bytes)).unwrap();
        assert_eq!(columns[0].width, None);
        let texts = b"\x01\0\0\0a\0\0\0\0";
        let columns = answer(&many, 2, &message("BYTES", &[2], texts)).unwrap();
        assert_eq!(columns[0].values, Values::Json(vec!["a".into(), "".into()]));
    }

    #[test]
    fn an_answer_of_which_nothing_is_known_is_a_list_or_one_value() {
        let many = signature("BYTES", &[1], RowsOfCall::Many);
        let list = b"\x0b\0\0\0[1, \"a\", 2]";
        let columns = answer(&many, 3, &message("BYTES", &[1], list)).unwrap();
        assert_eq!(columns[0].values, Values::Json(vec![1.into(), "a".into(), 2.into()]));
        let one = signature("BYTES", &[1], RowsOfCall::One);
        let columns = answer(&one, 1, &message("BYTES", &[1], list)).unwrap();
        assert_eq!(columns[0].values, Values::Json(vec![json!([1, "a", 2])]));
    }

    #[test]
    fn answers_that_lie_are_refused() {
        let many = signature("FP32", &[-1], RowsOfCall::Many);
        let check = |message: &Message, expect: &str| {
            let why = answer(&many, 2, message).unwrap_err();
            assert!(why.contains(expect), "{why}");
        };
        check(&message("FP32", &[1], &[0; 4]), "shape [1] for 2 rows");
        check(&message("FP32", &[2], &[0; 7]), "within an element");
        check(&message("BYTES", &[2], &[255; 9]), "cut off");
        let mut short = message("FP32", &[2], &[0; 8]);
        short.body.truncate(short.body.len() - 1);
        check(&short, "not what was asked for");
        check(&Message { body: Bytes::from_static(b"{}"), json_length: None }, "missing field");
    }
}

//! The body of an inference: JSON, and behind it the tensors that it announces as binary.

use std::fmt;

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    datatype::Datatype,
    leaves,
    signature::Signature,
    tensor::{self, Elements, V2Tensor},
};
use crate::schema::scalar::Missing;

/// A request, read whole.
#[derive(Debug, PartialEq)]
pub(crate) struct InferRequest {
    pub(crate) id: Option<String>,
    pub(crate) inputs: Vec<V2Tensor>,
    /// In the order asked for; all of them where none was.
    pub(crate) wanted: Vec<Wanted>,
}

/// An output that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Its place in the signature.
    pub(crate) output: usize,
    pub(crate) binary: bool,
    /// How many of the best classes to name in place of the numbers.
    pub(crate) classes: Option<usize>,
}

/// The JSON as it stands; what is not named here is ignored.
#[derive(Deserialize)]
struct Body<'a> {
    id: Option<String>,
    #[serde(default)]
    parameters: Parameters,
    #[serde(borrow, deserialize_with = "few")]
    inputs: Vec<Part<'a>>,
    #[serde(borrow, default, deserialize_with = "few")]
    outputs: Vec<Part<'a>>,
}

/// Reads a list whose items take more memory than they have bytes.
fn few<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Part<'de>>, D::Error> {
    deserializer.deserialize_seq(Few)
}

struct Few;

impl<'de> Visitor<'de> for Few {
    type Value = Vec<Part<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of tensors")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        /// More than the columns of any table that somebody sends as tensors.
        const MAX_TENSORS: usize = 10_000;
        let mut parts = Vec::new();
        while let Some(part) = list.next_element()? {
            if parts.len() == MAX_TENSORS {
                return Err(A::Error::custom(format_args!("more than {MAX_TENSORS} tensors")));
            }
            parts.push(part);
        }
        Ok(parts)
    }
}

/// A tensor that comes, or one that is asked for.
#[derive(Deserialize)]
struct Part<'a> {
    name: String,
    #[serde(default)]
    datatype: String,
    #[serde(default)]
    shape: Vec<i64>,
    #[serde(default)]
    parameters: Parameters,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Parameters {
    binary_data_size: Option<usize>,
    binary_data: Option<bool>,
    binary_data_output: Option<bool>,
    classification: Option<usize>,
    shared_memory_region: Option<String>,
}

impl InferRequest {
    /// Reads a body whose first `json_length` bytes are JSON; without a length all of them are.
    pub(crate) fn read(
        body: &Bytes,
        json_length: Option<usize>,
        signature: &Signature,
    ) -> Result<Self, String> {
        let length = json_length.unwrap_or(body.len());
        if length > body.len() {
            return Err(format!(
                "the JSON should have {length} bytes, the body has {}",
                body.len()
            ));
        }
        let mut binary = Binary { rest: body.slice(length..), announced: json_length.is_some() };
        let parsed: Body<'_> = serde_json::from_slice(&body[..length])
            .map_err(|error| format!("the body cannot be read: {error}"))?;
        let inputs = parsed.inputs.into_iter().map(|part| input(part, &mut binary, signature));
        let inputs = inputs.collect::<Result<_, _>>()?;
        if !binary.rest.is_empty() {
            let more = binary.rest.len();
            return Err(format!("{more} bytes follow the last tensor that the JSON announces"));
        }
        let binary = parsed.parameters.binary_data_output.unwrap_or(false);
        Ok(Self { id: parsed.id, inputs, wanted: wanted(parsed.outputs, binary, signature)? })
    }
}

/// The tensors behind the JSON that were not taken yet.
struct Binary {
    rest: Bytes,
    announced: bool,
}

impl Binary {
    fn take(&mut self, size: usize) -> Result<Bytes, String> {
        if !self.announced {
            return Err("binary data needs the header `Inference-Header-Content-Length`".to_owned());
        }
        if size > self.rest.len() {
            return Err(format!("{size} bytes are announced, {} are left", self.rest.len()));
        }
        Ok(self.rest.split_to(size))
    }
}

fn input(part: Part<'_>, binary: &mut Binary, signature: &Signature) -> Result<V2Tensor, String> {
    let Some(input) = signature.input(&part.name) else {
        let names = signature.input_names();
        return Err(format!("there is no input `{}`; the model takes {names}", shown(&part.name)));
    };
    let named = |why: String| format!("the input `{}`: {why}", part.name);
    let datatype = Datatype::named(&part.datatype)
        .ok_or_else(|| named(format!("`{}` is no datatype", shown(&part.datatype))))?;
    let (shape, count) = tensor::shape(&part.shape).map_err(named)?;
    let parameters = part.parameters;
    let elements = match (parameters.binary_data_size, part.data) {
        _ if parameters.shared_memory_region.is_some() => {
            Err("shared memory is not supported".to_owned())
        }
        (Some(_), Some(_)) => Err("it comes as `data` and in binary".to_owned()),
        (Some(size), None) => {
            binary.take(size).and_then(|bytes| Elements::from_bytes(datatype, count, bytes))
        }
        (None, Some(data)) => {
            let missing = if input.missing { Missing::Allowed } else { Missing::Refused };
            leaves::read(datatype, count, missing, data.get())
        }
        (None, None) => Err("it has no `data`".to_owned()),
    };
    let elements = elements.map_err(named)?;
    Ok(V2Tensor { name: part.name, datatype, shape, elements })
}

fn wanted(
    parts: Vec<Part<'_>>,
    binary: bool,
    signature: &Signature,
) -> Result<Vec<Wanted>, String> {
    if parts.is_empty() {
        let all = 0..signature.outputs.len();
        return Ok(all.map(|output| Wanted { output, binary, classes: None }).collect());
    }
    if parts.len() > signature.outputs.len() {
        return Err(format!(
            "the model has {} outputs, {} are asked for",
            signature.outputs.len(),
            parts.len()
        ));
    }
    let wanted = parts.into_iter().map(|part| {
        let output = signature.outputs.iter().position(|output| output.port.name == part.name);
        let output = output.ok_or_else(|| {
            let names = signature.output_names();
            format!("there is no output `{}`; the model gives {names}", shown(&part.name))
        })?;
        if part.parameters.shared_memory_region.is_some() {
            return Err("shared memory is not supported".to_owned());
        }
        let binary = part.parameters.binary_data.unwrap_or(binary);
        Ok(Wanted {
            output,
            binary,
            classes: part.parameters.classification.filter(|count| *count > 0),
        })
    });
    wanted.collect()
}

/// A name that somebody sent may be as long as the body.
fn shown(name: &str) -> &str {
    const SHOWN: usize = 60;
    &name[..name.floor_char_boundary(SHOWN)]
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wharf_model::tensor::Data;

    use super::*;

    fn signature() -> Signature {
        let array = json!({ "type": "ndarray", "shape": [null, 2], "dtype": "float32" });
        let args = json!([{ "name": "data", "required": true, "data_type": array }]);
        let card = json!({
            "schema": "wharf.model/v1", "name": "m", "kind": "callable", "runtime": "python",
            "reason": "a test", "entry": "model", "files": [],
            "methods": [
                { "name": "predict", "steps": [], "args": args, "returns": array },
                { "name": "other", "steps": [], "args": args, "returns": array },
            ],
        });
        Signature::new(&serde_json::from_value(card).unwrap())
    }

    fn read(json: &str, binary: &[u8], length: Option<usize>) -> Result<InferRequest, String> {
        let body = Bytes::from([json.as_bytes(), binary].concat());
        InferRequest::read(&body, length, &signature())
    }

    fn check_refused(json: &str, binary: &[u8], expect: &str) {
        let why = read(json, binary, Some(json.len())).unwrap_err();
        assert!(why.contains(expect), "{why}");
        assert!(why.len() < 300, "{why}");
    }

    const BINARY: &str = r#"{"id": "7", "parameters": {"binary_data_output": true, "x": [1]}, "inputs":
        [{"name": "data", "datatype": "FP32", "shape": [1, 2], "parameters": {"binary_data_size": 8}}]}"#;

    #[test]
    fn json_and_binary_say_the_same() {
        let text = r#"{"inputs": [{"name": "data", "datatype": "FP32", "shape": [1, 2], "data": [[1, 2.5]]}]}"#;
        let numbers = [1.0_f32, 2.5].map(f32::to_le_bytes).concat();
        let (text, binary) = (read(text, b"", None), read(BINARY, &numbers, Some(BINARY.len())));
        let (text, binary) = (text.unwrap(), binary.unwrap());
        assert_eq!(text.inputs, binary.inputs);
        assert_eq!(text.inputs[0].elements, Elements::Numbers(Data::F32(vec![1.0, 2.5])));
        assert_eq!(binary.id.as_deref(), Some("7"));
        let all = |binary| [0, 1].map(|output| Wanted { output, binary, classes: None });
        assert_eq!((text.wanted, binary.wanted), (all(false).to_vec(), all(true).to_vec()));
    }

    #[test]
    fn outputs_are_given_as_they_are_asked_for() {
        let json = r#"{"parameters": {"binary_data_output": true}, "inputs": [], "outputs": [
            {"name": "other", "parameters": {"binary_data": false, "classification": 3}}, {"name": "predict"}]}"#;
        let expect = [
            Wanted { output: 1, binary: false, classes: Some(3) },
            Wanted { output: 0, binary: true, classes: None },
        ];
        assert_eq!(read(json, b"", None).unwrap().wanted, expect);
        check_refused(
            r#"{"inputs": [], "outputs": [{"name": "label"}]}"#,
            b"",
            "gives `predict`, `other`",
        );
    }

    #[test]
    fn sizes_that_lie_are_refused() {
        check_refused(BINARY, &[0; 7], "8 bytes are announced, 7 are left");
        check_refused(BINARY, &[0; 9], "1 bytes follow");
        let part = |rest: &str| {
            format!(r#"{{"inputs": [{{"name": "data", "datatype": "FP32", {rest}}}]}}"#)
        };
        check_refused(
            &part(r#""shape": [1, 2], "parameters": {"binary_data_size": 4}"#),
            &[0; 4],
            "not 4 bytes",
        );
        check_refused(&part(r#""shape": [-1, 2], "data": []"#), b"", "negative");
        check_refused(
            &part(r#""shape": [9223372036854775807, 2], "data": []"#),
            b"",
            "more elements",
        );
        check_refused(&part(r#""shape": [1, 2]"#), b"", "no `data`");
        check_refused(
            &part(r#""shape": [1, 2], "parameters": {"shared_memory_region": "x"}"#),
            b"",
            "shared memory",
        );
        let why = read(BINARY, &[0; 8], None).unwrap_err();
        assert!(why.starts_with("the body cannot be read"), "{why}");
        let why = read("{}", b"", Some(usize::MAX)).unwrap_err();
        assert!(why.contains("the body has 2"), "{why}");
    }

    #[test]
    fn names_that_do_not_exist_are_cut_and_told() {
        let name = "x".repeat(100_000);
        check_refused(
            &format!(r#"{{"inputs": [{{"name": "{name}"}}]}}"#),
            b"",
            "the model takes `data`",
        );
        check_refused(
            r#"{"inputs": [{"name": "data", "datatype": "FP8"}]}"#,
            b"",
            "`FP8` is no datatype",
        );
    }

    #[test]
    fn a_million_tensors_are_not_kept() {
        let many =
            format!("{{\"inputs\": [{}{{\"name\": \"\"}}]}}", "{\"name\":\"\"},".repeat(1_000_000));
        check_refused(&many, b"", "more than 10000 tensors");
    }
}

//! A request's body → the inputs of a call.

use bytes::Bytes;
use serde_json::{Map, Value};
use wharf_spec::{
    data_type::DataType,
    model::{Argument, Method},
};

use super::{
    array::ArraySpec,
    flat::FlatArgument,
    scalar::Missing,
    value,
    wrong::{Class, WrongInput},
};
use crate::runtime::{Frame, Payload, Values};

/// Most rows of one call.
pub(crate) const MAX_ROWS: usize = 100_000;

/// Most values of a body that does not fit the fast path: a tree of JSON takes about 70 bytes for each.
const MAX_VALUES: usize = 2_000_000;

/// Reads the bodies of one method.
#[derive(Debug, Clone)]
pub(crate) struct BodyReader {
    args: Vec<Argument>,
    flat: Option<(usize, FlatArgument)>,
}

/// What a call is made with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Inputs {
    /// One for each argument; `None` where an optional one was left out.
    pub(crate) values: Vec<Option<Payload>>,
    pub(crate) rows: usize,
}

impl BodyReader {
    pub(crate) fn new(method: &Method) -> Self {
        let args = method.args.clone();
        Self { flat: flat_argument(&args), args }
    }

    /// Says whether the method takes a file in place of JSON.
    pub(crate) fn takes_file(&self) -> bool {
        matches!(self.args.as_slice(), [Argument { data_type: DataType::Binary(_), .. }])
    }

    /// Returns the inputs of a method that takes a file.
    pub(crate) fn file(bytes: Bytes) -> Inputs {
        Inputs { values: vec![Some(Payload::Binary(bytes))], rows: 1 }
    }

    /// Reads a JSON body.
    pub(crate) fn read(&self, body: &[u8]) -> Result<Inputs, WrongInput> {
        let inputs = match self.read_flat(body) {
            Some(inputs) => inputs,
            None => self.read_any(body)?,
        };
        check_rows(inputs.rows)?;
        Ok(inputs)
    }

    fn read_flat(&self, body: &[u8]) -> Option<Inputs> {
        let (index, argument) = self.flat.as_ref()?;
        let tensor = argument.read(body)?;
        let rows = tensor.shape().first().copied().unwrap_or(1);
        let mut values = vec![None; self.args.len()];
        values[*index] = Some(Payload::Tensor(tensor));
        Some(Inputs { values, rows })
    }

    fn read_any(&self, body: &[u8]) -> Result<Inputs, WrongInput> {
        let arguments = self.parse(body)?;
        let values = self
            .args
            .iter()
            .map(|argument| read_argument(argument, &arguments))
            .collect::<Result<Vec<_>, _>>()?;
        let rows = values.iter().flatten().map(rows).max().unwrap_or(1);
        Ok(Inputs { values, rows })
    }

    fn parse(&self, body: &[u8]) -> Result<Map<String, Value>, WrongInput> {
        if body.trim_ascii().is_empty() {
            return Err(self.no_body());
        }
        match parse_value(body)? {
            Value::Object(arguments) => Ok(arguments),
            Value::Null => Err(self.no_body()),
            other => Err(WrongInput::new(
                Class::Type,
                format!(
                    "the body is a {}, not an object of arguments",
                    super::wrong::python_type(&other)
                ),
            )
            .hint(format!("send {}", self.outline()))),
        }
    }

    fn no_body(&self) -> WrongInput {
        WrongInput::new(Class::NoBody, "field required").hint(format!("send {}", self.outline()))
    }

    /// Shows which keys belong into a body.
    fn outline(&self) -> String {
        let keys: Vec<String> = self
            .args
            .iter()
            .filter(|argument| argument.required)
            .map(|argument| format!("\"{}\": …", argument.name))
            .collect();
        format!("{{{}}}", keys.join(", "))
    }
}

/// Refuses more rows than one call may have.
pub(crate) fn check_rows(rows: usize) -> Result<(), WrongInput> {
    if rows <= MAX_ROWS {
        return Ok(());
    }
    let message = format!("the body has {rows} rows, at most {MAX_ROWS} are taken at once");
    Err(WrongInput::new(Class::Value, message).hint("send the rows in several requests"))
}

/// Reads any JSON that is not too large for the memory that its tree takes.
pub(crate) fn parse_value(json: &[u8]) -> Result<Value, WrongInput> {
    if count_values(json) > MAX_VALUES {
        let message = format!("the body has more than {MAX_VALUES} values");
        return Err(
            WrongInput::new(Class::Value, message).hint("send the rows in several requests")
        );
    }
    serde_json::from_slice(json).map_err(|error| not_json(&error, json))
}

fn flat_argument(args: &[Argument]) -> Option<(usize, FlatArgument)> {
    let mut required = args.iter().enumerate().filter(|(_, argument)| argument.required);
    let (index, argument) = required.next()?;
    if required.next().is_some() {
        return None;
    }
    let spec = ArraySpec::of(&argument.data_type)?;
    let others =
        args.iter().map(|other| other.name.clone()).filter(|name| *name != argument.name).collect();
    Some((index, FlatArgument::new(&argument.name, others, &spec, missing(argument))?))
}

fn missing(argument: &Argument) -> Missing {
    if argument.allows_missing { Missing::Allowed } else { Missing::Refused }
}

fn read_argument(
    argument: &Argument,
    arguments: &Map<String, Value>,
) -> Result<Option<Payload>, WrongInput> {
    let name = &argument.name;
    match arguments.get(name) {
        None | Some(Value::Null) if !argument.required => Ok(None),
        None => Err(WrongInput::new(Class::Key, format!("'{name}'"))
            .under(name)
            .hint(format!("the body needs the key `{name}`: {{\"{name}\": …}}"))),
        Some(given) => value::read(given, &argument.data_type, missing(argument))
            .map(Some)
            .map_err(|wrong| wrong.under(name)),
    }
}

/// Returns how many rows a value has; what has no rows counts as one.
pub(crate) fn rows(payload: &Payload) -> usize {
    match payload {
        Payload::Tensor(tensor) => tensor.shape().first().copied().unwrap_or(1),
        Payload::Frame(frame) => frame_rows(frame),
        Payload::Json(Value::Array(items)) => items.len(),
        Payload::Json(_) | Payload::Binary(_) | Payload::List(_) => 1,
    }
}

fn frame_rows(frame: &Frame) -> usize {
    frame.columns.first().map_or(0, |column| match &column.values {
        Values::F64(values) => values.len(),
        Values::I64(values) => values.len(),
        Values::Bool(values) => values.len(),
        Values::Json(values) => values.len(),
    })
}

/// Counts separators outside of text: an upper bound for the values of a body, before any memory is spent on them.
fn count_values(body: &[u8]) -> usize {
    let (mut count, mut in_text, mut escaped) = (1, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b',' | b'[' | b'{' if !in_text => count += 1,
            _ => {}
        }
    }
    count
}

fn not_json(error: &serde_json::Error, body: &[u8]) -> WrongInput {
    let wrong = WrongInput::new(Class::Json, error.to_string());
    let line = body.split(|byte| *byte == b'\n').nth(error.line().saturating_sub(1));
    let from = error.column().saturating_sub(2);
    let near = line.and_then(|line| line.get(from..)).unwrap_or_default();
    let near = String::from_utf8_lossy(&near[..near.len().min(16)]).into_owned();
    if near.contains("NaN") || near.contains("Inf") {
        return wrong
            .hint("NaN and Infinity are not JSON; where a value may be missing, send null");
    }
    match body.trim_ascii().first() {
        Some(b'{') => wrong.hint("send JSON: keys and text in double quotes, no comma at the end"),
        _ => wrong.hint("the body must be a JSON object of arguments"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wharf_model::tensor::{Data, Tensor};

    use super::*;

    fn reader() -> BodyReader {
        let method = json!({
            "name": "predict",
            "steps": [],
            "args": [
                { "name": "data", "required": true, "data_type": { "type": "ndarray", "shape": [null, 2], "dtype": "float64" } },
                { "name": "limit", "required": false, "data_type": { "type": "primitive", "ptype": "int" } },
            ],
            "returns": { "type": "unspecified" },
        });
        BodyReader::new(&serde_json::from_value(method).unwrap())
    }

    fn wrong(body: &str) -> (String, Option<String>) {
        let wrong = reader().read(body.as_bytes()).unwrap_err();
        (wrong.error(), wrong.advice().map(str::to_owned))
    }

    #[test]
    fn both_paths_read_the_same() {
        let tensor = Tensor::new(vec![1, 2], Data::F64(vec![5.1, 3.0])).unwrap();
        let expect = Some(Payload::Tensor(tensor));
        for body in [r#"{"data": [[5.1, 3]]}"#, r#"{"data": [["5.1", 3]], "limit": null}"#] {
            let inputs = reader().read(body.as_bytes()).unwrap();
            assert_eq!(inputs.values, [expect.clone(), None], "{body}");
        }
        let inputs = reader().read(br#"{"data": [[5.1, 3]], "limit": 4}"#).unwrap();
        assert_eq!(inputs.values[1], Some(Payload::Json(json!(4))));
    }

    #[test]
    fn a_missing_argument_is_named() {
        assert_eq!(wrong("{}").0, "KeyError: 'data'");
        assert_eq!(wrong("").0, "ValueError: field required");
        assert_eq!(wrong("null").0, "ValueError: field required");
        assert_eq!(wrong("[[1, 2]]").1.as_deref(), Some("send {\"data\": …}"));
    }

    #[test]
    fn nan_and_nonsense_are_told_apart() {
        assert!(wrong(r#"{"data": [[NaN, 1]]}"#).1.unwrap().starts_with("NaN"));
        assert!(wrong(r#"{"data": [[-Infinity, 1]]}"#).1.unwrap().starts_with("NaN"));
        assert!(wrong("{'data': 1}").1.unwrap().contains("double quotes"));
        assert!(wrong("data=1").1.unwrap().contains("JSON object"));
    }

    #[test]
    fn deep_and_huge_bodies_are_refused_without_reading_them() {
        assert!(wrong(&"[".repeat(100_000)).0.contains("recursion limit"));
        let huge = format!("{{\"data\": [{}]}}", "\"x\",".repeat(2_100_000));
        assert!(wrong(&huge).0.contains("more than 2000000 values"));
        let rows = format!("{{\"data\": [{}[1,2]]}}", "[1,2],".repeat(MAX_ROWS));
        assert!(wrong(&rows).0.contains("100001 rows"));
    }
}

//! A model's methods as one model of the protocol: which tensors go in, and which come out.
//!
//! The inputs are the arguments of the first method: an array is a tensor, a table is one for each column, and what is
//! no array travels as JSON in one text. The outputs are the answers of all methods with the same arguments: a
//! classifier has `predict` and `predict_proba`.

use wharf_spec::{
    data_type::{DataType, Frame, Shape, Tensor},
    model::{Argument, Method, ModelCard},
};

use super::datatype::Datatype;
use crate::schema::array::ArraySpec;

/// What goes in and what comes out.
#[derive(Debug)]
pub(crate) struct Signature {
    pub(crate) inputs: Vec<Input>,
    pub(crate) outputs: Vec<Output>,
    /// How many arguments a call has.
    pub(crate) arguments: usize,
}

/// What is told of a tensor; a free dimension is -1.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Port {
    pub(crate) name: String,
    pub(crate) datatype: Datatype,
    pub(crate) shape: Vec<i64>,
}

/// An argument, and the tensors that make it.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) required: bool,
    pub(crate) missing: bool,
    pub(crate) form: Form,
    /// One, or one for each column of a table.
    pub(crate) ports: Vec<Port>,
}

/// How tensors become an argument.
#[derive(Debug)]
pub(crate) enum Form {
    Array(ArraySpec),
    /// Columns of a table, or the one of a series.
    Table(Frame),
    /// One value of Python or NumPy.
    Scalar(DataType),
    /// Anything else, as JSON in a text.
    Json(DataType),
    /// Bytes as they are.
    File,
}

/// A tensor that comes out: the answer of a method, or a part of it.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) port: Port,
    /// The method's place in the card.
    pub(crate) method: usize,
    pub(crate) part: Part,
}

/// What of an answer a tensor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Whole,
    /// One of several, by its place.
    Item(usize),
    /// A column of a table, by its place.
    Column(usize),
}

impl Signature {
    /// Returns the signature of a model.
    pub(crate) fn new(card: &ModelCard) -> Self {
        let Some(first) = card.methods.first() else {
            return Self { inputs: Vec::new(), outputs: Vec::new(), arguments: 0 };
        };
        let several = first.args.iter().filter(|argument| argument.required).count() > 1;
        let same = |method: &Method| demands(method).eq(demands(first));
        let methods = card.methods.iter().enumerate().filter(|(_, method)| same(method));
        Self {
            inputs: first.args.iter().map(|argument| input(argument, several)).collect(),
            outputs: methods.flat_map(|(index, method)| outputs(index, method)).collect(),
            arguments: first.args.len(),
        }
    }

    /// Returns the tensors that a request must have.
    pub(crate) fn required(&self) -> impl Iterator<Item = &Port> {
        self.inputs.iter().filter(|input| input.required).flat_map(|input| &input.ports)
    }

    /// Returns the input to which a tensor of this name belongs.
    pub(crate) fn input(&self, name: &str) -> Option<&Input> {
        self.inputs.iter().find(|input| input.ports.iter().any(|port| port.name == name))
    }

    /// Returns the names of all inputs, for messages.
    pub(crate) fn input_names(&self) -> String {
        names(self.inputs.iter().flat_map(|input| &input.ports))
    }

    /// Returns the names of all outputs, for messages.
    pub(crate) fn output_names(&self) -> String {
        names(self.outputs.iter().map(|output| &output.port))
    }
}

fn names<'a>(ports: impl Iterator<Item = &'a Port>) -> String {
    const SHOWN: usize = 20;
    let names: Vec<String> = ports.take(SHOWN).map(|port| format!("`{}`", port.name)).collect();
    names.join(", ")
}

/// What a method cannot be called without.
fn demands(method: &Method) -> impl Iterator<Item = (&str, &DataType)> {
    let required = method.args.iter().filter(|argument| argument.required);
    required.map(|argument| (argument.name.as_str(), &argument.data_type))
}

fn input(argument: &Argument, several: bool) -> Input {
    let name = &argument.name;
    let form = form(&argument.data_type);
    let one = |datatype, shape| vec![Port { name: name.clone(), datatype, shape }];
    let ports = match &form {
        // A series has no name besides its argument's.
        Form::Table(frame) if is_series(&argument.data_type) => {
            one(Datatype::of_dtype(frame.dtypes.first().map_or("", String::as_str)), vec![-1])
        }
        Form::Table(frame) => columns(frame, if several { Some(name) } else { None }),
        Form::Array(spec) => one(Datatype::of_dtype(spec.dtype()), free(spec.shape.as_deref())),
        Form::Scalar(data_type) => one(scalar_datatype(data_type), vec![1]),
        Form::Json(_) | Form::File => one(Datatype::Bytes, vec![1]),
    };
    Input { required: argument.required, missing: argument.allows_missing, form, ports }
}

fn form(data_type: &DataType) -> Form {
    if let Some(spec) = ArraySpec::of(data_type) {
        return Form::Array(spec);
    }
    match data_type {
        DataType::Lightgbm(dataset) => form(&dataset.inner),
        DataType::DataFrame(frame) | DataType::Series(frame) => Form::Table(frame.clone()),
        DataType::Primitive(_) | DataType::Number(_) => Form::Scalar(data_type.clone()),
        DataType::Binary(_) => Form::File,
        other => Form::Json(other.clone()),
    }
}

fn is_series(data_type: &DataType) -> bool {
    match data_type {
        DataType::Lightgbm(dataset) => is_series(&dataset.inner),
        other => matches!(other, DataType::Series(_)),
    }
}

fn columns(frame: &Frame, prefix: Option<&str>) -> Vec<Port> {
    let port = |(name, dtype): (&String, &String)| Port {
        name: prefix.map_or_else(|| name.clone(), |prefix| format!("{prefix}.{name}")),
        datatype: Datatype::of_dtype(dtype),
        shape: vec![-1],
    };
    frame.columns.iter().zip(&frame.dtypes).map(port).collect()
}

fn scalar_datatype(data_type: &DataType) -> Datatype {
    match data_type {
        DataType::Number(number) => Datatype::of_dtype(&number.dtype),
        DataType::Primitive(primitive) => match primitive.ptype.as_str() {
            "int" => Datatype::Int64,
            "float" => Datatype::Fp64,
            "bool" => Datatype::Bool,
            _ => Datatype::Bytes,
        },
        _ => Datatype::Bytes,
    }
}

/// Returns the tensors of a method's answer.
fn outputs(method_index: usize, method: &Method) -> Vec<Output> {
    let output = |port, part| Output { port, method: method_index, part };
    match &method.returns {
        DataType::List(list) | DataType::Tuple(list)
            if list.items.iter().any(|item| ArraySpec::of(item).is_some()) =>
        {
            let ports = list.items.iter().enumerate();
            ports
                .map(|(index, item)| {
                    output(answer(format!("{}_{index}", method.name), item), Part::Item(index))
                })
                .collect()
        }
        DataType::DataFrame(frame) => {
            let ports = columns(frame, Some(&method.name)).into_iter().enumerate();
            ports.map(|(index, port)| output(port, Part::Column(index))).collect()
        }
        DataType::Series(frame) => {
            let dtype = frame.dtypes.first().map_or("", String::as_str);
            let port = Port {
                name: method.name.clone(),
                datatype: Datatype::of_dtype(dtype),
                shape: vec![-1],
            };
            vec![output(port, Part::Column(0))]
        }
        other => vec![output(answer(method.name.clone(), other), Part::Whole)],
    }
}

fn answer(name: String, data_type: &DataType) -> Port {
    let (datatype, shape) = match data_type {
        DataType::Primitive(_) | DataType::Number(_) => (scalar_datatype(data_type), vec![1]),
        DataType::Array(array) => match &*array.dtype {
            item @ (DataType::Primitive(_) | DataType::Number(_)) => {
                (scalar_datatype(item), vec![-1])
            }
            _ => (Datatype::Bytes, vec![1]),
        },
        DataType::Ndarray(tensor)
        | DataType::Torch(tensor)
        | DataType::TfTensor(tensor)
        | DataType::CsrMatrix(tensor) => array(tensor),
        _ => (Datatype::Bytes, vec![1]),
    };
    Port { name, datatype, shape }
}

fn array(tensor: &Tensor) -> (Datatype, Vec<i64>) {
    let size = |size: &Option<u64>| size.map_or(-1, |size| i64::try_from(size).unwrap_or(i64::MAX));
    let shape = tensor.shape.as_ref().map(|shape: &Shape| shape.iter().map(size).collect());
    (Datatype::of_dtype(&tensor.dtype), shape.unwrap_or_else(|| vec![-1]))
}

fn free(shape: Option<&[Option<usize>]>) -> Vec<i64> {
    let size =
        |size: &Option<usize>| size.map_or(-1, |size| i64::try_from(size).unwrap_or(i64::MAX));
    shape.map_or_else(|| vec![-1], |shape| shape.iter().map(size).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Returns `name:datatype:shape` of everything that goes in, and of everything that comes out.
    fn signature(args: &Value, returns: &[(&str, Value)]) -> (String, String) {
        let methods: Vec<Value> = returns
            .iter()
            .map(|(name, returns)| json!({ "name": name, "steps": [], "args": args, "returns": returns }))
            .collect();
        let card = json!({
            "schema": "wharf.model/v1", "name": "m", "kind": "callable", "runtime": "python",
            "reason": "a test", "entry": "model", "files": [], "methods": methods,
        });
        let signature = Signature::new(&serde_json::from_value(card).unwrap());
        let shown =
            |port: &Port| format!("{}:{}:{:?}", port.name, port.datatype.word(), port.shape);
        let inputs: Vec<String> = signature.required().map(shown).collect();
        let outputs: Vec<String> =
            signature.outputs.iter().map(|output| shown(&output.port)).collect();
        (inputs.join(" "), outputs.join(" "))
    }

    fn argument(name: &str, data_type: &Value) -> Value {
        json!({ "name": name, "required": true, "data_type": data_type })
    }

    #[test]
    fn a_classifier_has_one_input_and_two_outputs() {
        let rows = json!({ "type": "ndarray", "shape": [null, 4], "dtype": "float64" });
        let label = json!({ "type": "ndarray", "shape": [null], "dtype": "int64" });
        let table = json!({ "type": "ndarray", "shape": [null, 3], "dtype": "float32" });
        let (inputs, outputs) = signature(
            &json!([argument("data", &rows)]),
            &[("predict", label), ("predict_proba", table)],
        );
        assert_eq!(inputs, "data:FP64:[-1, 4]");
        assert_eq!(outputs, "predict:INT64:[-1] predict_proba:FP32:[-1, 3]");
    }

    #[test]
    fn a_table_has_an_input_for_each_column() {
        let table = json!({ "type": "dataframe", "columns": ["age", "city"], "dtypes": ["int64", "object"] });
        let (inputs, outputs) =
            signature(&json!([argument("data", &table)]), &[("transform", table.clone())]);
        assert_eq!(inputs, "age:INT64:[-1] city:BYTES:[-1]");
        assert_eq!(outputs, "transform.age:INT64:[-1] transform.city:BYTES:[-1]");
    }

    #[test]
    fn what_is_no_array_travels_as_one_text() {
        let any = json!({ "type": "unspecified" });
        let count = json!({ "type": "primitive", "ptype": "int" });
        let args = json!([
            argument("a", &any),
            argument("b", &count),
            argument("c", &json!({ "type": "binary" }))
        ]);
        let (inputs, outputs) = signature(&args, &[("f", any), ("g", count)]);
        assert_eq!(inputs, "a:BYTES:[1] b:INT64:[1] c:BYTES:[1]");
        assert_eq!(outputs, "f:BYTES:[1] g:INT64:[1]");
    }
}

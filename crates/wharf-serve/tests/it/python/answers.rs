//! Every kind of argument and answer, through a real interpreter. What needs NumPy or pandas is marked so.

use std::process::Command;

use bytes::Bytes;
use serde_json::{Value, json};
use wharf_model::tensor::{Data, Tensor};
use wharf_serve::runtime::{CallError, Column, Frame, Payload, Values};
use wharf_spec::{
    data_type::DataType,
    model::{Argument, Loader, Method, Step},
};

use super::{Running, argument, data_type, method, module, python, settings, typed};

async fn start(source: &str, methods: Vec<Method>) -> Running {
    let (folder, card) = module(source, methods);
    Running::start(folder, card, settings()).await
}

/// Evaluates an expression in the worker and expects this payload.
async fn check(running: &Running, expression: &str, expect: Payload) {
    let answer = running.call("evaluate", vec![Some(Payload::Json(json!(expression)))]).await;
    assert_eq!(answer, Ok(expect), "{expression}");
}

async fn check_json(running: &Running, expression: &str, expect: Value) {
    check(running, expression, Payload::Json(expect)).await;
}

fn tensor(shape: &[usize], data: Data) -> Payload {
    Payload::Tensor(Tensor::new(shape.to_vec(), data).unwrap())
}

fn texts(texts: &[&str]) -> Data {
    Data::Str(texts.iter().map(|text| (*text).to_owned()).collect())
}

fn column(name: &str, values: Values) -> Column {
    Column { name: name.to_owned(), values }
}

#[tokio::test]
#[ignore = "needs python"]
async fn plain_python_answers_are_json() {
    let source = r"
import collections, datetime, enum, sys

class Colour(str, enum.Enum):
    RED = 'red'

def evaluate(data):
    return eval(data)

def count(end):
    yield from range(end)
";
    let running = start(source, vec![method("evaluate")]).await;
    check_json(&running, "None", json!(null)).await;
    check_json(&running, "[True, 1, 0.1, 'é\\n\\0']", json!([true, 1, 0.1, "é\n\0"])).await;
    check_json(&running, "(1, (2, [3]))", json!([1, [2, [3]]])).await;
    check_json(
        &running,
        "{'b': 1, 'a': {2: None, True: 3}}",
        json!({"b": 1, "a": {"2": null, "true": 3}}),
    )
    .await;
    check_json(&running, "[float('nan'), float('-inf')]", json!([null, null])).await;
    check_json(&running, "[2**64 - 1, -2**63, 2**70]", json!([u64::MAX, i64::MIN, 2_f64.powi(70)]))
        .await;
    check_json(&running, "count(3)", json!([0, 1, 2])).await;
    check_json(&running, "{'k': map(str, {7})}", json!({"k": ["7"]})).await;
    check_json(&running, "datetime.datetime(2024, 2, 29, 12)", json!("2024-02-29T12:00:00")).await;
    check_json(&running, "datetime.date(2024, 2, 29)", json!("2024-02-29")).await;
    check_json(&running, "Colour.RED", json!("red")).await;
    check_json(&running, "collections.Counter('aab')", json!({"a": 2, "b": 1})).await;
    check_json(&running, "'lone \\ud800'", json!("lone ?")).await;
    check_json(&running, "[n for n in ('numpy', 'pandas') if n in sys.modules]", json!([])).await;
    check(&running, "b'\\x00\\xff'", Payload::Binary(Bytes::from_static(b"\x00\xff"))).await;
}

#[tokio::test]
#[ignore = "needs python"]
async fn an_answer_without_a_form_is_an_error_that_says_so() {
    let source = "
import itertools

class Thing: pass

loop = []
loop.append(loop)

def evaluate(data):
    return eval(data)
";
    let running = start(source, vec![method("evaluate")]).await;
    let check = async |expression: &str, expect: &str| {
        let error = running.error("evaluate", json!(expression)).await;
        let CallError::Raised { class, text } = error else { panic!("{expression}: {error:?}") };
        assert_eq!((class.as_str(), text.as_str()), ("SerializationError", expect), "{expression}");
    };
    check("[Thing()]", "the answer holds a value of type predict.Thing, which has no JSON form")
        .await;
    check("1j", "the answer holds a value of type complex, which has no JSON form").await;
    check("[b'']", "the answer holds a value of type bytes, which has no JSON form").await;
    check(
        "{(1, 2): 3}",
        "the answer holds a dict with a key of type tuple; keys are text or integers",
    )
    .await;
    check("10 ** 400", "the answer holds an integer that is too large for a JSON number").await;
    check("itertools.count()", "the answer holds a list of more than 1000000 items").await;
    check("loop", "the answer is nested deeper than 100").await;
    check("bytes(1 << 28)", "the answer has 268435510 bytes, and at most 268435456 can be sent")
        .await;
}

#[tokio::test]
#[ignore = "needs python"]
async fn arguments_go_by_position_and_by_name() {
    let source = "
def greet(name, /, greeting='hello', *, kind=None, method='m'):
    return [greeting, name, kind, method]
";
    let named = |name: &str| Argument {
        keyword: Some(name.to_owned()),
        required: false,
        ..argument(name, DataType::unspecified())
    };
    let mut greet = method("greet");
    greet.args = vec![argument("name", DataType::unspecified())];
    greet.args.extend(["greeting", "kind", "method"].map(named));
    let running = start(source, vec![greet]).await;
    let text = |text: &str| Some(Payload::Json(json!(text)));
    let check = async |inputs: Vec<Option<Payload>>, expect: Value| {
        assert_eq!(running.call("greet", inputs).await, Ok(Payload::Json(expect)));
    };
    check(vec![text("ann")], json!(["hello", "ann", null, "m"])).await;
    check(vec![text("ann"), None, text("k"), None], json!(["hello", "ann", "k", "m"])).await;
    check(vec![text("bob"), text("hi"), None, text("x")], json!(["hi", "bob", null, "x"])).await;
    let error = running.call("greet", vec![None]).await.unwrap_err();
    assert!(error.to_string().starts_with("TypeError: greet() missing 1 required"), "{error}");
}

#[tokio::test]
#[ignore = "needs python"]
async fn the_steps_of_a_method_are_called_in_order() {
    let mut both = method("predict");
    let step = |method: &str| Step { processor: "model".to_owned(), method: method.to_owned() };
    both.steps = vec![step("clean"), step("shout")];
    let source = "
def clean(data): return data.strip()
def shout(data): return data.upper()
";
    let running = start(source, vec![both]).await;
    assert_eq!(running.json("predict", json!(" hi ")).await, json!("HI"));
}

#[tokio::test]
#[ignore = "needs python"]
async fn a_tensor_for_a_list_needs_no_numpy() {
    let source = "
import sys
def predict(data): return [repr(data), 'numpy' in sys.modules]
";
    let list = data_type(r#"{"type":"array","dtype":{"type":"primitive","ptype":"float"}}"#);
    let running = start(source, vec![typed("predict", list, DataType::unspecified())]).await;
    let check = async |input: Payload, expect: &str| {
        let answer = running.call("predict", vec![Some(input)]).await;
        assert_eq!(answer, Ok(Payload::Json(json!([expect, false]))));
    };
    check(tensor(&[2, 2], Data::F64(vec![1.0, 2.0, 3.0, 4.5])), "[[1.0, 2.0], [3.0, 4.5]]").await;
    check(tensor(&[3], Data::Bool(vec![true, false, true])), "[True, False, True]").await;
    check(tensor(&[1, 2], texts(&["é", ""])), "[['é', '']]").await;
    check(tensor(&[0], Data::I64(Vec::new())), "[]").await;
    check(tensor(&[2, 0], Data::I64(Vec::new())), "[[], []]").await;
    check(tensor(&[], Data::I64(vec![7])), "7").await;
}

#[tokio::test]
#[ignore = "needs python"]
async fn structured_types_are_made_from_json() {
    let source = "def predict(data): return repr(data)";
    let kind = data_type(
        r#"{"type":"dict","item_types":{
            "pair":{"type":"tuple","items":[{"type":"primitive","ptype":"int"},{"type":"primitive","ptype":"float"}]},
            "map":{"type":"d_dict","key_type":{"type":"primitive","ptype":"int"},"value_type":{"type":"primitive","ptype":"str"}}
        }}"#,
    );
    let running = start(source, vec![typed("predict", kind, DataType::unspecified())]).await;
    let answer = running.json("predict", json!({"pair": [1, 2], "map": {"5": "x"}})).await;
    assert_eq!(answer, json!("{'pair': (1, 2.0), 'map': {5: 'x'}}"));
}

#[tokio::test]
#[ignore = "needs python"]
async fn a_class_is_made_once_and_its_methods_are_called() {
    let source = "
class Model:
    def __init__(self): self.calls = 0
    def predict(self, data):
        self.calls += 1
        return self.calls
";
    let (folder, mut card) = module(source, vec![method("predict")]);
    card.python.as_mut().unwrap().load[0].attribute = Some("Model".to_owned());
    let running = Running::start(folder, card, settings()).await;
    assert_eq!(running.json("predict", json!(0)).await, json!(1));
    assert_eq!(running.json("predict", json!(0)).await, json!(2));
}

#[tokio::test]
#[ignore = "needs python"]
async fn a_joblib_file_is_loaded() {
    let (folder, mut card) = module("", vec![method("get")]);
    let path = folder.path().join("model.joblib");
    let dump = "import joblib, sys; joblib.dump({'a': 5}, sys.argv[1])";
    let made = Command::new(python()).args(["-c", dump]).arg(&path).status().unwrap();
    assert!(made.success(), "the test's Python needs joblib");
    let load = &mut card.python.as_mut().unwrap().load[0];
    load.loader = Loader::Joblib;
    load.path = "model.joblib".to_owned();
    let running = Running::start(folder, card, settings()).await;
    assert_eq!(running.json("get", json!("a")).await, json!(5));
}

#[tokio::test]
#[ignore = "needs python"]
async fn names_of_the_saving_script_are_there_and_its_main_part_does_not_run() {
    let (folder, card) = module("def evaluate(data): return eval(data)", vec![method("evaluate")]);
    let script = "
import math
FACTOR = 3
class Model:
    def __call__(self, data): return data * FACTOR
if __name__ == '__main__':
    raise SystemExit('the training must not run')
";
    std::fs::write(folder.path().join("code/_wharf_main.py"), script).unwrap();
    let running = Running::start(folder, card, settings()).await;
    let main = "__import__('pickle').loads(b'c__main__\\nModel\\n.')";
    check_json(&running, &format!("{main}()(2)"), json!(6)).await;
    check_json(&running, &format!("{main}.__module__"), json!("__main__")).await;
}

#[tokio::test]
#[ignore = "needs python"]
async fn the_worker_leaves_the_bundle_as_it_is_and_limits_threads() {
    let source = "
import os, sys
import helper
def predict(data):
    return [sorted(os.listdir('code')), os.environ['OMP_NUM_THREADS'].isdigit(), sys.argv, sys.flags.isolated]
";
    let (folder, card) = module(source, vec![method("predict")]);
    std::fs::write(folder.path().join("code/helper.py"), "").unwrap();
    let running = Running::start(folder, card, settings()).await;
    let answer = running.json("predict", json!(0)).await;
    assert_eq!(answer, json!([["helper.py", "predict.py"], true, ["wharf-worker"], 1]));
}

#[tokio::test]
#[ignore = "needs python"]
async fn arrays_answer_as_tensors_of_their_own_type() {
    let source = "
import numpy as np
def evaluate(data): return eval(data)
";
    let running = start(source, vec![method("evaluate")]).await;
    let expect = tensor(&[2, 2], Data::F64(vec![0.1, f64::INFINITY, -0.0, 4.0]));
    check(&running, "np.array([[0.1, np.inf], [-0.0, 4.0]])", expect).await;
    check(&running, "np.arange(6).reshape(2, 3).T[:2, :1]", tensor(&[2, 1], Data::I64(vec![0, 1])))
        .await;
    check(&running, "np.float32([0.1])", tensor(&[1], Data::F32(vec![0.1]))).await;
    check(&running, "np.float16([0.5])", tensor(&[1], Data::F32(vec![0.5]))).await;
    check(&running, "np.uint8([255])", tensor(&[1], Data::I32(vec![255]))).await;
    check(&running, "np.array([1, 2], dtype='>i4')", tensor(&[2], Data::I32(vec![1, 2]))).await;
    check(&running, "np.array([True])", tensor(&[1], Data::Bool(vec![true]))).await;
    check(&running, "np.array(['a', 'éß'])", tensor(&[2], texts(&["a", "éß"]))).await;
    check(&running, "np.array(['a'], dtype=object)", tensor(&[1], texts(&["a"]))).await;
    check(&running, "np.zeros((0, 3))", tensor(&[0, 3], Data::F64(Vec::new()))).await;
    check_json(&running, "np.array([['a', None]], dtype=object)", json!([["a", null]])).await;
    check_json(&running, "np.float64(2.5)", json!(2.5)).await;
    check_json(
        &running,
        "[np.float32(0.1), np.int8(3), np.bool_(True), np.str_('x')]",
        json!([0.1, 3, true, "x"]),
    )
    .await;
    check_json(&running, "{'a': np.array([1.0, np.nan])}", json!({"a": [1.0, null]})).await;
    check_json(&running, "np.datetime64('2024-02-29')", json!("2024-02-29")).await;
    let list = vec![tensor(&[1], Data::I64(vec![1])), Payload::Json(json!("x"))];
    check(&running, "[np.array([1]), 'x']", Payload::List(list)).await;
}

#[tokio::test]
#[ignore = "needs python"]
async fn an_answer_takes_the_form_of_the_signature() {
    let array = |dtype| DataType::ndarray(vec![None], dtype);
    let number = data_type(r#"{"type":"number","dtype":"float64"}"#);
    let methods = vec![
        typed("floats", DataType::unspecified(), array("float32")),
        typed("labels", DataType::unspecified(), array("str320")),
        typed("number", DataType::unspecified(), number),
        typed("raw", DataType::unspecified(), data_type(r#"{"type":"binary"}"#)),
    ];
    let source = "
def floats(data): return [1, 2]
def labels(data): return ['a', 'bcd']
def number(data):
    import numpy
    return numpy.array([[1.5]])
def raw(data): return 'é'
";
    let running = start(source, methods).await;
    let check = async |method: &str, expect: Payload| {
        assert_eq!(running.call(method, vec![Some(Payload::Json(json!(0)))]).await, Ok(expect));
    };
    check("floats", tensor(&[2], Data::F32(vec![1.0, 2.0]))).await;
    check("labels", tensor(&[2], texts(&["a", "bcd"]))).await;
    check("number", Payload::Json(json!(1.5))).await;
    check("raw", Payload::Binary(Bytes::from_static("é".as_bytes()))).await;
}

#[tokio::test]
#[ignore = "needs python"]
async fn arrays_arrive_with_the_type_of_the_signature() {
    let source = "
def predict(data):
    return [type(data).__name__, str(data.dtype), list(data.shape), data.tolist(), data.flags.aligned and data.flags.writeable]
def number(data):
    return [type(data).__name__, data]
";
    let methods = vec![
        typed("predict", DataType::ndarray(vec![None], "float32"), DataType::unspecified()),
        typed(
            "number",
            data_type(r#"{"type":"number","dtype":"float32"}"#),
            DataType::unspecified(),
        ),
    ];
    let running = start(source, methods).await;
    let check = async |input: Payload, expect: Value| {
        let answer = running.call("predict", vec![Some(input)]).await;
        assert_eq!(answer, Ok(Payload::Json(expect)));
    };
    let expect = json!(["ndarray", "float32", [2], [0.5, 2.0], true]);
    check(tensor(&[2], Data::F64(vec![0.5, 2.0])), expect.clone()).await;
    check(tensor(&[2], Data::F32(vec![0.5, 2.0])), expect.clone()).await;
    check(Payload::Json(json!([0.5, 2])), expect).await;
    assert_eq!(running.json("number", json!(2.5)).await, json!(["float32", 2.5]));
}

#[tokio::test]
#[ignore = "needs python"]
async fn tables_keep_their_columns_types_and_gaps() {
    let source = "
def predict(data):
    assert list(data.index) == list(range(len(data)))
    return [list(data.columns), [str(dtype) for dtype in data.dtypes], data.astype(object).values.tolist()]
def echo(data): return data
";
    let kind = data_type(
        r#"{"type":"dataframe","columns":["n","x","c","k","t","b"],
            "dtypes":["int64","float64","object","category","datetime64[ns]","bool"],"index_cols":[]}"#,
    );
    let methods = vec![
        typed("predict", kind.clone(), DataType::unspecified()),
        typed("echo", kind.clone(), kind),
    ];
    let running = start(source, methods).await;
    let frame = Frame {
        columns: vec![
            column("n", Values::I64(vec![1, 2])),
            column("x", Values::Json(vec![json!(0.5), json!(null)])),
            column("c", Values::Json(vec![json!("é"), json!(null)])),
            column("k", Values::Json(vec![json!("a"), json!("b")])),
            column("t", Values::Json(vec![json!("2024-02-29T12:00:00"), json!(null)])),
            column("b", Values::Bool(vec![true, false])),
        ],
    };
    let input = || vec![Some(Payload::Frame(frame.clone()))];
    let answer = running.call("predict", input()).await;
    let expect = json!([
        ["n", "x", "c", "k", "t", "b"],
        ["int64", "float64", "object", "category", "datetime64[ns]", "bool"],
        [[1, 0.5, "é", "a", "2024-02-29T12:00:00", true], [2, null, null, "b", null, false]],
    ]);
    assert_eq!(answer, Ok(Payload::Json(expect)));
    let Ok(Payload::Frame(back)) = running.call("echo", input()).await else {
        panic!("a table comes back as one")
    };
    let Values::F64(x) = &back.columns[1].values else { panic!("{:?}", back.columns[1]) };
    assert!(x[0] == 0.5 && x[1].is_nan());
    for (at, column) in frame.columns.iter().enumerate().filter(|(at, _)| *at != 1) {
        assert_eq!(back.columns[at], *column);
    }
}

#[tokio::test]
#[ignore = "needs python"]
async fn index_columns_travel_as_columns() {
    let kind = data_type(
        r#"{"type":"dataframe","columns":["","v"],"dtypes":["int64","float64"],"index_cols":[""]}"#,
    );
    let source = "
def predict(data):
    assert data.index.tolist() == [5, 6] and data.index.name is None, data.index
    return data * 2
";
    let running = start(source, vec![typed("predict", kind.clone(), kind)]).await;
    let frame = |factor: f64| Frame {
        columns: vec![
            column("", Values::I64(vec![5, 6])),
            column("v", Values::F64(vec![1.0 * factor, 2.0 * factor])),
        ],
    };
    let answer = running.call("predict", vec![Some(Payload::Frame(frame(1.0)))]).await;
    assert_eq!(answer, Ok(Payload::Frame(frame(2.0))));
}

#[tokio::test]
#[ignore = "needs python"]
async fn a_series_and_a_sparse_matrix_go_both_ways() {
    let series =
        data_type(r#"{"type":"series","columns":["v"],"dtypes":["float64"],"index_cols":[]}"#);
    let sparse = data_type(r#"{"type":"csr_matrix","shape":[null,2],"dtype":"float64"}"#);
    let methods =
        vec![typed("series", series.clone(), series), typed("sparse", sparse.clone(), sparse)];
    let source = "
def series(data):
    assert type(data).__name__ == 'Series' and data.name == 'v'
    return data + 1
def sparse(data):
    assert type(data).__name__ == 'csr_matrix' and data.nnz == 1
    return data * 2
";
    let running = start(source, methods).await;
    let frame = |value| Frame { columns: vec![column("v", Values::F64(vec![value]))] };
    let answer = running.call("series", vec![Some(Payload::Frame(frame(1.0)))]).await;
    assert_eq!(answer, Ok(Payload::Frame(frame(2.0))));
    let input = tensor(&[1, 2], Data::F64(vec![0.0, 3.0]));
    let answer = running.call("sparse", vec![Some(input)]).await;
    assert_eq!(answer, Ok(tensor(&[1, 2], Data::F64(vec![0.0, 6.0]))));
}

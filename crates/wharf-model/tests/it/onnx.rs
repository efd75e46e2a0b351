//! ONNX models against onnxruntime's answers, and damaged ones against nothing at all.

use std::{fs, path::PathBuf};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::Deserialize;
use serde_json::{Value, json};
use wharf_model::{
    error::ReadError,
    neural::Net,
    onnx::{Facts, Interpreter, facts},
    tensor::{Data, Tensor},
};

/// Every model of the folder that our own interpreter runs.
const INTERPRETED: [&str; 21] = [
    "binz",
    "calib",
    "cat",
    "ct_lr",
    "ct_rf",
    "dt",
    "gbc",
    "gnb",
    "kmeans",
    "knn",
    "lgb",
    "logreg",
    "mlp",
    "norm",
    "pca",
    "rf",
    "ridge",
    "scale_lr",
    "strlabels",
    "svc",
    "xgb",
];

const NETS: [&str; 3] = ["torch_cnn_dynamo", "torch_cnn_legacy", "torch_lstm_legacy"];

/// What onnxruntime was given and what it answered.
#[derive(Deserialize)]
struct Answers {
    inputs: Vec<Array>,
    outputs: Vec<Array>,
}

#[derive(Deserialize)]
struct Array {
    name: String,
    dtype: String,
    shape: Vec<usize>,
    data: Vec<Value>,
}

impl Array {
    fn tensor(&self) -> Tensor {
        let integers = || self.data.iter().map(|item| item.as_i64().unwrap());
        let data = match self.dtype.as_str() {
            "float32" => Data::F32(self.data.iter().map(|item| number(item) as f32).collect()),
            "int64" => Data::I64(integers().collect()),
            "int32" => Data::I32(integers().map(|item| item as i32).collect()),
            "float64" => Data::F64(self.data.iter().map(number).collect()),
            "bool" => Data::Bool(self.data.iter().map(|item| item.as_bool().unwrap()).collect()),
            "str" => {
                Data::Str(self.data.iter().map(|item| item.as_str().unwrap().into()).collect())
            }
            other => panic!("the answers hold {other}"),
        };
        Tensor::new(self.shape.clone(), data).unwrap()
    }
}

impl Array {
    fn without_rows(&self) -> Tensor {
        let mut shape = self.shape.clone();
        shape[0] = 0;
        Self { name: String::new(), dtype: self.dtype.clone(), shape, data: Vec::new() }.tensor()
    }
}

fn number(item: &Value) -> f64 {
    item.as_f64().unwrap_or(f64::NAN)
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/onnx")
}

fn bytes(name: &str) -> Vec<u8> {
    fs::read(folder().join(format!("{name}.onnx"))).unwrap()
}

fn answers(name: &str) -> Answers {
    let text = fs::read_to_string(folder().join(format!("{name}.answers.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn interpreter(name: &str) -> Interpreter {
    Interpreter::load(&bytes(name), &folder()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn inputs(answers: &Answers) -> Vec<Tensor> {
    answers.inputs.iter().map(Array::tensor).collect()
}

/// Floats within 1e-5·max(1, |wanted|), everything else exactly.
fn assert_answers(name: &str, found: &[Tensor], wanted: &[Array]) {
    assert_eq!(found.len(), wanted.len(), "{name}: number of outputs");
    for (found, wanted) in found.iter().zip(wanted) {
        let place = format!("{name}, output `{}`", wanted.name);
        if wanted.dtype == "seqmap" {
            assert_probabilities(&place, found, wanted.shape[0]);
            continue;
        }
        assert_eq!(found.shape(), wanted.shape, "{place}");
        match found.data() {
            Data::F32(found) => {
                for (at, (found, wanted)) in found.iter().zip(&wanted.data).enumerate() {
                    let (found, wanted) = (f64::from(*found), number(wanted));
                    let near = (found - wanted).abs() <= 1e-5 * wanted.abs().max(1.0);
                    assert!(
                        near || found.is_nan() && wanted.is_nan(),
                        "{place} [{at}]: {found} for {wanted}"
                    );
                }
            }
            _ => assert_eq!(*found, wanted.tensor(), "{place}"),
        }
    }
}

/// The values of ZipMap's maps are not stored, but each row is a distribution.
fn assert_probabilities(place: &str, found: &Tensor, rows: usize) {
    let (shape, Data::F32(items)) = (found.shape(), found.data()) else {
        panic!("{place} is no array of float32");
    };
    assert_eq!(shape[0], rows, "{place}");
    for row in items.chunks_exact(shape[1]) {
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{place}: {row:?}");
    }
}

/// Writes a test for each model.
macro_rules! answer_as_onnxruntime {
    ($check:path: $($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                $check(stringify!($name));
            }
        )*
    };
}

mod the_interpreter_answers_as_onnxruntime {
    fn check(name: &str) {
        let answers = super::answers(name);
        let found = super::interpreter(name).run(super::inputs(&answers)).unwrap();
        super::assert_answers(name, &found, &answers.outputs);
    }

    answer_as_onnxruntime! {
        check: binz calib cat ct_lr ct_rf dt gbc gnb kmeans knn lgb logreg mlp norm pca rf ridge scale_lr strlabels svc xgb
    }
}

mod the_net_answers_as_onnxruntime {
    fn check(name: &str) {
        let answers = super::answers(if name.contains("cnn") { "torch_cnn" } else { name });
        let net = super::Net::load(super::bytes(name), &super::folder()).unwrap();
        super::assert_answers(name, &net.run(super::inputs(&answers)).unwrap(), &answers.outputs);
    }

    answer_as_onnxruntime! { check: torch_cnn_dynamo torch_cnn_legacy torch_lstm_legacy }
}

/// A model in a line of text.
#[derive(Deserialize)]
struct OneModel {
    /// Its only operator, or the estimator that it was made of.
    operator: String,
    model: String,
    #[serde(flatten)]
    answers: Answers,
}

/// Returns the models of a file with one a line.
fn lines(file: &str) -> Vec<OneModel> {
    let lines = fs::read_to_string(folder().join(file)).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

impl OneModel {
    fn bytes(&self) -> Vec<u8> {
        BASE64_STANDARD.decode(&self.model).unwrap()
    }
}

#[track_caller]
fn check_lines(file: &str) {
    for (at, case) in lines(file).into_iter().enumerate() {
        let name = format!("{} in line {}", case.operator, at + 1);
        let model = Interpreter::load(&case.bytes(), &folder())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let made =
            model.run(inputs(&case.answers)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_answers(&name, &made, &case.answers.outputs);
    }
}

#[test]
fn every_operator_answers_as_the_reference() {
    check_lines("operators.jsonl");
}

#[test]
fn every_estimator_answers_as_onnxruntime() {
    check_lines("estimators.jsonl");
}

/// Returns one row of every input.
fn row(inputs: &[Tensor], at: usize) -> Vec<Tensor> {
    let cut = |input: &Tensor| {
        let width: usize = input.shape()[1..].iter().product();
        let part = at * width..(at + 1) * width;
        let data = match input.data() {
            Data::F32(items) => Data::F32(items[part].to_vec()),
            Data::Str(items) => Data::Str(items[part].to_vec()),
            other => panic!("no model takes {other:?}"),
        };
        let mut shape = input.shape().to_vec();
        shape[0] = 1;
        Tensor::new(shape, data).unwrap()
    };
    inputs.iter().map(cut).collect()
}

#[test]
fn one_row_has_the_answer_that_it_has_among_others() {
    for name in INTERPRETED {
        let (model, answers) = (interpreter(name), answers(name));
        let inputs = inputs(&answers);
        let all = model.run(inputs.clone()).unwrap();
        for at in [0, inputs[0].shape()[0] - 1] {
            let one = model.run(row(&inputs, at)).unwrap();
            for (one, all) in one.iter().zip(&all) {
                let rows = all.shape()[0];
                match (one.data(), all.data()) {
                    (Data::F32(one), Data::F32(all)) => {
                        let width = all.len() / rows;
                        assert_eq!(one[..], all[at * width..(at + 1) * width], "{name}");
                    }
                    (Data::I64(one), Data::I64(all)) => assert_eq!(one[0], all[at], "{name}"),
                    (Data::Str(one), Data::Str(all)) => assert_eq!(one[0], all[at], "{name}"),
                    other => panic!("{name}: {other:?}"),
                }
            }
        }
    }
}

#[test]
fn no_rows_have_no_answers() {
    for name in INTERPRETED.iter().filter(|name| **name != "knn") {
        let inputs = answers(name).inputs;
        let made = interpreter(name).run(inputs.iter().map(Array::without_rows).collect());
        for output in made.unwrap_or_else(|error| panic!("{name}: {error}")) {
            assert_eq!(output.shape()[0], 0, "{name}");
        }
    }
}

#[test]
fn a_model_that_mlem_saved_answers_as_it_did() {
    let rows = Data::F32(vec![5.1, 3.5, 1.4, 0.2, 4.9, 3.0, 1.4, 0.2]);
    let made =
        interpreter("mlem_logreg").run(vec![Tensor::new(vec![2, 4], rows).unwrap()]).unwrap();
    assert_eq!(made[0], Tensor::vector(Data::I64(vec![0, 0])));
    let wanted = [0.981_581_3, 0.018_418_7, 0.0, 0.971_326_1, 0.028_674_0, 0.0];
    let Data::F32(found) = made[1].data() else { panic!("{:?}", made[1]) };
    for (found, wanted) in found.iter().zip(wanted) {
        assert!((found - wanted).abs() < 1e-5, "{found} for {wanted}");
    }
}

fn facts_of(name: &str) -> Facts {
    facts(&bytes(name)).unwrap()
}

#[test]
fn facts_name_inputs_outputs_and_labels() {
    let facts = facts_of("strlabels");
    assert_eq!(facts.producer, "skl2onnx");
    assert_eq!(facts.opset, 18);
    assert_eq!(facts.classes, [json!("setosa"), json!("versicolor"), json!("virginica")]);
    assert_eq!(facts.inputs[0].name, "X");
    assert_eq!(facts.inputs[0].dtype, "float32");
    assert_eq!(facts.inputs[0].shape, Some(vec![None, Some(4)]));
    assert_eq!(facts.outputs[0].dtype, "str");
    assert_eq!(facts.outputs[1].shape, Some(vec![None, Some(3)]));
    let operators: Vec<String> = facts.operators.iter().map(ToString::to_string).collect();
    assert_eq!(operators, ["ai.onnx.ml:LinearClassifier", "ai.onnx.ml:Normalizer"]);
}

#[test]
fn a_list_of_maps_is_a_port_with_its_labels_apart() {
    let facts = facts_of("cat");
    assert!(facts.outputs[1].is_class_map);
    assert_eq!(facts.outputs[1].dtype, "float32");
    assert_eq!(facts.outputs[1].shape, Some(vec![None, Some(2)]));
    assert_eq!(facts.classes, [json!(0), json!(1)]);
}

#[test]
fn labels_are_found_behind_plain_operators() {
    for name in ["calib", "gnb", "knn", "mlp"] {
        assert_eq!(facts_of(name).classes, [json!(0), json!(1), json!(2)], "{name}");
    }
    for name in ["kmeans", "ridge", "torch_cnn_legacy"] {
        assert_eq!(facts_of(name).classes, [] as [Value; 0], "{name}");
    }
}

#[test]
fn each_runtime_says_what_it_lacks() {
    let cnn = facts_of("torch_cnn_legacy");
    assert_eq!(cnn.not_neural(), [] as [&str; 0]);
    assert_eq!(cnn.not_interpreted(), ["Conv", "GlobalAveragePool", "MaxPool"]);
    let forest = facts_of("rf");
    assert_eq!(forest.not_neural(), ["ai.onnx.ml:TreeEnsembleClassifier"]);
    assert_eq!(forest.not_interpreted(), [] as [&str; 0]);
    let error = Interpreter::load(&bytes("torch_cnn_legacy"), &folder()).unwrap_err().to_string();
    assert_eq!(error, "it uses what wharf does not run: Conv, GlobalAveragePool, MaxPool");
    assert!(matches!(Net::load(bytes("rf"), &folder()), Err(ReadError::Unsupported { .. })));
}

#[test]
fn a_wrong_number_of_features_is_an_error_that_names_the_node() {
    for (name, wanted) in [
        ("logreg", "the LinearClassifier `LinearClassifier`: it takes 4 features, not 3"),
        (
            "rf",
            "the TreeEnsembleClassifier `TreeEnsembleClassifier`: it takes at least 4 features, not 3",
        ),
    ] {
        let input = Tensor::new(vec![1, 3], Data::F32(vec![0.0; 3])).unwrap();
        assert_eq!(interpreter(name).run(vec![input]).unwrap_err().0, wanted);
    }
    let input = Tensor::new(vec![1, 3, 8, 9], Data::F32(vec![0.0; 216])).unwrap();
    let net = Net::load(bytes("torch_cnn_legacy"), &folder()).unwrap();
    net.run(vec![input]).unwrap_err();
    net.run(vec![]).unwrap_err();
}

/// The fields of a file have no order, so a cut can fall behind all that counts.
#[test]
fn a_model_that_is_cut_off_is_an_error_or_whole() {
    for name in INTERPRETED {
        let (bytes, answers) = (bytes(name), answers(name));
        for length in (0..bytes.len()).step_by(bytes.len().div_ceil(300)) {
            if let Ok(model) = Interpreter::load(&bytes[..length], &folder()) {
                assert!(bytes.len() - length < 50, "{name} cut off at {length} of {}", bytes.len());
                assert_answers(name, &model.run(inputs(&answers)).unwrap(), &answers.outputs);
            }
        }
    }
}

#[test]
fn a_net_that_is_cut_off_is_an_error() {
    for name in NETS {
        let bytes = bytes(name);
        for length in (0..bytes.len()).step_by(bytes.len().div_ceil(100)) {
            assert!(Net::load(bytes[..length].to_vec(), &folder()).is_err(), "{name} at {length}");
        }
    }
}

/// Returns a file with a few bytes changed, another one for each seed.
fn changed(original: &[u8], seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = |below: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut changed = original.to_vec();
    for _ in 0..=next(3) {
        let at = next(changed.len());
        changed[at] = [0, 1, 0x7f, 0x80, 0xff, next(256) as u8][next(6)];
    }
    changed
}

/// Whether a changed model is one is not the question: it must answer or fail, and go on to the next.
#[test]
fn a_model_with_changed_bytes_neither_hangs_nor_panics() {
    for name in INTERPRETED.iter().filter(|name| !["cat", "lgb", "gbc", "rf"].contains(name)) {
        let original = bytes(name);
        let input = row(&inputs(&answers(name)), 0);
        for seed in 0..150 {
            if let Ok(model) = Interpreter::load(&changed(&original, seed), &folder()) {
                drop(model.run(input.clone()));
            }
        }
    }
}

#[test]
fn a_small_model_with_changed_bytes_neither_hangs_nor_panics() {
    for case in lines("estimators.jsonl") {
        let (original, given) = (case.bytes(), inputs(&case.answers));
        let none: Vec<Tensor> = case.answers.inputs.iter().map(Array::without_rows).collect();
        for seed in 0..40 {
            if let Ok(model) = Interpreter::load(&changed(&original, seed), &folder()) {
                drop(model.run(given.clone()));
                drop(model.run(none.clone()));
            }
        }
    }
}

#[test]
fn a_net_with_changed_bytes_neither_hangs_nor_panics() {
    for (name, answers) in NETS.iter().zip(["torch_cnn", "torch_cnn", "torch_lstm_legacy"]) {
        let original = bytes(name);
        let input = row(&inputs(&self::answers(answers)), 0);
        for seed in 0..60 {
            if let Ok(net) = Net::load(changed(&original, seed), &folder()) {
                drop(net.run(input.clone()));
            }
        }
    }
}

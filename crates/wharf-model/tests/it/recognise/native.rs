//! Trees and ONNX, bare and saved by MLEM.

use std::{fmt::Write as _, fs};

use wharf_model::recognise::recognise;
use wharf_spec::error::Report;

use super::{copy_of, data, folder, method_line, mlem, recognised, refused, replace};

#[test]
fn boosters_are_served_without_python() {
    insta::assert_snapshot!(recognised(&mlem("y2023/lightgbm-booster-ndarray")), @r"
    lightgbm-booster-ndarray (lightgbm, trees: wharf evaluates the trees of LightGBM itself)
    /predict(data: float64[null,4]) -> float64[null,3] = model.predict
    files: model.txt (entry model.txt)
    ");
    insta::assert_snapshot!(recognised(&mlem("today/lightgbm-booster-ndarray")), @r"
    lightgbm-booster-ndarray (lightgbm, trees: wharf evaluates the trees of LightGBM itself)
    /predict(data: float64[null,4]) -> float64[null,3] = model.predict
    files: model.txt (entry model.txt)
    ");
}

#[test]
fn onnx_answers_with_the_list_of_its_outputs() {
    insta::assert_snapshot!(recognised(&mlem("y2023/onnx-logreg")), @r"
    onnx-logreg (onnx, onnx_ml: wharf interprets its 2 operators itself)
    /predict(data: float32[null,4]) -> {type:list,items:[{type:ndarray,shape:[null],dtype:int64},{type:ndarray,shape:[null,3],dtype:float32}]} [Outputs] = model.predict
    files: model.onnx (entry model.onnx)
    classes: [0,1,2]
    ");
}

#[test]
fn bare_trees_answer_with_classes_and_probabilities() {
    insta::assert_snapshot!(recognised(&data("trees/xgb_iris.json")), @r"
    xgb-iris (xgboost, trees: wharf evaluates the trees of XGBoost itself)
    /predict(data: float64[null,4]) -> int64[null] [Class] = model.predict
    /predict_proba(data: float64[null,4]) -> float32[null,3] [Probabilities] = model.predict_proba
    files: model.json (entry model.json)
    ");
    insta::assert_snapshot!(recognised(&data("trees/xgb_diab_dart.ubj")), @r"
    xgb-diab-dart (xgboost, trees: wharf evaluates the trees of XGBoost itself)
    /predict(data: float64[null,10]) -> float32[null] = model.predict
    files: model.ubj (entry model.ubj)
    ");
    insta::assert_snapshot!(recognised(&data("trees/lgb_bc.txt")), @r"
    lgb-bc (lightgbm, trees: wharf evaluates the trees of LightGBM itself)
    /predict(data: float64[null,30]) -> int64[null] [Class] = model.predict
    /predict_proba(data: float64[null,30]) -> float64[null,2] [Probabilities] = model.predict_proba
    files: model.txt (entry model.txt)
    ");
}

#[test]
fn a_cut_off_tree_file_is_damaged() {
    let iris = fs::read(data("trees/xgb_iris.json")).unwrap();
    let folder = folder(&[("iris.json", &iris[..iris.len() / 2])]);
    let report = refused(folder.path(), &folder);
    assert!(report.starts_with("error[W0403]: `DIR/iris.json` is damaged"), "{report}");
}

#[test]
fn bare_onnx_answers_with_classes_and_probabilities() {
    insta::assert_snapshot!(recognised(&data("mlem/y2023/onnx-logreg/model/model.onnx")), @r"
    model (onnx, onnx_ml: wharf interprets its 2 operators itself)
    /predict(data: float32[null,4]) -> int64[null] [Class] = model.predict
    /predict_proba(data: float32[null,4]) -> float32[null,3] [Probabilities] = model.predict_proba
    files: model.onnx (entry model.onnx)
    classes: [0,1,2]
    ");
}

#[test]
fn every_onnx_file_has_a_runtime_and_methods() {
    let mut text = String::new();
    for name in
        ["ct_lr", "kmeans", "ridge", "strlabels", "torch_cnn_legacy", "torch_lstm_legacy", "xgb"]
    {
        let model = recognise(&data("onnx").join(format!("{name}.onnx"))).unwrap();
        let runtime = model.card.runtime;
        writeln!(text, "{name}: {runtime}, classes {:?}", model.card.classes).unwrap();
        for method in &model.card.methods {
            writeln!(text, "  {}", method_line(method)).unwrap();
        }
    }
    insta::assert_snapshot!(text, @r#"
    ct_lr: onnx_ml, classes [Number(0), Number(1)]
      /predict(a: float32[null,1], b: float32[null,1], c: str[null,1], d: str[null,1]) -> int64[null] [Class] = model.predict
      /predict_proba(a: float32[null,1], b: float32[null,1], c: str[null,1], d: str[null,1]) -> float32[null,2] [Probabilities] = model.predict_proba
    kmeans: onnx_ml, classes []
      /predict(data: float32[null,4]) -> {type:list,items:[{type:ndarray,shape:[null],dtype:int64},{type:ndarray,shape:[null,3],dtype:float32}]} [Outputs] = model.predict
    ridge: onnx_ml, classes []
      /predict(data: float32[null,10]) -> float32[null,1] = model.predict
    strlabels: onnx_ml, classes [String("setosa"), String("versicolor"), String("virginica")]
      /predict(data: float32[null,4]) -> str[null] [Class] = model.predict
      /predict_proba(data: float32[null,4]) -> float32[null,3] [Probabilities] = model.predict_proba
    torch_cnn_legacy: neural, classes []
      /predict(data: float32[null,3,32,32]) -> float32[null,10] = model.predict
    torch_lstm_legacy: neural, classes []
      /predict(data: float32[null,12,8]) -> float32[null,3] = model.predict
    xgb: onnx_ml, classes [Number(0), Number(1)]
      /predict(data: float32[null,30]) -> int64[null] [Class] = model.predict
      /predict_proba(data: float32[null,30]) -> float32[null,2] [Probabilities] = model.predict_proba
    "#);
}

/// A graph with one operator of one input and output, and a constant in another file where that is named.
fn onnx(operator: &str, external: Option<&str>) -> Vec<u8> {
    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).unwrap();
        assert!(length < 128);
        [&[number << 3 | 2, length], content].concat()
    }
    let shape = field(2, &field(1, &[8, 2]));
    let tensor = field(1, &[&[8, 1], shape.as_slice()].concat());
    let value = |name: &[u8]| [field(1, name), field(2, &tensor)].concat();
    let node = [field(1, b"x"), field(2, b"y"), field(4, operator.as_bytes())].concat();
    let mut graph = [field(1, &node), field(11, &value(b"x")), field(12, &value(b"y"))].concat();
    if let Some(file) = external {
        let entry = [field(1, b"location"), field(2, file.as_bytes())].concat();
        // Two floats, named `w`, whose bytes lie elsewhere.
        let constant =
            [&[8, 2, 16, 1], field(8, b"w").as_slice(), &field(13, &entry), &[112, 1]].concat();
        graph.extend(field(5, &constant));
    }
    let opset = field(8, &[16, 17]);
    let length = u8::try_from(graph.len()).unwrap();
    let (low, high) = (length & 127 | 128, length >> 7);
    [&[8, 8], opset.as_slice(), &[7 << 3 | 2, low, high], &graph].concat()
}

#[test]
fn onnx_operators_that_no_runtime_has_are_named() {
    let folder = folder(&[("m.onnx", &onnx("Quux", None))]);
    insta::assert_snapshot!(refused(folder.path(), &folder), @r"
    error[W0406]: `DIR/m.onnx` cannot be served
      cause: no runtime has its operators `Quux`

    hint: write a `predict.py` that runs it with `onnxruntime`
    ");
}

#[test]
fn onnx_constants_beside_the_file_come_along() {
    let model = onnx("Relu", Some("sub/weights"));
    let folder = folder(&[("m.onnx", &model), ("sub/weights", &[0; 8])]);
    let recognised = recognise(folder.path()).unwrap_or_else(|error| panic!("{}", Report(&error)));
    let files: Vec<&str> = recognised.card.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(files, ["model.onnx", "sub/weights"]);

    fs::remove_file(folder.path().join("sub/weights")).unwrap();
    insta::assert_snapshot!(refused(folder.path(), &folder), @r"
    error[W0404]: `DIR/m.onnx` describes `DIR/sub/weights`, which is not there

    hint: copy `DIR/sub/weights` to its place, or save the model again
    ");
    std::os::unix::fs::symlink("/etc/hostname", folder.path().join("sub/weights")).unwrap();
    insta::assert_snapshot!(refused(folder.path(), &folder), @r"
    error[W0406]: `DIR/m.onnx` cannot be served
      cause: its constants lie in `sub/weights`, which is outside the model's folder
    ");
    for outside in ["../w", "/etc/hostname"] {
        fs::write(folder.path().join("m.onnx"), onnx("Relu", Some(outside))).unwrap();
        assert!(recognise(folder.path()).is_err(), "{outside} passed");
    }
}

#[test]
fn a_signature_of_other_columns_than_the_trees_is_refused() {
    let folder = copy_of("y2023/lightgbm-booster-ndarray");
    let card = folder.path().join("model.mlem");
    replace(
        &card,
        "            - null\n            - 4\n",
        "            - null\n            - 5\n",
    );
    insta::assert_snapshot!(refused(&card, &folder), @r"
    error[W0403]: `DIR/model.mlem` is damaged
      cause: it says that the model takes 5 columns, and its trees take 4

    hint: save the model again, or restore the file
    ");
}

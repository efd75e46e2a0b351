//! What `wharf.yaml` adds, and where it contradicts the model.

use std::{fmt::Write as _, fs};

use wharf_model::recognise::recognise;

use super::{data, folder, method_line, refused, summary};

#[test]
fn names_in_wharf_yaml_must_fit_the_trees() {
    let iris = fs::read(data("trees/xgb_iris.json")).unwrap();
    let diabetes = fs::read(data("trees/xgb_diab_dart.ubj")).unwrap();
    let good = b"model:\n  path: i.json\n  inputs: [{name: sl}, {name: sw}, {name: pl}, {name: pw}]\n  classes: [setosa, versicolor, virginica]\n  examples: [{data: [[5.1, 3.5, 1.4, 0.2]]}]\n";
    let folder = folder(&[("i.json", &iris), ("d.ubj", &diabetes), ("wharf.yaml", good)]);
    let model = recognise(folder.path()).unwrap();
    insta::assert_snapshot!(method_line(&model.card.methods[0]), @"/predict(data: float64[null,4] {sl sw pl pw}) -> str[null] [Class] = model.predict");
    insta::assert_snapshot!(method_line(&model.card.methods[1]), @"/predict_proba(data: float64[null,4] {sl sw pl pw}) -> float32[null,3] [Probabilities] = model.predict_proba");
    assert_eq!(model.card.classes.len(), 3);
    let mut reports = String::new();
    for yaml in [
        "model:\n  path: i.json\n  inputs: [{name: sl}]\n",
        "model:\n  path: i.json\n  classes: [a, b]\n",
        "model:\n  path: d.ubj\n  classes: [a, b]\n",
    ] {
        fs::write(folder.path().join("wharf.yaml"), yaml).unwrap();
        writeln!(reports, "{}\n", refused(folder.path(), &folder)).unwrap();
    }
    insta::assert_snapshot!(reports, @r"
    error[W0103]: `inputs` names 1 column; the model takes 4
      --> DIR/wharf.yaml:3:3
      |
    3 |   inputs: [{name: sl}]
      |   ^

    error[W0103]: `classes` names 2 classes; the model has 3
      --> DIR/wharf.yaml:3:3
      |
    3 |   classes: [a, b]
      |   ^

    error[W0103]: the model has no classes: its objective is `reg:squarederror`
      --> DIR/wharf.yaml:3:3
      |
    3 |   classes: [a, b]
      |   ^

    hint: remove `classes`
    ");
}

#[test]
fn wharf_yaml_names_columns_classes_and_examples() {
    let yaml = b"
model:
  path: ridge.joblib
  name: ridge-service
  inputs: [{name: sl, min: 4, max: 8}, {name: sw}, {name: pl}, {name: pw}]
  classes: [a, b]
  examples: [{data: [[1, 2, 3, 4]]}]
  requirements: [scikit-learn==1.9.1]
  python_version: '3.11'
  compat: mlem
  meta: {owner: ann}
build: {base: 'python:3.11'}
";
    let joblib = fs::read(data("pickle/ridge.joblib")).unwrap();
    let folder = folder(&[("ridge.joblib", &joblib), ("wharf.yaml", yaml), ("other.onnx", b"")]);
    let model = recognise(folder.path()).unwrap();
    insta::assert_snapshot!(summary(&model), @r#"
    ridge-service (pickle, python: a pickle, which only Python loads)
    /predict(data: float64[null,4] {sl sw pl pw}) -> any = model.predict
    /predict_proba(data: float64[null,4] {sl sw pl pw}) -> any = model.predict_proba
    files: model.joblib (entry model.joblib)
    classes: ["a","b"]
    load model: Joblib model.joblib
    requirements: scikit-learn==1.9.1
    Caution: loading `ridge.joblib` runs code: it imports joblib, numpy, sklearn (6 modules)
    "#);
    assert_eq!(model.card.methods[1].examples.len(), 1);
    assert_eq!(model.card.meta["owner"], "ann");
    assert_eq!(model.build.base.as_deref(), Some("python:3.11"));
    assert_eq!(model.folder, fs::canonicalize(folder.path()).unwrap());
}

#[test]
fn mistakes_in_wharf_yaml_are_shown_at_their_place() {
    let pickle = fs::read(data("pickle/ridge-protocol4.pkl")).unwrap();
    let mut reports = String::new();
    for yaml in [
        "model:\n  pth: lr.pkl\n",
        "model:\n  path: rl.pkl\n",
        "model:\n  path: lr.pkl\n  kind: torch\n",
        "model:\n  path: lr.pkl\n  requirements: needs.txt\n",
        "model:\n  path: lr.pkl\n  examples: [{rows: 1}]\n",
        "model: {path: lr.pkl\n",
    ] {
        let folder = folder(&[("lr.pkl", &pickle), ("wharf.yaml", yaml.as_bytes())]);
        writeln!(reports, "{}\n", refused(folder.path(), &folder)).unwrap();
    }
    insta::assert_snapshot!(reports, @r#"
    error[W0104]: unknown key `pth`
      --> DIR/wharf.yaml:2:3
      |
    2 |   pth: lr.pkl
      |   ^

    hint: did you mean `path`?

    error[W0103]: there is no file `rl.pkl`
      --> DIR/wharf.yaml:2:3
      |
    2 |   path: rl.pkl
      |   ^

    hint: did you mean `lr.pkl`?

    error[W0406]: `DIR/lr.pkl` cannot be served
      cause: models of `torch` are not served yet

    hint: export the model to ONNX, or write a `predict.py` that loads it

    error[W0103]: there is no file `needs.txt`
      --> DIR/wharf.yaml:3:3
      |
    3 |   requirements: needs.txt
      |   ^

    error[W0103]: no method of the model takes an example with rows
      --> DIR/wharf.yaml:3:3
      |
    3 |   examples: [{rows: 1}]
      |   ^

    hint: `predict` takes data

    error[W0102]: unclosed bracket '{'
      --> DIR/wharf.yaml:1:8
      |
    1 | model: {path: lr.pkl
      |        ^
    "#);
}

#[test]
fn wharf_yaml_of_another_model_says_nothing_of_this_one() {
    let pickle = fs::read(data("pickle/ridge-protocol4.pkl")).unwrap();
    let yaml = b"model: {path: a.pkl, name: first}\nbuild: {base: 'x:1'}\n";
    let folder = folder(&[("a.pkl", &pickle), ("sub/b.pkl", &pickle), ("wharf.yaml", yaml)]);
    let model = recognise(&folder.path().join("sub/b.pkl")).unwrap();
    assert_eq!(model.card.name.as_str(), "b");
    assert_eq!(model.build.base.as_deref(), Some("x:1"));
}

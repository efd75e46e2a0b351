//! What is no model, or is not what was saved: each with its code and what to do.

use std::{fmt::Write as _, fs};

use wharf_model::error::ModelError;
use wharf_model::recognise::recognise;
use wharf_spec::error::Explain;

use super::{copy_of, folder, mlem, refused, replace};

#[test]
fn a_path_that_is_not_there() {
    let folder = folder(&[("iris.ubj", b"x")]);
    insta::assert_snapshot!(refused(&folder.path().join("irsi.ubj"), &folder), @r"
    error[W0401]: there is no model at `DIR/irsi.ubj`

    hint: did you mean `DIR/iris.ubj`?
    ");
    insta::assert_snapshot!(refused(&folder.path().join("other/x.onnx"), &folder), @"error[W0401]: there is no model at `DIR/other/x.onnx`");
}

#[test]
fn folders_without_a_model_or_with_several() {
    let empty = folder(&[("readme.txt", b"hello"), ("package.json", b"{}")]);
    insta::assert_snapshot!(refused(empty.path(), &empty), @r"
    error[W0401]: there is no model at `DIR`

    hint: name the file; wharf looks for `.json`, `.ubj`, `.txt`, `.cbm`, `.onnx`, `.mlem` and `predict.py`
    ");
    let pickle = folder(&[("lr.pkl", b"\x80\x04N.")]);
    insta::assert_snapshot!(refused(pickle.path(), &pickle), @r"
    error[W0401]: there is no model at `DIR`

    hint: name `lr.pkl` itself, or write `model: {path: lr.pkl, requirements: [scikit-learn==…]}` into `wharf.yaml`
    ");
    let several = folder(&[("a.onnx", b"x"), ("predict.py", b"def predict(x): return x\n")]);
    insta::assert_snapshot!(refused(several.path(), &several), @r"
    error[W0402]: `DIR` is not a model that wharf knows: it has several models: a.onnx, predict.py

    hint: name one of `a.onnx` or `predict.py`, or write `model: {path: a.onnx}` into `wharf.yaml`
    ");
}

#[test]
fn files_that_are_no_model() {
    let folder = folder(&[
        ("empty.json", b""),
        ("other.json", b"{\"a\": 1}"),
        ("notes.txt", b"hello"),
        ("model.ubj", b"garbage"),
        ("model.cbm", b"CBM1...."),
        ("old.model", b"binf\x00\x00"),
        ("net.pt", b"PK\x03\x04...."),
        ("net.h5", b"\x89HDF\r\n\x1a\n"),
        ("noise.bin", b"\x00\x01\x02"),
        ("broken.onnx", b"\xff\xff\xff\xff"),
    ]);
    let mut reports = String::new();
    for name in [
        "empty.json",
        "other.json",
        "notes.txt",
        "model.ubj",
        "model.cbm",
        "old.model",
        "net.pt",
        "net.h5",
        "noise.bin",
        "broken.onnx",
    ] {
        writeln!(reports, "{}\n", refused(&folder.path().join(name), &folder)).unwrap();
    }
    insta::assert_snapshot!(reports, @r#"
    error[W0403]: `DIR/empty.json` is damaged
      cause: the file is empty

    hint: save the model again, or restore the file

    error[W0402]: `DIR/other.json` is not a model that wharf knows: it is JSON, but not of an XGBoost model

    hint: save it as XGBoost `.ubj`, LightGBM text, CatBoost `.cbm` or ONNX, save it with MLEM, or write a `predict.py`

    error[W0402]: `DIR/notes.txt` is not a model that wharf knows: it is text, but not of a LightGBM model

    hint: save it as XGBoost `.ubj`, LightGBM text, CatBoost `.cbm` or ONNX, save it with MLEM, or write a `predict.py`

    error[W0403]: `DIR/model.ubj` is damaged
      cause: it is not the UBJSON of an XGBoost model

    hint: save the model again, or restore the file

    error[W0403]: `DIR/model.cbm` is damaged
      cause: the file is shorter than it says: it is cut off

    hint: save the model again, or restore the file

    error[W0403]: `DIR/old.model` is damaged
      cause: the file ends before the model does: it is cut off

    hint: save the model again, or restore the file

    error[W0406]: `DIR/net.pt` cannot be served
      cause: models of `torch` are not served yet

    hint: export the model to ONNX, or write a `predict.py` that loads it

    error[W0406]: `DIR/net.h5` cannot be served
      cause: models of `tf_keras` are not served yet

    hint: export the model to ONNX, or write a `predict.py` that loads it

    error[W0402]: `DIR/noise.bin` is not a model that wharf knows: its first bytes are those of no format that wharf reads

    hint: save it as XGBoost `.ubj`, LightGBM text, CatBoost `.cbm` or ONNX, save it with MLEM, or write a `predict.py`

    error[W0403]: `DIR/broken.onnx` is damaged
      cause: it is cut off, or it is no ONNX

    hint: save the model again, or restore the file
    "#);
}

#[test]
fn an_artifact_that_is_gone() {
    let folder = copy_of("today/sklearn-logreg-ndarray");
    fs::remove_file(folder.path().join("model")).unwrap();
    insta::assert_snapshot!(refused(&folder.path().join("model.mlem"), &folder), @r"
    error[W0404]: `DIR/model.mlem` describes `DIR/model`, which is not there

    hint: copy `DIR/model` to its place, or save the model again
    ");
}

#[test]
fn an_artifact_that_was_replaced() {
    let folder = copy_of("today/sklearn-logreg-ndarray");
    let artifact = folder.path().join("model");
    let mut bytes = fs::read(&artifact).unwrap();
    bytes[100] ^= 1;
    fs::write(&artifact, &bytes).unwrap();
    insta::assert_snapshot!(refused(&folder.path().join("model.mlem"), &folder), @r"
    error[W0405]: `DIR/model` is not the file that was saved: its MD5 is 37d3b103ae7f3836d13a75c17d18176a, not 11fb03319d3a607ba0701596df48f60a

    hint: save the model again, or restore the file
    ");
    fs::write(&artifact, b"short").unwrap();
    insta::assert_snapshot!(refused(&folder.path().join("model.mlem"), &folder), @r"
    error[W0405]: `DIR/model` is not the file that was saved: it has 5 bytes, not 825

    hint: save the model again, or restore the file
    ");
}

#[test]
fn frameworks_that_are_not_served_are_named() {
    let error = recognise(&mlem("torch1/torch-sequential")).unwrap_err();
    assert!(matches!(error, ModelError::Unsupported { .. }), "{error:?}");
    assert!(!error.hints().is_empty());
    let folder = copy_of("today/sklearn-logreg-ndarray");
    let card = folder.path().join("model.mlem");
    replace(&card, "type: sklearn", "type: sklaern");
    insta::assert_snapshot!(refused(&card, &folder), @r"
    error[W0402]: `DIR/model.mlem` is not a model that wharf knows: its framework `sklaern` is not one of MLEM's

    hint: did you mean `sklearn`?
    ");
}

#[test]
fn mlem_files_that_lead_outside_or_are_of_something_else() {
    let folder = copy_of("today/sklearn-logreg-ndarray");
    let card = folder.path().join("model.mlem");
    let fresh = fs::read_to_string(&card).unwrap();
    let mut reports = String::new();
    for (from, to) in [
        ("uri: model", "uri: ../model"),
        ("uri: model", "uri: /etc/passwd"),
        ("    uri: model", "    uri: model\n    type: dvc"),
        ("object_type: model", "object_type: data"),
        ("- module: numpy", "- module: \"numpy\\n--index-url=http://evil\""),
        ("- module: numpy", "- package_name: numpy\n  type: conda\n- module: numpy"),
        ("  - - model\n    - predict\n", "  - - model\n    - fit\n"),
        ("  model:\n    methods", "  other:\n    methods"),
        ("processors:", "procesors:"),
    ] {
        fs::write(&card, &fresh).unwrap();
        replace(&card, from, to);
        writeln!(reports, "{}\n", refused(&card, &folder)).unwrap();
    }
    insta::assert_snapshot!(reports, @r"
    error[W0406]: `DIR/model.mlem` cannot be served
      cause: it names the file `../model`, which is outside its own folder

    error[W0406]: `DIR/model.mlem` cannot be served
      cause: it names the file `/etc/passwd`, which is outside its own folder

    error[W0406]: `DIR/model.mlem` cannot be served
      cause: its data lies in a remote store, at `model`

    hint: bring it here first: `mlem clone`, or `dvc pull`

    error[W0402]: `DIR/model.mlem` is not a model that wharf knows: it holds `data`, not a model

    hint: name the `.mlem` file of a model

    error[W0403]: `DIR/model.mlem` is damaged
      cause: its requirement `numpy\n--index-url=http://evil` has a form that no package has

    hint: save the model again, or restore the file

    error[W0406]: `DIR/model.mlem` cannot be served
      cause: it needs `numpy` from conda, which wharf does not install

    hint: record the package from PyPI instead, or write a `predict.py`

    error[W0403]: `DIR/model.mlem` is damaged
      cause: `predict` calls `fit` of `model`, which is not described

    hint: save the model again, or restore the file

    error[W0403]: `DIR/model.mlem` is damaged
      cause: it has no processor `model`, only: other

    hint: save the model again, or restore the file

    error[W0104]: unknown key `procesors`
      --> DIR/model.mlem:14:1
       |
    14 | procesors:
       | ^

    hint: did you mean `processors`?
    ");
}

#[test]
fn what_is_neither_file_nor_folder_is_not_opened() {
    let folder = folder(&[]);
    let socket = folder.path().join("model.onnx");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    insta::assert_snapshot!(refused(&socket, &folder), @"error[W0402]: `DIR/model.onnx` is not a model that wharf knows: it is neither a file nor a folder");
}

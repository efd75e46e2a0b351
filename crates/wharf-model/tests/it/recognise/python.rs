//! `predict.py`, and pickles that a person names.

use std::fmt::Write as _;

use wharf_model::recognise::recognise;
use wharf_spec::{codes, error::Explain as _};

use super::{data, folder, recognised, refused, summary};

#[test]
fn a_bare_pickle_is_recognised_and_says_what_is_missing() {
    insta::assert_snapshot!(recognised(&data("pickle/ridge-protocol4.pkl")), @r"
    ridge-protocol4 (pickle, python: a pickle, which only Python loads)
    /predict(data: any) -> any = model.predict
    files: model.pkl (entry model.pkl)
    load model: Pickle model.pkl
    Caution: loading `ridge-protocol4.pkl` runs code: it imports numpy, sklearn (3 modules)
    Note: no requirements are listed: write `requirements: [scikit-learn==…]` under `model:` in `wharf.yaml`
    ");
    insta::assert_snapshot!(recognised(&data("pickle/pkl-by-joblib.pkl")), @r"
    pkl-by-joblib (pickle, python: a pickle, which only Python loads)
    /predict(data: any) -> any = model.predict
    files: model.joblib (entry model.joblib)
    load model: Joblib model.joblib
    Caution: loading `pkl-by-joblib.pkl` runs code: it imports joblib, numpy (2 modules)
    Note: no requirements are listed: write `requirements: [scikit-learn==…]` under `model:` in `wharf.yaml`
    ");
}

#[test]
fn a_python_folder_takes_no_file_from_outside() {
    let outside = folder(&[("secret.txt", b"secret")]);
    let folder = folder(&[("predict.py", b"def predict(x): return x\n"), ("data.txt", b"1")]);
    std::os::unix::fs::symlink(outside.path().join("secret.txt"), folder.path().join("link"))
        .unwrap();
    std::os::unix::fs::symlink("data.txt", folder.path().join("again.txt")).unwrap();
    std::os::unix::fs::symlink(".", folder.path().join("round")).unwrap();
    let model = recognise(folder.path()).unwrap();
    let files: Vec<&str> = model.card.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(files, ["code/again.txt", "code/data.txt", "code/predict.py"]);
    let notes: Vec<&str> = model.card.risks.iter().map(|risk| risk.text.as_str()).collect();
    assert!(
        notes.contains(&"`link` is a link that leads out of the folder; it is left out"),
        "{notes:?}"
    );
}

#[test]
fn a_python_folder_leaves_out_what_it_is_told_to() {
    let check = |ignored: &[u8], expect: &[&str]| {
        let folder = folder(&[
            ("predict.py", b"def predict(x): return x\n"),
            (".wharfignore", ignored),
            (".wharf/state/key", b"secret"),
            ("data/rows.csv", b"1"),
            ("data/big.csv", b"2"),
            ("venv/lib/x.py", b""),
            ("own-venv/pyvenv.cfg", b""),
            ("own-venv/y.py", b""),
        ]);
        let model = recognise(folder.path()).unwrap();
        let files = model.card.files.iter().map(|file| file.path.trim_start_matches("code/"));
        assert_eq!(files.collect::<Vec<_>>(), expect);
    };
    check(b"", &["data/big.csv", "data/rows.csv", "predict.py"]);
    check(b"data\n!data/rows.csv\n", &["data/rows.csv", "predict.py"]);
    check(b"**\n", &["predict.py"]);
    let brought_back = ["own-venv/pyvenv.cfg", "own-venv/y.py", "predict.py", "venv/lib/x.py"];
    check(b"data\n!venv\n!own-venv\n", &brought_back);
}

#[test]
fn a_python_folder_tells_a_line_that_is_no_pattern() {
    let folder =
        folder(&[("predict.py", b"def predict(x): return x\n"), (".wharfignore", b"data\n[\n")]);
    let error = recognise(folder.path()).unwrap_err();
    assert!(error.to_string().ends_with(".wharfignore` cannot be understood"), "{error}");
    assert_eq!(error.code(), codes::FILE_VALUE);
}

#[test]
fn a_python_function() {
    let source = b"import math\n\ndef helper(): ...\n\ndef predict(x: float, scale: int = 2, mode='fast', extra=None):\n    return x\n";
    let folder = folder(&[("predict.py", source), ("lib/util.py", b""), (".env", b"secret")]);
    let model = recognise(folder.path()).unwrap();
    insta::assert_snapshot!(summary(&model).split_once(' ').unwrap().1, @r#"
    (python, python: its code is Python)
    /predict(x: float, scale: int = 2, mode: any = "fast", extra: any = null) -> any = model.__call__
    files: code/lib/util.py code/predict.py (entry code/predict.py)
    load model: Module code/predict.py:predict
    Note: no requirements are listed: write `requirements: [scikit-learn==…]` under `model:` in `wharf.yaml`
    "#);
}

#[test]
fn a_python_class() {
    let source = b"class Model:\n    def __init__(self, path='w'): ...\n    def predict(self, rows): ...\n    def explain(self, rows, top: int = 3) -> bytes: ...\n    def _own(self): ...\n";
    let folder = folder(&[("predict.py", source)]);
    let model = recognise(&folder.path().join("predict.py")).unwrap();
    insta::assert_snapshot!(summary(&model).split_once(' ').unwrap().1, @r"
    (python, python: its code is Python)
    /predict(rows: any) -> any = model.predict
    /explain(rows: any, top: int = 3) -> binary = model.explain
    files: code/predict.py (entry code/predict.py)
    load model: Module code/predict.py:Model
    Note: no requirements are listed: write `requirements: [scikit-learn==…]` under `model:` in `wharf.yaml`
    ");
}

#[test]
fn python_files_without_an_entry() {
    let mut reports = String::new();
    for source in [
        "x = 1\n",
        "class A: ...\nclass B: ...\n",
        "class A:\n  def __init__(self, path): ...\n  def predict(self, x): ...\n",
        "async def predict(x): ...\n",
        "def predict(x:\n",
        "class A:\n  x = 1\n",
    ] {
        let folder = folder(&[("predict.py", source.as_bytes())]);
        writeln!(reports, "{}\n", refused(folder.path(), &folder)).unwrap();
    }
    insta::assert_snapshot!(reports, @r#"
    error[W0402]: `DIR/predict.py` is not a model that wharf knows: it has neither a function `predict` nor a class

    hint: write a function `predict(data)` that returns the answer

    error[W0402]: `DIR/predict.py` is not a model that wharf knows: it has no function `predict`, and several classes

    hint: say which to serve in `wharf.yaml`: `model: {entry: "predict.py:A"}`

    error[W0406]: `DIR/predict.py` cannot be served
      cause: `A` cannot be made without its argument `path`

    hint: give `path` a default, or write a function `predict`

    error[W0406]: `DIR/predict.py` cannot be served
      cause: `predict` is an `async def`

    hint: write it as a plain `def`; the server runs calls side by side itself

    error[W0403]: `DIR/predict.py` is damaged
      cause: a bracket of line 1 does not close

    hint: save the model again, or restore the file

    error[W0402]: `DIR/predict.py` is not a model that wharf knows: its class `A` has no public method

    hint: give it a method `predict(self, data)`
    "#);
}

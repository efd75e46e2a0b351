//! Models that were trained with categories of a data frame, asked with the names.

use std::{fs, path::PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};
use wharf_model::{
    recognise::recognise,
    tensor::Data,
    tree::{Ensemble, Format},
};
use wharf_spec::{data_type::DataType, model::NativeOptions};

#[derive(Deserialize)]
struct Answers {
    #[serde(rename = "X")]
    rows: Vec<Vec<Value>>,
    prob: Vec<f64>,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/frames")
}

fn read(format: Format, file: &str) -> Ensemble {
    let bytes = fs::read(folder().join(file)).unwrap();
    Ensemble::read(format, &bytes, &NativeOptions::default()).unwrap()
}

#[track_caller]
fn check_answers(format: Format, file: &str) {
    let model = read(format, file);
    let (stem, _) = file.rsplit_once('.').unwrap();
    let text = fs::read(folder().join(format!("{stem}.answers.json"))).unwrap();
    let answers: Answers = serde_json::from_slice(&text).unwrap();
    let mut rows = Vec::new();
    for row in &answers.rows {
        let cells = row.iter().enumerate();
        rows.extend(cells.map(|(column, cell)| model.encode(column, cell).unwrap()));
    }
    let found: Vec<f64> = match model.predict(&rows).data() {
        Data::F32(items) => items.iter().map(|item| f64::from(*item)).collect(),
        Data::F64(items) => items.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(found, answers.prob, "{file}");
}

#[test]
fn names_are_answered_as_the_library_does() {
    for file in ["xgb_gbtree.json", "xgb_gbtree.ubj", "xgb_dart.json", "xgb_dart.ubj"] {
        check_answers(Format::Xgboost, file);
    }
    check_answers(Format::Lightgbm, "lgb.txt");
}

#[test]
fn categories_have_the_order_of_the_data_frame() {
    let expect = [json!(["violet", "red", "green", "blue"]), json!([]), json!([2001, 2005, 2010])];
    for (format, file) in [(Format::Xgboost, "xgb_gbtree.ubj"), (Format::Lightgbm, "lgb.txt")] {
        assert_eq!(json!(read(format, file).facts().categories), json!(expect), "{file}");
    }
}

#[test]
fn xgboost_refuses_a_category_that_it_does_not_know() {
    let error = read(Format::Xgboost, "xgb_gbtree.json").encode(0, &json!("purple")).unwrap_err();
    assert_eq!(error.0, "the model knows no category \"purple\"");
}

/// What XGBoost 3.2 saves of `grün`, `blue` is `grü`, `nblu`.
#[test]
fn names_beyond_ascii_are_refused_since_xgboost_cuts_them_off() {
    let text = fs::read_to_string(folder().join("xgb_gbtree.json")).unwrap();
    let text = text.replacen("118,105,111", "-61,-68,111", 1);
    let error = Ensemble::read(Format::Xgboost, text.as_bytes(), &NativeOptions::default());
    assert_eq!(
        error.unwrap_err().to_string(),
        "the model has names of categories beyond ASCII, which XGBoost saves cut off"
    );
}

#[test]
fn a_bare_file_takes_a_table_with_the_names_as_choices() {
    for file in ["xgb_gbtree.ubj", "lgb.txt"] {
        let model = recognise(&folder().join(file)).unwrap();
        let argument = &model.card.methods[0].args[0];
        let DataType::DataFrame(frame) = &argument.data_type else { panic!("{argument:?}") };
        assert_eq!(frame.columns, ["color", "size", "year"]);
        assert_eq!(frame.dtypes, ["object", "float64", "int64"]);
        assert_eq!(argument.fields[0].choices, ["violet", "red", "green", "blue"]);
    }
}

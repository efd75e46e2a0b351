//! Models of CatBoost against what CatBoost itself answers.

use std::{collections::BTreeSet, fs};

use serde_json::Value;
use wharf_model::{
    error::ReadError,
    tensor::{Data, Tensor},
    tree::{Ensemble, Format, Task, looks_like},
};
use wharf_spec::model::NativeOptions;

use crate::answers::Folder;

const DATA: Folder = Folder("catboost");

fn read(name: &str) -> Result<Ensemble, ReadError> {
    read_bytes(&DATA.file(name))
}

fn read_bytes(bytes: &[u8]) -> Result<Ensemble, ReadError> {
    Ensemble::read(Format::Catboost, bytes, &NativeOptions::default())
}

/// Returns the files of models that have answers, each with the names of these.
fn models() -> BTreeSet<(String, String)> {
    let names = fs::read_dir(DATA.path()).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: Vec<String> = names.collect();
    let answers = names.iter().filter_map(|name| name.strip_suffix(".answers.json"));
    answers
        .flat_map(|answers| {
            let stem = answers.trim_end_matches(".edge");
            let models = names.iter().filter(move |name| {
                **name == format!("{stem}.cbm") || **name == format!("{stem}.json")
            });
            models.map(|model| (model.clone(), answers.to_owned()))
        })
        .collect()
}

fn numbers(tensor: &Tensor) -> &[f64] {
    match tensor.data() {
        Data::F64(values) => values,
        other => panic!("CatBoost answers with floats of 64 bits, not {other:?}"),
    }
}

#[track_caller]
fn check_bits(what: &str, got: &Tensor, expect: &[Vec<f64>]) {
    let width = expect[0].len();
    assert_eq!(numbers(got).len(), expect.len() * width, "{what}");
    for (row, (got, expect)) in numbers(got).chunks(width).zip(expect).enumerate() {
        let same = got.iter().zip(expect).all(|(got, expect)| got.to_bits() == expect.to_bits());
        assert!(same, "{what}, row {row}: {got:?} instead of {expect:?}");
    }
}

#[test]
fn every_model_answers_as_catboost_does() {
    let models = models();
    assert!(models.len() >= 40, "only {} comparisons", models.len());
    for (name, answers) in models {
        let model = read(&name).unwrap_or_else(|error| panic!("{name}: {error}"));
        let answers = DATA.answers(&answers);
        let rows = answers.flat_rows();
        check_bits(&format!("raw scores of {name}"), &model.margins(&rows), &answers.raw);
        let answered = model.probabilities(&rows).unwrap_or_else(|| model.predict(&rows));
        check_bits(&format!("answers of {name}"), &answered, &answers.prob);
    }
}

#[test]
fn classes_are_those_that_catboost_answers() {
    for (name, answers) in models() {
        let model = read(&name).unwrap();
        let answers = DATA.answers(&answers);
        let Some(indices) = model.class_indices(&answers.flat_rows()) else { continue };
        let names = &model.facts().class_names;
        if names.is_empty() || answers.label.is_empty() {
            continue;
        }
        let labels: Vec<&Value> = indices.iter().map(|index| &names[*index]).collect();
        assert_eq!(labels, answers.label.iter().flatten().collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn one_row_and_many_rows_have_equal_answers() {
    for (name, answers) in models() {
        let model = read(&name).unwrap();
        // More than a block, and no multiple of one.
        let rows = DATA.answers(&answers).flat_rows().repeat(5);
        let together = model.predict(&rows);
        let alone: Vec<u64> = rows
            .chunks(model.facts().features)
            .flat_map(|row| numbers(&model.predict(row)).to_vec())
            .map(f64::to_bits)
            .collect();
        let together: Vec<u64> = numbers(&together).iter().map(|value| value.to_bits()).collect();
        assert_eq!(together, alone, "{name}");
    }
}

#[test]
fn no_rows_have_no_answers() {
    assert_eq!(read("iris.cbm").unwrap().predict(&[]).shape(), [0, 3]);
    assert_eq!(read("lossguide.cbm").unwrap().predict(&[]).shape(), [0]);
}

#[test]
fn facts_are_those_of_the_file() {
    insta::assert_debug_snapshot!(read("names.cbm").unwrap().facts(), @r#"
    Facts {
        library: "catboost",
        version: "1.2.10",
        objective: "MultiClass",
        task: Multiclass,
        features: 5,
        feature_names: [],
        categorical: [],
        categories: [],
        outputs: 5,
        classes: 5,
        class_names: [
            String("odd"),
            String("setosa"),
            String("versicolor"),
            String("very odd"),
            String("virginica"),
        ],
        trees: 6,
        best_iteration: None,
        handles_missing: true,
    }
    "#);
    let task = |name| read(name).unwrap().facts().task;
    assert_eq!(task("bool.cbm"), Task::Binary);
    assert_eq!(task("poisson.cbm"), Task::Regression);
    assert_eq!(task("yetirank.cbm"), Task::Ranking);
    assert_eq!(task("multilabel.cbm"), Task::Other);
}

#[test]
fn files_are_told_by_their_first_bytes() {
    for name in ["bc.cbm", "bc.json", "lossguide_json.json", "categories.json"] {
        assert_eq!(looks_like(&DATA.file(name)[..64]), Some(Format::Catboost), "{name}");
    }
}

#[test]
fn categories_are_refused_by_name() {
    for name in ["categories.cbm", "categories.json"] {
        let error = read(name).unwrap_err();
        assert!(matches!(error, ReadError::Unsupported { hint: Some(_), .. }), "{name}: {error:?}");
        let said = "the model has categorical features, which wharf does not evaluate";
        assert_eq!(error.to_string(), said, "{name}");
    }
}

#[test]
fn a_file_that_is_cut_off_is_an_error() {
    for name in ["five.cbm", "depthwise.cbm", "two_names.json", "depthwise_json.json"] {
        let whole = DATA.file(name);
        let end = whole.trim_ascii_end().len();
        for length in (0..end).step_by(97) {
            let cut = read_bytes(&whole[..length]);
            assert!(matches!(cut, Err(ReadError::Corrupt(_))), "{name} cut to {length}: {cut:?}");
        }
    }
}

#[test]
fn a_changed_byte_is_an_error_or_an_answer() {
    for name in ["unused.cbm", "lossguide.cbm"] {
        let whole = DATA.file(name);
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0x81;
            if let Ok(model) = read_bytes(&changed)
                && model.facts().features < 1000
            {
                model.predict(&vec![0.5; model.facts().features]);
            }
        }
    }
}

/// A small model with one split.
const SMALL: &str = r#"{"features_info":{"float_features":[{"flat_feature_index":0,"borders":[0.5,1]},
    {"flat_feature_index":1,"borders":[2],"nan_value_treatment":"AsTrue"}]},
    "model_info":{"params":{"loss_function":{"type":"RMSE"}}},
    "oblivious_trees":[{"leaf_values":[1,2],"splits":[{"split_index":2}]}],"scale_and_bias":[1,[0]]}"#;

#[test]
fn the_small_model_is_right_as_it_stands() {
    let model = read_bytes(SMALL.as_bytes()).unwrap();
    let rows = [9.0, 2.0, 9.0, 2.5, 9.0, f64::NAN];
    assert_eq!(numbers(&model.predict(&rows)), [1.0, 2.0, 2.0]);
}

#[test]
fn damaged_models_say_what_is_wrong() {
    let error = |(part, instead): (&str, &str)| {
        assert!(SMALL.contains(part), "{part}");
        read_bytes(SMALL.replace(part, instead).as_bytes()).unwrap_err().to_string()
    };
    let said: Vec<String> = [
        ("\"split_index\":2", "\"split_index\":3"),
        ("[1,2],\"splits\"", "[1],\"splits\""),
        ("[0.5,1]", "[1,0.5]"),
        ("\"flat_feature_index\":1", "\"flat_feature_index\":1000000000"),
        ("[1,[0]]", "[1,[0,0]]"),
        ("[1,[0]]", "[1,[]]"),
        ("RMSE", "MultiClass"),
        ("RMSE", "Unheard"),
        ("\"float_features\"", "\"text_features\""),
        ("\"oblivious_trees\":[{", "\"trees\":[{\"left\":null},{"),
    ]
    .into_iter()
    .map(error)
    .collect();
    insta::assert_snapshot!(said.join("\n"), @r#"
    a tree asks for border 3, but the model has 3
    tree 0 has depth 1 and 1 values in its leaves
    the borders of column 0 do not ascend
    the model has 1000000001 features; wharf serves at most 1048576
    tree 0 has depth 1 and 2 values in its leaves
    the model has 0 scores a row and 0 constants for them
    loss `MultiClass` has 1 scores a row
    the model has loss `Unheard`, which wharf does not know
    the model has text features, which wharf does not evaluate
    a node of a tree has neither value nor children
    "#);
}

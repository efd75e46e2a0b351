//! Gradient-boosted trees against what XGBoost and LightGBM themselves answer.

use std::{collections::BTreeSet, fs};

use proptest::prelude::*;
use wharf_model::{
    error::ReadError,
    tensor::{Data, Tensor},
    tree::{Ensemble, Format, Task, looks_like},
};
use wharf_spec::model::NativeOptions;

use crate::answers::Folder;

const DATA: Folder = Folder("trees");

/// Returns the names of the files with one of these endings, without it.
fn names(endings: &[&str]) -> BTreeSet<(String, String)> {
    fs::read_dir(DATA.path())
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            endings.iter().find_map(|ending| {
                let stem = name.strip_suffix(ending).filter(|stem| !stem.ends_with(".answers"))?;
                Some((stem.to_owned(), (*ending).to_owned()))
            })
        })
        .collect()
}

fn model_files() -> BTreeSet<(String, String)> {
    names(&[".json", ".ubj", ".bin", ".txt"])
}

fn format_of(ending: &str) -> Format {
    if ending == ".txt" { Format::Lightgbm } else { Format::Xgboost }
}

fn read(name: &str) -> Result<Ensemble, ReadError> {
    read_with(name, NativeOptions::default())
}

fn read_with(name: &str, options: NativeOptions) -> Result<Ensemble, ReadError> {
    let (_, ending) = name.rsplit_once('.').unwrap();
    Ensemble::read(format_of(&format!(".{ending}")), &DATA.file(name), &options)
}

/// Returns the numbers as they came, widened; float32 keeps its value.
fn numbers(tensor: &Tensor) -> Vec<f64> {
    match tensor.data() {
        Data::F32(values) => values.iter().map(|value| f64::from(*value)).collect(),
        Data::F64(values) => values.clone(),
        other => panic!("trees answer with floats, not {other:?}"),
    }
}

#[track_caller]
fn check_bits(what: &str, got: &Tensor, expect: &[Vec<f64>]) {
    let width = expect[0].len();
    let shape = if width == 1 { vec![expect.len()] } else { vec![expect.len(), width] };
    assert_eq!(got.shape(), shape, "{what}");
    for (row, (got, expect)) in numbers(got).chunks(width).zip(expect).enumerate() {
        let same = got.iter().zip(expect).all(|(got, expect)| got.to_bits() == expect.to_bits());
        assert!(same, "{what}, row {row}: {got:?} instead of {expect:?}");
    }
}

#[track_caller]
fn check_answers(model_file: &str, answers: &str, options: NativeOptions) {
    let model = read_with(model_file, options).unwrap_or_else(|e| panic!("{model_file}: {e}"));
    let answers_name = answers;
    let answers = DATA.answers(answers);
    let rows = answers.flat_rows();
    check_bits(
        &format!("raw scores of {model_file}, {answers_name}"),
        &model.margins(&rows),
        &answers.raw,
    );
    check_bits(
        &format!("answers of {model_file}, {answers_name}"),
        &model.predict(&rows),
        &answers.prob,
    );
}

const BEST: NativeOptions = NativeOptions { best_iteration: true };

#[test]
fn every_model_answers_as_its_library_does() {
    let all_answers = names(&[".answers.json"]);
    let mut compared = 0;
    for (stem, ending) in model_files() {
        if stem == "xgb_early" {
            continue;
        }
        let edges = format!("{stem}.edge-");
        let of_model =
            all_answers.iter().filter(|(name, _)| *name == stem || name.starts_with(&edges));
        let before = compared;
        for (answers, _) in of_model {
            check_answers(&format!("{stem}{ending}"), answers, NativeOptions::default());
            compared += 1;
        }
        assert!(compared > before, "{stem}{ending} has no answers");
    }
    assert!(compared >= 80, "only {compared} comparisons");
}

#[test]
fn rounds_after_the_best_one_are_left_out_when_asked() {
    check_answers("xgb_early.json", "xgb_early", BEST);
    check_answers("xgb_early.json", "xgb_early.all", NativeOptions::default());
    let trees = |options| read_with("xgb_early.json", options).unwrap().facts().trees;
    assert_eq!((trees(BEST), trees(NativeOptions::default())), (19, 22));
}

#[test]
fn a_model_that_did_not_stop_early_ignores_the_best_round() {
    check_answers("more_xgb_forest.ubj", "more_xgb_forest", BEST);
}

#[test]
fn one_row_and_many_rows_have_equal_answers() {
    for (stem, ending) in model_files() {
        let model = read(&format!("{stem}{ending}")).unwrap();
        let rows = DATA.answers(&stem).flat_rows();
        // More than a block, and no multiple of the rows that walk together.
        let many = rows.repeat(300 / (rows.len() / model.facts().features) + 1);
        let together = numbers(&model.predict(&many));
        let alone: Vec<f64> = many
            .chunks(model.facts().features)
            .flat_map(|row| numbers(&model.predict(row)))
            .collect();
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&together), bits(&alone), "{stem}{ending}");
    }
}

#[test]
fn no_rows_have_no_answers() {
    let model = read("xgb_iris.json").unwrap();
    assert_eq!(model.predict(&[]).shape(), [0, 3]);
    assert_eq!(model.class_indices(&[]), Some(vec![]));
    assert_eq!(read("lgb_diab.txt").unwrap().predict(&[]).shape(), [0]);
}

#[test]
fn a_binary_classifier_has_two_columns_of_probabilities() {
    for name in ["xgb_bc.ubj", "lgb_bc.txt"] {
        let model = read(name).unwrap();
        let rows = DATA.answers(&name[..6]).flat_rows();
        let positive = numbers(&model.predict(&rows));
        let both = model.probabilities(&rows).unwrap();
        assert_eq!(both.shape(), [positive.len(), 2], "{name}");
        let columns: Vec<f64> = numbers(&both).chunks(2).map(|row| row[1]).collect();
        assert_eq!(columns, positive, "{name}");
        let classes: Vec<usize> = positive.iter().map(|p| usize::from(*p > 0.5)).collect();
        assert_eq!(model.class_indices(&rows), Some(classes), "{name}");
    }
}

#[test]
fn soft_max_and_soft_prob_agree_on_the_class() {
    let rows = DATA.answers("xgb_iris").flat_rows();
    let classes = read("xgb_iris_softmax.json").unwrap();
    let probabilities = read("xgb_iris.json").unwrap();
    assert_eq!(classes.probabilities(&rows), probabilities.probabilities(&rows));
    assert_eq!(classes.class_indices(&rows), probabilities.class_indices(&rows));
    let indices = classes.class_indices(&rows).unwrap();
    assert_eq!(
        numbers(&classes.predict(&rows)),
        indices.iter().map(|i| *i as f64).collect::<Vec<_>>()
    );
}

#[test]
fn raw_logits_of_a_binary_model_still_give_probabilities() {
    let model = read("xgb_bc_logitraw.json").unwrap();
    let rows = DATA.answers("xgb_bc_logitraw").flat_rows();
    let scores = numbers(&model.predict(&rows));
    let by_sign: Vec<usize> = scores.iter().map(|score| usize::from(*score > 0.0)).collect();
    assert_eq!(model.class_indices(&rows), Some(by_sign));
}

#[test]
fn what_is_no_classifier_has_neither_probabilities_nor_classes() {
    for name in [
        "xgb_diab.json",
        "more_xgb_multilabel.json",
        "lgb_bc_xentropy.txt",
        "more_lgb_lambdarank.txt",
    ] {
        let model = read(name).unwrap();
        let row = vec![0.0; model.facts().features];
        assert_eq!(model.probabilities(&row), None, "{name}");
        assert_eq!(model.class_indices(&row), None, "{name}");
        assert_eq!(model.facts().classes, 0, "{name}");
    }
}

#[test]
fn facts_are_those_of_the_file() {
    insta::assert_debug_snapshot!(read("more_xgb_cat_fraction.json").unwrap().facts(), @r#"
    Facts {
        library: "xgboost",
        version: "3.2.0",
        objective: "reg:squarederror",
        task: Regression,
        features: 3,
        feature_names: [],
        categorical: [
            true,
            true,
            false,
        ],
        categories: [],
        outputs: 1,
        classes: 0,
        class_names: [],
        trees: 8,
        best_iteration: None,
        handles_missing: true,
    }
    "#);
    insta::assert_debug_snapshot!(read("more_lgb_ova.txt").unwrap().facts(), @r#"
    Facts {
        library: "lightgbm",
        version: "v4",
        objective: "multiclassova",
        task: Multiclass,
        features: 5,
        feature_names: [],
        categorical: [],
        categories: [],
        outputs: 3,
        classes: 3,
        class_names: [],
        trees: 12,
        best_iteration: None,
        handles_missing: true,
    }
    "#);
    insta::assert_debug_snapshot!(read("xgb_early.json").unwrap().facts(), @r#"
    Facts {
        library: "xgboost",
        version: "3.2.0",
        objective: "binary:logistic",
        task: Binary,
        features: 30,
        feature_names: [],
        categorical: [],
        categories: [],
        outputs: 1,
        classes: 2,
        class_names: [],
        trees: 22,
        best_iteration: Some(
            18,
        ),
        handles_missing: true,
    }
    "#);
}

#[test]
fn tasks_follow_the_objective() {
    let task = |name| read(name).unwrap().facts().task;
    assert_eq!(task("more_xgb_hinge.ubj"), Task::Binary);
    assert_eq!(task("more_xgb_multilabel.json"), Task::Other);
    assert_eq!(task("more_xgb_rank_map.json"), Task::Ranking);
    assert_eq!(task("more_lgb_lambdarank.txt"), Task::Ranking);
    assert_eq!(task("lgb_diab.txt"), Task::Regression);
}

#[test]
fn files_are_told_by_their_first_bytes() {
    for (stem, ending) in model_files() {
        let bytes = DATA.file(&format!("{stem}{ending}"));
        assert_eq!(
            looks_like(&bytes[..bytes.len().min(256)]),
            Some(format_of(&ending)),
            "{stem}{ending}"
        );
    }
    for other in
        [&b""[..], b"{\"a\": 1}", b"tree of life\n", b"\x08\x07learner", b"{\"learners\": 1}"]
    {
        assert_eq!(looks_like(other), None);
    }
}

#[test]
fn a_file_that_is_cut_off_is_an_error() {
    for name in [
        "xgb_bc.json",
        "xgb_bc.ubj",
        "old_xgb16_softmax.bin",
        "old_xgb16_linear.bin",
        "lgb_diab_dart.txt",
    ] {
        let whole = DATA.file(name);
        // Behind this line LightGBM itself reads nothing that matters.
        let end = find(&whole, b"\nend of trees").unwrap_or(whole.len());
        let (_, ending) = name.rsplit_once('.').unwrap();
        for length in (0..end).step_by(97) {
            let cut = Ensemble::read(
                format_of(&format!(".{ending}")),
                &whole[..length],
                &NativeOptions::default(),
            );
            assert!(
                matches!(cut, Err(ReadError::Corrupt(_))),
                "{name} cut to {length} bytes: {cut:?}"
            );
        }
    }
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

/// A small model of XGBoost with holes for a tree's arrays.
fn xgboost_model(change: impl Fn(String) -> String) -> String {
    change(
        r#"{"learner":{"attributes":{},"feature_names":[],"feature_types":[],"gradient_booster":{"model":{
        "cats":{"enc":[]},"gbtree_model_param":{"num_parallel_tree":"1"},"iteration_indptr":[0,1],"tree_info":[0],
        "trees":[{"left_children":[1,-1,-1],"right_children":[2,-1,-1],"split_indices":[1,0,0],
        "split_conditions":[0.5,1,2],"default_left":[1,0,0],"split_type":[0,0,0],"categories":[],
        "categories_nodes":[],"categories_segments":[],"categories_sizes":[],
        "tree_param":{"size_leaf_vector":"1"}}]},"name":"gbtree"},
        "learner_model_param":{"base_score":"0","num_class":"0","num_feature":"2","num_target":"1"},
        "objective":{"name":"reg:squarederror"}},"version":[3,2,0]}"#
            .to_owned(),
    )
}

/// Changes one part of the small model and tells what is wrong with it then.
#[track_caller]
fn xgboost_error(part: &str, instead: &str) -> String {
    let text = xgboost_model(|text| {
        assert!(text.contains(part), "{part}");
        text.replace(part, instead)
    });
    let read = Ensemble::read(Format::Xgboost, text.as_bytes(), &BEST);
    read.expect_err("the model should be refused").to_string()
}

#[test]
fn the_small_model_is_right_as_it_stands() {
    let text = xgboost_model(|text| text);
    let model =
        Ensemble::read(Format::Xgboost, text.as_bytes(), &NativeOptions::default()).unwrap();
    assert_eq!(numbers(&model.predict(&[9.0, 0.4, 9.0, 0.5, 9.0, f64::NAN])), [1.0, 2.0, 1.0]);
}

#[test]
fn damaged_models_of_xgboost_say_what_is_wrong() {
    let errors = [
        ("[2,-1,-1]", "[3,-1,-1]"),
        ("[2,-1,-1]", "[-7,-1,-1]"),
        ("[1,-1,-1]", "[0,-1,-1]"),
        ("[2,-1,-1]", "[1,-1,-1]"),
        ("[1,0,0],\n        \"split_conditions\"", "[2,0,0],\n        \"split_conditions\""),
        ("[0.5,1,2]", "[0.5,1]"),
        ("[0.5,1,2]", "[0.5,1,\"2\"]"),
        ("\"tree_info\":[0]", "\"tree_info\":[1]"),
        ("\"tree_info\":[0]", "\"tree_info\":[]"),
        ("\"split_type\":[0,0,0]", "\"split_type\":[1,0,0]"),
        ("\"size_leaf_vector\":\"1\"", "\"size_leaf_vector\":\"3\""),
        ("\"num_class\":\"0\"", "\"num_class\":\"1000000000\""),
        ("\"num_feature\":\"2\"", "\"num_feature\":\"1000000000\""),
        ("\"num_feature\":\"2\"", "\"num_feature\":\"two\""),
        ("\"base_score\":\"0\"", "\"base_score\":\"[0,0]\""),
        ("\"attributes\":{}", "\"attributes\":{\"best_iteration\":\"5\"}"),
        ("\"attributes\":{}", "\"attributes\":{\"best_iteration\":\"18446744073709551615\"}"),
        ("\"enc\":[]", "\"enc\":[{\"offsets\":[0,1],\"values\":[120]}]"),
        ("reg:squarederror", "reg:unheardof"),
        ("\"name\":\"gbtree\"", "\"name\":\"gblinear\""),
        ("\"name\":\"gbtree\"", "\"name\":\"gbforest\""),
        ("\"left_children\":[1,-1,-1],", ""),
    ];
    let said: Vec<String> =
        errors.iter().map(|(part, instead)| xgboost_error(part, instead)).collect();
    insta::assert_snapshot!(said.join("\n"), @r#"
    tree 0: node 0 points at node 3, but there are 3
    tree 0: a node has child -7
    tree 0: node 0 points back at the root
    tree 0: node 1 has two parents
    tree 0: node 0 asks for feature 2, but the model has 2
    tree 0: `split_conditions` has 2 entries instead of 3
    the JSON is not that of an XGBoost model: invalid type: string "2", expected f32 at line 4 column 37
    tree 0: it belongs to output 1 of 1
    `tree_info` has 0 entries instead of 1
    tree 0: node 0 has no categories
    tree 0: its leaves have 3 of 1 values, and there are 0 in all
    the model declares 1000000000 outputs and holds too little for them
    the model has 1000000000 features; wharf serves at most 1048576
    `num_feature` is `two`, which is no number for it
    `base_score` has 2 values for 1 outputs
    the best iteration is 5, which is not there
    the best iteration is 18446744073709551614, which is not there
    the model has categories for 1 of 2 columns
    the model has objective `reg:unheardof`, which wharf does not know
    there are 0 weights for 2 features and 1 outputs
    the model has booster `gbforest`, which wharf does not know
    the JSON is not that of an XGBoost model: missing field `left_children` at line 6 column 46
    "#);
}

#[test]
fn categories_outside_their_list_are_refused() {
    let with = |segments: &str| {
        xgboost_error(
            "\"split_type\":[0,0,0],\"categories\":[],\n        \"categories_nodes\":[],\"categories_segments\":[],\"categories_sizes\":[]",
            &format!(
                "\"split_type\":[1,0,0],\"categories\":[3],\"categories_nodes\":[0],{segments}"
            ),
        )
    };
    let missing = "tree 0: the categories of node 0 are not there";
    assert_eq!(with("\"categories_segments\":[1],\"categories_sizes\":[1]"), missing);
    assert_eq!(with("\"categories_segments\":[0],\"categories_sizes\":[4294967295]"), missing);
}

#[test]
fn facts_of_the_old_binary_form_are_those_of_the_file() {
    let early = read_with("old_xgb16_early.bin", BEST).unwrap();
    let facts = early.facts();
    assert_eq!((facts.version.as_str(), facts.objective.as_str()), ("1.6", "binary:logistic"));
    assert_eq!((facts.features, facts.classes, facts.trees), (5, 2, 15));
    assert_eq!(facts.best_iteration, Some(14));
    // Nothing in these files says which version wrote them.
    assert_eq!(read("old_xgb09_logistic.bin").unwrap().facts().version, "");
}

#[test]
fn counts_of_the_old_binary_form_are_checked_against_what_is_there() {
    let original = DATA.file("old_xgb16_logistic.bin");
    let objective = 4 + 136;
    let trees = objective + 8 + "binary:logistic".len() + 8 + "gbtree".len();
    let nodes = trees + 160 + 4;
    for (what, at) in [("objective", objective), ("trees", trees), ("nodes", nodes)] {
        let mut bytes = original.clone();
        bytes[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        let read = Ensemble::read(Format::Xgboost, &bytes, &NativeOptions::default());
        assert!(read.is_err(), "{what}: {read:?}");
    }
}

/// A small model of LightGBM.
const LIGHTGBM: &str = "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nmax_feature_idx=1\n\
    objective=regression\nfeature_names=a b\nfeature_infos=[0:1] [0:1]\n\nTree=0\nnum_leaves=3\nnum_cat=0\n\
    split_feature=1 0\nthreshold=0.5 0.25\ndecision_type=2 8\nleft_child=1 -1\nright_child=-2 -3\n\
    leaf_value=1 2 3\nis_linear=0\n\nend of trees\n\npandas_categorical:null\n";

#[track_caller]
fn lightgbm_error(part: &str, instead: &str) -> String {
    assert!(LIGHTGBM.contains(part), "{part}");
    let text = LIGHTGBM.replace(part, instead);
    let read = Ensemble::read(Format::Lightgbm, text.as_bytes(), &NativeOptions::default());
    read.expect_err("the model should be refused").to_string()
}

#[test]
fn the_small_model_of_lightgbm_is_right_as_it_stands() {
    let model =
        Ensemble::read(Format::Lightgbm, LIGHTGBM.as_bytes(), &NativeOptions::default()).unwrap();
    assert_eq!(model.facts().feature_names, ["a", "b"]);
    // Missing kind none: NaN is zero. Missing kind NaN, default right: NaN goes right.
    assert_eq!(
        numbers(&model.predict(&[0.25, 0.5, 0.3, f64::NAN, f64::NAN, 0.0, 0.0, 0.6])),
        [1.0, 3.0, 3.0, 2.0]
    );
}

#[test]
fn damaged_models_of_lightgbm_say_what_is_wrong() {
    let errors = [
        ("left_child=1 -1", "left_child=2 -1"),
        ("left_child=1 -1", "left_child=0 -1"),
        ("left_child=1 -1", "left_child=-9 -1"),
        ("right_child=-2 -3", "right_child=-2 -1"),
        ("right_child=-2 -3", "right_child=-2"),
        ("split_feature=1 0", "split_feature=2 0"),
        ("threshold=0.5 0.25", "threshold=0.5 x"),
        ("decision_type=2 8", "decision_type=2 14"),
        ("decision_type=2 8", "decision_type=1 8"),
        ("num_leaves=3", "num_leaves=1000000000"),
        ("num_leaves=3", "num_leaves=0"),
        ("num_leaves=3\n", ""),
        ("num_tree_per_iteration=1", "num_tree_per_iteration=1000000000"),
        ("num_tree_per_iteration=1", "num_tree_per_iteration=0"),
        ("max_feature_idx=1", "max_feature_idx=1000000000"),
        ("max_feature_idx=1", "max_feature_idx=2"),
        ("version=v4", "version=v2"),
        ("objective=regression", "objective=multiclass num_class:1"),
        ("objective=regression", "objective=unheardof"),
        ("is_linear=0", "is_linear=1"),
        ("end of trees", "end of"),
        ("pandas_categorical:null", "pandas_categorical:[[\"red\"]]"),
        ("tree\n", "{}"),
    ];
    let said: Vec<String> =
        errors.iter().map(|(part, instead)| lightgbm_error(part, instead)).collect();
    insta::assert_snapshot!(said.join("\n"), @r#"
    tree 0: a node points at node 2, but there are 2
    tree 0: node 0 points back at the root
    tree 0: a node points at leaf 8, but there are 3
    tree 0: node 2 has two parents
    tree 0: `right_child` has 1 entries instead of 2
    tree 0: node 0 asks for feature 2, but the model has 2
    tree 0: `threshold` is `x`, which is no number for it
    tree 0: node 1 has decision type 14
    tree 0: node 0 has categories 0.5, which are not there
    tree 0: `leaf_value` has 3 entries instead of 1000000000
    tree 0: `leaf_value` has 3 entries instead of 0
    tree 0: `num_leaves` is ``, which is no number for it
    1 trees are no rounds of 1000000000
    1 trees are no rounds of 0
    the model has 1000000001 features; wharf serves at most 1048576
    the model names 2 of 3 features
    the file has version `v2`; wharf reads v3 and v4
    objective `multiclass` has 1 trees a round
    the model has objective `unheardof`, which wharf does not know
    tree 0: `leaf_const` has 0 entries instead of 3
    there is no line `end of trees`: the file is cut off
    the model was trained with categories of a data frame, and the file does not say of which columns
    the file is JSON, from which LightGBM itself cannot read a model
    "#);
}

/// Small models that use much of what the forms have.
const TO_DAMAGE: [&str; 8] = [
    "old_xgb16_dart.bin",
    "old_xgb09_linear.bin",
    "more_xgb_vector_leaf.ubj",
    "more_xgb_linear_softprob.ubj",
    "more_xgb_stump.json",
    "more_xgb_onehot.json",
    "more_lgb_cat_odd.txt",
    "more_lgb_linear.txt",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_damaged_file_is_an_error_or_answers(
        name in prop::sample::select(&TO_DAMAGE[..]),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = DATA.file(name);
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            // In text a digit more often stays readable than any byte.
            let is_text = name.ends_with(".json") || name.ends_with(".txt");
            bytes[at] = if is_text { b"0123456789-,. "[usize::from(byte) % 14] } else { byte };
        }
        let (_, ending) = name.rsplit_once('.').unwrap();
        if let Ok(model) = Ensemble::read(format_of(&format!(".{ending}")), &bytes, &BEST) {
            let values = [0.0, -1.5, 70.0, f64::NAN, 1e300, -0.5, 33.0];
            let rows: Vec<f64> = values.into_iter().cycle().take(model.facts().features.min(1000) * 9).collect();
            model.predict(&rows);
            model.class_indices(&rows);
        }
    }
}

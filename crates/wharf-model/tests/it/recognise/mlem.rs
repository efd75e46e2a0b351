//! Models saved by the real MLEM: scikit-learn and callables.

use std::fs;

use wharf_model::{error::ModelError, recognise::recognise};
use wharf_spec::model::{Loader, ModelKind, RuntimeKind};

use super::{copy_of, method_line, mlem, recognised, replace};

#[test]
fn sklearn_with_arrays() {
    insta::assert_snapshot!(recognised(&mlem("today/sklearn-logreg-ndarray")), @r"
    sklearn-logreg-ndarray (sklearn, python: a pickle with scikit-learn's interface, which only Python loads)
    /predict(data: float64[null,4]) -> int64[null] = model.predict
    /predict_proba(data: float64[null,4]) -> float64[null,3] = model.predict_proba
    files: model.pkl (entry model.pkl)
    load model: Pickle model.pkl
    requirements: scikit-learn==1.9.1 numpy==2.4.6
    Caution: loading `model` runs code: it imports numpy, sklearn (3 modules)
    ");
}

#[test]
fn sklearn_pipeline_with_a_frame() {
    insta::assert_snapshot!(recognised(&mlem("y2023/sklearn-pipeline-mixed-dataframe")), @r"
    sklearn-pipeline-mixed-dataframe (sklearn_pipeline, python: a pickle with scikit-learn's interface, which only Python loads)
    /predict(data: frame[age income city member]) -> int64[null] = model.predict
    /predict_proba(data: frame[age income city member]) -> float64[null,2] = model.predict_proba
    files: model.pkl (entry model.pkl)
    load model: Pickle model.pkl
    requirements: numpy==1.24.3 pandas==1.5.3 scikit-learn==1.2.2
    Caution: loading `model` runs code: it imports builtins, numpy, sklearn (9 modules)
    ");
}

#[test]
fn sklearn_with_labels_that_are_text() {
    insta::assert_snapshot!(recognised(&mlem("today/sklearn-logreg-strlabels")), @r"
    sklearn-logreg-strlabels (sklearn, python: a pickle with scikit-learn's interface, which only Python loads)
    /predict(data: float64[null,4]) -> str320[null] = model.predict
    /predict_proba(data: float64[null,4]) -> float64[null,3] = model.predict_proba
    files: model.pkl (entry model.pkl)
    load model: Pickle model.pkl
    requirements: scikit-learn==1.9.1 numpy==2.4.6
    Caution: loading `model` runs code: it imports numpy, sklearn (3 modules)
    ");
}

#[test]
fn sklearn_saved_without_a_sample() {
    insta::assert_snapshot!(recognised(&mlem("today/sklearn-unspecified")), @r"
    sklearn-unspecified (sklearn, python: a pickle with scikit-learn's interface, which only Python loads)
    /predict(data: any) -> any = model.predict
    /predict_proba(data: any) -> any = model.predict_proba
    files: model.pkl (entry model.pkl)
    load model: Pickle model.pkl
    requirements: scikit-learn==1.9.1
    Caution: loading `model` runs code: it imports numpy, sklearn (3 modules)
    ");
}

#[test]
fn an_only_transform_is_also_predict() {
    insta::assert_snapshot!(recognised(&mlem("y2023/sklearn-scaler-transform")), @r"
    sklearn-scaler-transform (sklearn_transformer, python: a pickle with scikit-learn's interface, which only Python loads)
    /predict(data: float64[null,4]) -> float64[null,4] = model.transform
    /transform(data: float64[null,4]) -> float64[null,4] = model.transform
    files: model.pkl (entry model.pkl)
    load model: Pickle model.pkl
    requirements: scikit-learn==1.2.2 numpy==1.24.3
    Caution: loading `model` runs code: it imports numpy, sklearn (3 modules)
    ");
    insta::assert_snapshot!(recognised(&mlem("today/sklearn-kmeans")), @r"
    sklearn-kmeans (sklearn_transformer, python: a pickle with scikit-learn's interface, which only Python loads)
    /predict(data: float64[null,4]) -> float64[null,3] = model.transform
    /transform(data: float64[null,4]) -> float64[null,3] = model.transform
    files: model.pkl (entry model.pkl)
    load model: Pickle model.pkl
    requirements: scikit-learn==1.9.1 numpy==2.4.6
    Caution: loading `model` runs code: it imports numpy, sklearn (3 modules)
    ");
}

#[test]
fn callables() {
    insta::assert_snapshot!(recognised(&mlem("today/callable-int")), @r"
    callable-int (callable, python: a pickled function or callable object, which only Python loads)
    /predict(data: int) -> int = model.__call__
    files: code/usercode.py model.pkl (entry model.pkl)
    load model: Dill model.pkl
    requirements: numpy==2.4.6
    Caution: loading `model` runs code: it imports usercode (1 module)
    ");
    insta::assert_snapshot!(recognised(&mlem("today/callable-dict")), @r"
    callable-dict (callable, python: a pickled function or callable object, which only Python loads)
    /predict(data: {type:dict,item_types:{a:{type:primitive,ptype:int},b:{type:primitive,ptype:int}}}) -> int = model.__call__
    files: code/usercode.py model.pkl (entry model.pkl)
    load model: Dill model.pkl
    requirements: numpy==2.4.6
    Caution: loading `model` runs code: it imports usercode (1 module)
    ");
    insta::assert_snapshot!(recognised(&mlem("today/callable-bytes")), @r"
    callable-bytes (callable, python: a pickled function or callable object, which only Python loads)
    /predict(data: binary) -> binary = model.__call__
    files: code/usercode.py model.pkl (entry model.pkl)
    load model: Dill model.pkl
    requirements: numpy==2.4.6
    Caution: loading `model` runs code: it imports usercode (1 module)
    ");
    insta::assert_snapshot!(recognised(&mlem("y2023/callable-dataframe-to-dict")), @r"
    callable-dataframe-to-dict (callable, python: a pickled function or callable object, which only Python loads)
    /predict(data: frame[sl sw pl pw]) -> {type:dict,item_types:{mean:{type:primitive,ptype:float},rows:{type:primitive,ptype:int}}} = model.__call__
    files: code/usercode.py model.pkl (entry model.pkl)
    load model: Dill model.pkl
    requirements: pandas==1.5.3 numpy==1.24.3
    Caution: loading `model` runs code: it imports usercode (1 module)
    ");
    insta::assert_snapshot!(recognised(&mlem("y2023/callable-nested")), @r"
    callable-nested (callable, python: a pickled function or callable object, which only Python loads)
    /predict(data: {type:dict,item_types:{a:{type:array,dtype:{type:primitive,ptype:int},size:2},b:{type:array,dtype:{type:primitive,ptype:int},size:2}}}) -> {type:array,dtype:{type:dict,item_types:{k:{type:primitive,ptype:str},n:{type:primitive,ptype:int}}},size:2} = model.__call__
    files: code/usercode.py model.pkl (entry model.pkl)
    load model: Dill model.pkl
    requirements: numpy==1.24.3
    Caution: loading `model` runs code: it imports usercode (1 module)
    ");
}

#[test]
fn optional_arguments_stay_optional() {
    insta::assert_snapshot!(recognised(&mlem("y2023/callable-two-args")), @r"
    callable-two-args (callable, python: a pickled function or callable object, which only Python loads)
    /predict(data: int, b: int = 10) -> int = model.__call__
    files: code/usercode.py model.pkl (entry model.pkl)
    load model: Dill model.pkl
    requirements: numpy==1.24.3
    Caution: loading `model` runs code: it imports usercode (1 module)
    ");
}

#[test]
fn a_closure_by_value_needs_dill() {
    insta::assert_snapshot!(recognised(&mlem("y2023/callable-closure-model")), @r"
    callable-closure-model (callable, python: a pickled function or callable object, which only Python loads)
    /predict(data: float64[null,10]) -> float64[null] = model.__call__
    files: code/usercode.py model.pkl (entry model.pkl)
    load model: Dill model.pkl
    requirements: numpy==1.24.3 scikit-learn==1.2.2 dill
    Caution: loading `model` runs code: it imports builtins, dill, numpy, sklearn (6 modules)
    Caution: `model` holds code of its own, which only Python can show
    ");
}

#[test]
fn steps_after_the_model() {
    insta::assert_snapshot!(recognised(&mlem("y2023/prepost-functions")), @r"
    prepost-functions (sklearn, python: a pickle with scikit-learn's interface, which only Python loads)
    /predict(data: float64[null,4]) -> int64[null] = model.predict, postprocess_predict.__call__
    /predict_proba(data: float64[null,4]) -> float64[null,3] = model.predict_proba, postprocess_predict_proba.__call__
    files: code/usercode.py model.pkl postprocess_predict.pkl postprocess_predict_proba.pkl (entry model.pkl)
    load model: Pickle model.pkl
    load postprocess_predict: Dill postprocess_predict.pkl
    load postprocess_predict_proba: Dill postprocess_predict_proba.pkl
    requirements: scikit-learn==1.2.2 numpy==1.24.3
    Caution: loading `model` runs code: it imports numpy, sklearn (3 modules)
    Caution: loading `postprocess_predict` runs code: it imports usercode (1 module)
    Caution: loading `postprocess_predict_proba` runs code: it imports usercode (1 module)
    ");
}

#[test]
fn a_predict_that_lost_its_arguments_keeps_its_route() {
    insta::assert_snapshot!(recognised(&mlem("today/xgboost-sklearn-classifier")), @r"
    xgboost-sklearn-classifier (sklearn, python: a pickle with scikit-learn's interface, which only Python loads)
    /predict(data: float64[null,4]) -> int64[null] = model.predict
    /predict_proba(data: float64[null,4], validate_features: bool = true, base_margin: any = null, iteration_range: any = null) -> float32[null,3] = model.predict_proba
    files: model.pkl (entry model.pkl)
    load model: Pickle model.pkl
    requirements: numpy==2.4.6 xgboost==3.2.0 scikit-learn==1.9.1
    system: libgomp1
    Caution: loading `model` runs code: it imports builtins, xgboost (3 modules)
    ");
}

#[test]
fn files_from_before_mlem_0_4_are_read() {
    let folder = copy_of("today/sklearn-unspecified");
    let card = folder.path().join("model.mlem");
    let text = fs::read_to_string(&card).unwrap();
    let artifacts = &text[..text.find("call_orders:").unwrap()];
    let old = "object_type: model\ndescription: old\nlabels: [a]\nmodel_type:\n  type: sklearn\n  methods:\n    \
               predict: {name: predict, args: [{name: X, type_: {type: unspecified}}]}\n";
    fs::write(&card, format!("{artifacts}{old}")).unwrap();
    let model = recognise(&card).unwrap();
    assert_eq!(method_line(&model.card.methods[0]), "/predict(data: any) -> any = model.predict");
}

#[test]
fn the_old_binary_form_of_xgboost_runs_in_python_with_its_version() {
    let model = recognise(&mlem("y2023/xgboost-booster-ndarray")).unwrap();
    assert_eq!(model.card.kind, ModelKind::Xgboost);
    let python = model.card.python.unwrap();
    assert_eq!(python.load[0].loader, Loader::XgboostBooster);
    assert!(
        python.requirements.contains(&"xgboost==1.7.5".to_owned()),
        "{:?}",
        python.requirements
    );
    assert_eq!(python.system_packages, ["libgomp1"]);
}

#[test]
fn a_classifier_of_catboost_answers_with_classes() {
    let model = recognise(&mlem("y2023/catboost-classifier-ndarray")).unwrap();
    assert_eq!(model.card.kind, ModelKind::Catboost);
    assert_eq!(model.card.runtime, RuntimeKind::Trees);
    assert_eq!(model.card.classes, [0, 1, 2]);
    let methods: Vec<String> = model.card.methods.iter().map(method_line).collect();
    insta::assert_snapshot!(methods.join("\n"), @r"
    /predict(data: float64[null,4]) -> int64[null,1] [Class] = model.predict
    /predict_proba(data: float64[null,4]) -> float64[null,3] [Probabilities] = model.predict_proba
    ");
}

#[test]
fn names_of_categories_need_a_signature_with_columns() {
    let folder = copy_of("today/lightgbm-booster-ndarray");
    let (card, trees) = (folder.path().join("model.mlem"), folder.path().join("model/model.lgb"));
    replace(&trees, "[4.2999999999999998:7.9000000000000004]", "0:1");
    replace(&trees, "pandas_categorical:null", r#"pandas_categorical:[["a","b"]]"#);
    replace(&card, "af732fb6dac2dccbf06a7bac75b695a1", "871a6d8586708d9b9fb54d6622c51ebe");
    replace(&card, "size: 7870", "size: 7841");
    let error = recognise(folder.path()).unwrap_err();
    let ModelError::Unsupported { source, .. } = &error else { panic!("{error:?}") };
    assert!(source.to_string().contains("its signature is no data frame's"), "{source}");
}

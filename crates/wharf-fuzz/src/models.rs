//! Files of models, read and, where they are small, asked once.

use std::path::Path;

use wharf_model::{
    onnx::{Interpreter, facts},
    pickle::scan::{Dialect, scan},
    tree::{Ensemble, Format},
};
use wharf_spec::model::NativeOptions;

/// The most features that a model is asked with.
const MAX_FEATURES: usize = 1000;

/// A pickle, as its two readers would load it.
pub fn pickle(input: &[u8]) {
    for dialect in [Dialect::Pickle, Dialect::Joblib] {
        scan(input, dialect).ok();
    }
}

/// A graph; it is made ready and not run.
pub fn onnx(input: &[u8]) {
    facts(input).ok();
    Interpreter::load(input, Path::new("/nowhere")).ok();
}

/// XGBoost's JSON, UBJSON and old binary form.
pub fn xgboost(input: &[u8]) {
    ensemble(Format::Xgboost, input);
}

/// LightGBM's text.
pub fn lightgbm(input: &[u8]) {
    ensemble(Format::Lightgbm, input);
}

/// CatBoost's two forms.
pub fn catboost(input: &[u8]) {
    ensemble(Format::Catboost, input);
}

fn ensemble(format: Format, input: &[u8]) {
    let Ok(ensemble) = Ensemble::read(format, input, &NativeOptions::default()) else { return };
    let features = ensemble.facts().features;
    if features > MAX_FEATURES {
        return;
    }
    for value in [0.0, -1.5, f64::NAN, f64::INFINITY] {
        let row = vec![value; features];
        ensemble.predict(&row);
        ensemble.probabilities(&row);
        ensemble.class_indices(&row);
    }
}

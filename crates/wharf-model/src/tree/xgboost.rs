//! XGBoost's files: `gbtree`, `dart` and `gblinear`, in JSON, UBJSON and the old binary form.

mod file;

mod binary;

mod objective;

mod trees;

mod frame;

use wharf_spec::model::NativeOptions;

use self::{
    file::{File, Learner, Model},
    objective::Objective,
};
use super::{
    Facts, check_features, check_names,
    evaluator::{Body, Evaluator},
    parse_number, ubjson,
};
use crate::error::ReadError;

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Ubjson,
    Binary,
}

impl Form {
    /// Tells the forms apart: in UBJSON the mark of a length follows the brace, in JSON a quote or a space.
    fn of(bytes: &[u8]) -> Option<Self> {
        if binary::looks_like(bytes) {
            return Some(Self::Binary);
        }
        match bytes.trim_ascii_start() {
            [b'{', b'i' | b'U' | b'I' | b'l' | b'L', ..] => Some(Self::Ubjson),
            [b'{', ..] => Some(Self::Json),
            _ => None,
        }
    }
}

/// Says whether the first bytes look like a file of XGBoost.
pub(super) fn looks_like(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(256)];
    let key: &[u8] = match Form::of(start) {
        Some(Form::Json) => b"\"learner\"",
        Some(Form::Ubjson) => b"\x07learner",
        Some(Form::Binary) => return true,
        None => return false,
    };
    start.windows(key.len()).any(|window| window == key)
}

/// Reads a model.
pub(super) fn read(
    bytes: &[u8],
    options: &NativeOptions,
) -> Result<(Facts, Evaluator<f32>), ReadError> {
    let File { learner, version } = parse(bytes)?;
    let features = parse_number(&learner.learner_model_param.num_feature, "num_feature")?;
    check_features(features)?;
    check_names(learner.feature_names.0.len(), features)?;
    let objective = Objective::of(&learner.objective.name)?;
    let bases = base_scores(&learner.learner_model_param.base_score)?;
    let groups = groups(&learner, &bases)?;
    let margin =
        if learner.learner_model_param.base_is_margin { |base| base } else { objective.margin };
    let start = match learner.gradient_booster.name.as_str() {
        // XGBoost 3.2 begins every output of a linear model with the first base score.
        "gblinear" => start(&bases[..1], groups, margin)?,
        _ => start(&bases, groups, margin)?,
    };
    let best_iteration = best_iteration(&learner)?;
    let rounds =
        best_iteration.filter(|_| options.best_iteration).map(|best| best.saturating_add(1));
    let (body, trees) = body(&learner, features, groups, rounds)?;
    let (task, probability) = objective.task_for(groups)?;

    let facts = Facts {
        library: "xgboost",
        version: version.iter().map(u32::to_string).collect::<Vec<_>>().join("."),
        task,
        features,
        categorical: categorical(&learner, features),
        categories: match model(&learner) {
            Some(model) => frame::categories(&model.cats, features)?,
            None => Vec::new(),
        },
        outputs: objective.link.outputs(groups),
        classes: task.classes(groups),
        class_names: Vec::new(),
        trees,
        best_iteration,
        handles_missing: true,
        objective: learner.objective.name,
        feature_names: learner.feature_names.0,
    };
    let link = objective.link;
    Ok((facts, Evaluator { features, start, body, divisor: None, link, probability }))
}

fn parse(bytes: &[u8]) -> Result<File, ReadError> {
    match Form::of(bytes) {
        Some(Form::Json) => serde_json::from_slice(bytes).map_err(|error| {
            ReadError::corrupt(format!("the JSON is not that of an XGBoost model: {error}"))
        }),
        Some(Form::Ubjson) => ubjson::from_slice(bytes).map_err(|error| {
            ReadError::corrupt(format!("the UBJSON is not that of an XGBoost model: {error}"))
        }),
        Some(Form::Binary) => binary::read(bytes),
        None if bytes.is_empty() => Err(ReadError::corrupt("the file is empty")),
        None => Err(ReadError::corrupt("the file is in none of the forms that XGBoost writes")),
    }
}

/// Reads `5E-1` (up to 2.x) and `[0E0,0E0]` (from 3.1 on).
fn base_scores(text: &str) -> Result<Vec<f32>, ReadError> {
    let list = text.trim().trim_start_matches('[').trim_end_matches(']');
    list.split(',').map(|item| parse_number(item, "base_score")).collect()
}

/// Returns how many scores a row has: one for each class or target.
fn groups(learner: &Learner, bases: &[f32]) -> Result<usize, ReadError> {
    let param = &learner.learner_model_param;
    let read = |text: Option<&String>, key| text.map_or(Ok(0), |text| parse_number(text, key));
    let classes: usize = read(param.num_class.as_ref(), "num_class")?;
    let targets: usize = read(param.num_target.as_ref(), "num_target")?;
    let groups = classes.max(targets).max(1);
    // A count can say anything; this many must show in something that the file really holds.
    let held = model(learner).map_or(0, |model| {
        let vector = model.trees.iter().map(|tree| tree.leaf_weights().len()).max();
        model.trees.len().max(model.weights.len()).max(vector.unwrap_or(0))
    });
    if groups > held.max(bases.len()) {
        return Err(ReadError::corrupt(format!(
            "the model declares {groups} outputs and holds too little for them"
        )));
    }
    Ok(groups)
}

fn start(bases: &[f32], groups: usize, margin: fn(f32) -> f32) -> Result<Vec<f32>, ReadError> {
    let start: Vec<f32> = match bases {
        [base] => vec![margin(*base); groups],
        bases if bases.len() == groups => bases.iter().map(|base| margin(*base)).collect(),
        bases => {
            return Err(ReadError::corrupt(format!(
                "`base_score` has {} values for {groups} outputs",
                bases.len()
            )));
        }
    };
    if start.iter().any(|score| score.is_nan()) {
        return Err(ReadError::corrupt("`base_score` is no value of the objective"));
    }
    Ok(start)
}

fn best_iteration(learner: &Learner) -> Result<Option<usize>, ReadError> {
    let text = learner.attributes.best_iteration.as_deref();
    text.map(|text| parse_number(text, "best_iteration")).transpose()
}

/// Returns the part of the file that holds the trees or weights.
fn model(learner: &Learner) -> Option<&Model> {
    let booster = &learner.gradient_booster;
    match &booster.gbtree {
        Some(inner) => Some(&inner.model),
        None => booster.model.as_ref(),
    }
}

/// Returns what the scores are made of, and the number of trees in it.
fn body(
    learner: &Learner,
    features: usize,
    groups: usize,
    rounds: Option<usize>,
) -> Result<(Body<f32>, usize), ReadError> {
    let booster = &learner.gradient_booster;
    let model =
        model(learner).ok_or_else(|| ReadError::corrupt("`gradient_booster` holds no model"))?;
    match booster.name.as_str() {
        "gblinear" => Ok((linear(model, features, groups)?, 0)),
        "gbtree" | "dart" => {
            let weights = (booster.name == "dart").then_some(booster.weight_drop.as_slice());
            let forest = trees::forest(model, weights, features, groups, rounds)?;
            let trees = forest.len();
            Ok((Body::Trees(forest), trees))
        }
        name => Err(ReadError::unsupported(format!(
            "the model has booster `{}`, which wharf does not know",
            super::clip(name)
        ))),
    }
}

fn linear(model: &Model, features: usize, groups: usize) -> Result<Body<f32>, ReadError> {
    let expected = (features + 1).checked_mul(groups);
    if expected != Some(model.weights.len()) {
        return Err(ReadError::corrupt(format!(
            "there are {} weights for {features} features and {groups} outputs",
            model.weights.len()
        )));
    }
    Ok(Body::Linear(model.weights.clone()))
}

/// Returns which columns hold categories; empty when none does.
fn categorical(learner: &Learner, features: usize) -> Vec<bool> {
    let mut columns: Vec<bool> =
        learner.feature_types.0.iter().map(|kind| kind.is_category).collect();
    // Types are optional; the nodes know it, too.
    columns.resize(features, false);
    for tree in model(learner).map_or(&[][..], |model| &model.trees) {
        for (kind, feature) in tree.split_type.iter().zip(&tree.split_indices) {
            if let (1, Some(column)) = (kind, columns.get_mut(*feature as usize)) {
                *column = true;
            }
        }
    }
    if columns.contains(&true) { columns } else { Vec::new() }
}

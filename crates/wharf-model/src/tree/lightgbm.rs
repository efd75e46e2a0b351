//! LightGBM's text files: a head of `key=value` lines, a section for each tree, `end of trees`, and things that do
//! not matter for answers, except for the categories of a data frame at the very end.

mod text;

mod objective;

mod trees;

mod frame;

use self::{
    objective::Objective,
    text::{Head, Sections},
};
use super::{
    Facts, check_features, check_names, clip,
    evaluator::{Body, Evaluator},
    forest::Forest,
    in_tree,
    number::Number,
    parse_number,
};
use crate::error::ReadError;

/// Says whether the first bytes look like a file of LightGBM.
pub(super) fn looks_like(bytes: &[u8]) -> bool {
    let mut lines = bytes[..bytes.len().min(256)].split(|byte| *byte == b'\n');
    lines.next().map(<[u8]>::trim_ascii) == Some(b"tree")
        && lines.next().is_some_and(|line| line.starts_with(b"version="))
}

/// Reads a model.
pub(super) fn read(bytes: &[u8]) -> Result<(Facts, Evaluator<f64>), ReadError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| ReadError::corrupt(format!("the text is not UTF-8: {error}")))?;
    if !looks_like(bytes) {
        return Err(not_lightgbm(text));
    }
    let sections = Sections::of(text)?;
    let head = &sections.head;
    let trees = sections.trees().count();
    let groups = groups(head, trees)?;
    let objective = Objective::of(head.objective, groups)?;
    let facts = facts(&sections, &objective, trees, groups)?;

    let mut forest = Forest::new(facts.features, groups);
    for (index, tree) in sections.trees().enumerate() {
        trees::add_tree(&mut forest, &tree, index % groups, facts.features)
            .map_err(in_tree(index))?;
    }
    let rounds = (trees / groups).max(1);
    let evaluator = Evaluator {
        features: facts.features,
        start: vec![0.0; groups],
        body: Body::Trees(forest),
        divisor: head.average_output.then(|| f64::from_count(rounds)),
        link: objective.link,
        probability: objective.probability,
    };
    Ok((facts, evaluator))
}

fn facts(
    sections: &Sections<'_>,
    objective: &Objective<'_>,
    trees: usize,
    groups: usize,
) -> Result<Facts, ReadError> {
    let head = &sections.head;
    let version = supported_version(head.version)?.to_owned();
    let key = "max_feature_idx";
    let last: usize = parse_number(required(head.max_feature_idx, key)?, key)?;
    let features = last.saturating_add(1);
    check_features(features)?;
    let categorical = categorical(head, features)?;
    Ok(Facts {
        library: "lightgbm",
        version,
        objective: objective.name.to_owned(),
        task: objective.task,
        features,
        feature_names: feature_names(head, features)?,
        categories: frame::categories(sections.rest, &categorical)?,
        categorical,
        outputs: groups,
        classes: objective.task.classes(groups),
        class_names: Vec::new(),
        trees,
        // LightGBM saves the rounds up to the best one only.
        best_iteration: None,
        handles_missing: true,
    })
}

fn not_lightgbm(text: &str) -> ReadError {
    if text.starts_with('{') {
        ReadError::Unsupported {
            what: "the file is JSON, from which LightGBM itself cannot read a model".to_owned(),
            hint: Some("save the model as text: `booster.save_model(\"model.txt\")`".to_owned()),
        }
    } else {
        ReadError::corrupt("the text does not begin with `tree` and `version=`, as LightGBM's do")
    }
}

fn required<'a>(value: Option<&'a str>, key: &str) -> Result<&'a str, ReadError> {
    value.ok_or_else(|| ReadError::corrupt(format!("there is no line `{key}=`")))
}

fn supported_version(version: &str) -> Result<&str, ReadError> {
    match version.trim() {
        version @ ("v3" | "v4") => Ok(version),
        version => Err(ReadError::Unsupported {
            what: format!("the file has version `{}`; wharf reads v3 and v4", clip(version)),
            hint: Some("save the model again with LightGBM 3 or 4".to_owned()),
        }),
    }
}

/// Returns how many scores a row has: as many as a round has trees.
fn groups(head: &Head<'_>, trees: usize) -> Result<usize, ReadError> {
    let key = "num_tree_per_iteration";
    let groups = parse_number(required(head.trees_per_round, key)?, key)?;
    if groups == 0 || !trees.is_multiple_of(groups) || groups > trees.max(1) {
        return Err(ReadError::corrupt(format!("{trees} trees are no rounds of {groups}")));
    }
    Ok(groups)
}

/// Returns the names; none when they are those that LightGBM makes up.
fn feature_names(head: &Head<'_>, features: usize) -> Result<Vec<String>, ReadError> {
    let names = head.feature_names;
    check_names(names.split_ascii_whitespace().count(), features)?;
    let made_up = |(index, name): (usize, &str)| {
        name.strip_prefix("Column_").is_some_and(|number| number.parse() == Ok(index))
    };
    if names.split_ascii_whitespace().enumerate().all(made_up) {
        return Ok(Vec::new());
    }
    Ok(names.split_ascii_whitespace().map(str::to_owned).collect())
}

/// Returns which columns hold categories; empty when none does.
fn categorical(head: &Head<'_>, features: usize) -> Result<Vec<bool>, ReadError> {
    // `[least:largest]` for numbers, `none` for what is never used, `0:1:2` for categories.
    let infos = head.feature_infos.split_ascii_whitespace();
    let columns: Vec<bool> = infos.map(|info| info != "none" && !info.starts_with('[')).collect();
    check_names(columns.len(), features)?;
    Ok(if columns.contains(&true) { columns } else { Vec::new() })
}

//! What a file says of its model in JSON: the loss, the classes, the threshold between two.

use serde::Deserialize;
use serde_json::Value;

use super::super::parse_number;
use crate::error::ReadError;

/// The longest list of classes that is read; values take much more room in memory than in a file.
const MAX_CLASSES: usize = 1 << 20;

/// What matters for answers.
pub(super) struct Said {
    /// The library's version; empty where the file has none.
    pub(super) version: String,
    pub(super) loss: String,
    pub(super) class_names: Vec<Value>,
    /// The score above which a row is of the second class of two.
    pub(super) threshold: f64,
}

/// Texts under their keys; empty where a key is missing.
#[derive(Debug, Default)]
pub(super) struct Texts<'a> {
    pub(super) version: &'a str,
    pub(super) params: &'a str,
    pub(super) class_params: &'a str,
    pub(super) threshold: &'a str,
}

#[derive(Deserialize)]
struct Params {
    loss_function: Loss,
}

#[derive(Deserialize)]
struct Loss {
    r#type: String,
}

#[derive(Deserialize)]
struct ClassParams {
    #[serde(default)]
    class_names: Vec<Value>,
    #[serde(default)]
    class_label_type: String,
}

impl Said {
    /// Reads the texts.
    pub(super) fn of(texts: &Texts<'_>) -> Result<Self, ReadError> {
        let params: Params = from_json(texts.params, "params")?;
        let class_names = match texts.class_params {
            "" => Vec::new(),
            text => class_names(text)?,
        };
        let threshold = match texts.threshold {
            "" => 0.0,
            text => logit(parse_number(text, "binclass_probability_threshold")?)?,
        };
        Ok(Self {
            version: version(texts.version).to_owned(),
            loss: params.loss_function.r#type,
            class_names,
            threshold,
        })
    }
}

fn from_json<'a, T: Deserialize<'a>>(text: &'a str, key: &str) -> Result<T, ReadError> {
    serde_json::from_str(text)
        .map_err(|error| ReadError::corrupt(format!("`{key}` cannot be read: {error}")))
}

fn class_names(text: &str) -> Result<Vec<Value>, ReadError> {
    if text.len() > MAX_CLASSES {
        return Err(ReadError::unsupported(format!(
            "`class_params` has {} bytes; wharf reads at most {MAX_CLASSES}",
            text.len()
        )));
    }
    let ClassParams { mut class_names, class_label_type } = from_json(text, "class_params")?;
    let is_name = |name: &Value| name.is_string() || name.is_number() || name.is_boolean();
    if !class_names.iter().all(is_name) {
        return Err(ReadError::corrupt("`class_params` names classes that can be none"));
    }
    if class_label_type == "Float" {
        // A whole one is written without its point.
        for name in &mut class_names {
            *name = name.as_f64().into();
        }
    }
    Ok(class_names)
}

fn logit(probability: f64) -> Result<f64, ReadError> {
    if probability > 0.0 && probability < 1.0 {
        return Ok(-(1.0 / probability - 1.0).ln());
    }
    Err(ReadError::corrupt(format!("the threshold {probability} is no probability")))
}

/// Finds the version in what git said when the library was built: `Branch: tags/v1.2.10`.
fn version(text: &str) -> &str {
    let tag = text.split_once("tags/v").map_or("", |(_, tag)| tag);
    tag.split_ascii_whitespace().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_the_tag() {
        assert_eq!(version("Git info:\n    Branch: tags/v1.2.10\n    Author: a"), "1.2.10");
        assert_eq!(version("Arc info:\n    Branch: unknown-vcs-branch"), "");
    }

    #[test]
    fn names_of_floats_stay_floats() {
        let names = class_names(r#"{"class_names":[1,1.5],"class_label_type":"Float"}"#).unwrap();
        assert_eq!(names, [Value::from(1.0), Value::from(1.5)]);
    }

    #[test]
    fn a_threshold_is_a_probability() {
        assert_eq!(logit(0.5).unwrap(), 0.0);
        assert!(logit(1.0).is_err() && logit(f64::NAN).is_err());
    }
}

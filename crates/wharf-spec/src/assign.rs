//! `--set PATH=VALUE`: one value of an object, changed by the way to it.

use std::str::FromStr;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{
    codes,
    error::{Code, Explain},
    tagged::{OneOf, nearest},
};

/// A path of keys and indexes, and the text of the new value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    path: Vec<String>,
    value: String,
}

impl Assignment {
    /// Returns the assignment that a flag of its own stands for.
    pub fn new(path: &str, value: &str) -> Self {
        Self { path: path.split('.').map(str::to_owned).collect(), value: value.to_owned() }
    }

    /// Returns the path as it is written: `args.platform`.
    pub fn path(&self) -> String {
        self.path.join(".")
    }

    /// Says whether both set the same value, or one the whole that the other's is a part of.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.path.starts_with(&other.path) || other.path.starts_with(&self.path)
    }
}

impl FromStr for Assignment {
    type Err = AssignError;

    fn from_str(text: &str) -> Result<Self, AssignError> {
        match text.split_once('=') {
            Some((path, value)) if path.split('.').all(|part| !part.is_empty()) => {
                Ok(Self::new(path, value))
            }
            _ => Err(AssignError {
                text: text.to_owned(),
                why: "write `PATH=VALUE`, with dots in the path".to_owned(),
                hint: None,
            }),
        }
    }
}

/// Why a value cannot be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("--set {text}: {why}")]
pub struct AssignError {
    text: String,
    why: String,
    hint: Option<String>,
}

impl Explain for AssignError {
    fn code(&self) -> Code {
        codes::FLAGS
    }

    fn hints(&self) -> Vec<String> {
        self.hint.iter().cloned().collect()
    }
}

/// Returns the object with one value changed.
///
/// Text is taken as what the field is: `3.10` is a version where a version belongs, and a number where a number
/// does. `null`, `true` and `false` are those, unless the field takes only text.
///
/// # Errors
/// When there is no such field, or it does not take the value.
pub fn assign<T: Serialize + DeserializeOwned>(
    object: &T,
    assignment: &Assignment,
) -> Result<T, AssignError> {
    let whole = serde_json::to_value(object).expect("declarations are plain data");
    let mut first = None;
    for candidate in candidates(&assignment.value) {
        let mut changed = whole.clone();
        *place(&mut changed, assignment)? = candidate;
        match T::deserialize(changed) {
            Ok(object) => return Ok(object),
            Err(error) => first = first.or(Some(error)),
        }
    }
    let mut whole = whole;
    if place(&mut whole, assignment)?.is_array() {
        return Err(whole_list(assignment));
    }
    let error = first.expect("there is a candidate at least");
    Err(fail(assignment, error.to_string(), None))
}

/// Returns what a text may mean, most likely first.
fn candidates(text: &str) -> Vec<Value> {
    let parsed: Option<Value> = serde_json::from_str(text).ok();
    let string = Value::String(text.to_owned());
    match parsed {
        Some(number @ Value::Number(_)) => vec![string, number],
        Some(other) => vec![other, string],
        None => vec![string],
    }
}

/// Finds the place that a path leads to.
fn place<'a>(whole: &'a mut Value, assignment: &Assignment) -> Result<&'a mut Value, AssignError> {
    let mut at = whole;
    for part in &assignment.path {
        // What was left out is made: its type then says whether it has such a key.
        if at.is_null() {
            *at = Value::Object(Map::from_iter([(part.clone(), Value::Null)]));
        }
        at = match at {
            Value::Object(map) => {
                if !map.contains_key(part) {
                    return Err(unknown_key(assignment, part, map));
                }
                &mut map[part]
            }
            Value::Array(list) => {
                let count = list.len();
                let index = part.parse::<usize>().ok().filter(|index| *index <= count);
                let Some(index) = index else {
                    let why = format!("`{part}` is not an index of a list of {count}");
                    let hint = format!("the next one that can be set is {count}");
                    return Err(fail(assignment, why, Some(hint)));
                };
                if index == count {
                    list.push(Value::Null);
                }
                &mut list[index]
            }
            _ => {
                return Err(fail(assignment, format!("there is nothing in it for `{part}`"), None));
            }
        };
    }
    Ok(at)
}

/// Returns the error of one value for a whole list.
fn whole_list(assignment: &Assignment) -> AssignError {
    let why = format!("`{}` is a list", assignment.path());
    let hint =
        format!("set its values one by one: `--set {}.0={}`", assignment.path(), assignment.value);
    fail(assignment, why, Some(hint))
}

fn unknown_key(assignment: &Assignment, part: &str, map: &Map<String, Value>) -> AssignError {
    let keys: Vec<_> = map.keys().map(String::as_str).collect();
    let hint = match nearest(part, &keys) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there is {}", OneOf(&keys)),
    };
    fail(assignment, format!("unknown key `{part}`"), Some(hint))
}

fn fail(assignment: &Assignment, why: String, hint: Option<String>) -> AssignError {
    AssignError { text: format!("{}={}", assignment.path(), assignment.value), why, hint }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{builder::Builder, object::read_builder};

    const DECLARATION: &str = "type: docker\nimage: iris\n";

    fn set(texts: &[&str]) -> Result<Value, AssignError> {
        let builder = read_builder("b.yaml", DECLARATION).unwrap();
        let changed: Builder = texts
            .iter()
            .try_fold(builder, |builder, text| assign(&builder, &text.parse::<Assignment>()?))?;
        Ok(serde_json::to_value(changed).unwrap())
    }

    #[test]
    fn a_value_is_taken_as_what_the_field_is() {
        let set = set(&[
            "args.python_version=3.10",
            "args.run_cmd=null",
            "args.platform=linux/arm64",
            "push=false",
            "image.tag=1",
            "args.set_env.0=A=b",
            "args.set_env.1=C",
            "server.port=9000",
        ])
        .unwrap();
        assert_eq!(set["args"]["python_version"], "3.10");
        assert_eq!(set["args"]["run_cmd"], Value::Null);
        assert_eq!(set["args"]["platform"], "linux/arm64");
        assert_eq!(set["push"], false);
        assert_eq!(set["image"]["tag"], "1");
        assert_eq!(set["args"]["set_env"], serde_json::json!(["A=b", "C"]));
        assert_eq!(set["server"]["port"], 9000);
    }

    #[test]
    fn an_object_that_was_left_out_is_made() {
        let set = set(&["image.registry.type=remote", "image.registry.host=reg:5000"]).unwrap();
        assert_eq!(set["image"]["registry"]["host"], "reg:5000");
    }

    #[test]
    fn other_paths_and_values_are_refused() {
        let texts = [
            "args.platfrom=linux/amd64",
            "args.platform=windows",
            "push=perhaps",
            "args.set_env.5=A",
            "args.set_env.A=b",
            "args.set_env=A=b",
            "image.name.first=x",
            "=x",
        ];
        let refused = texts.map(|text| set(&[text]).unwrap_err().to_string());
        insta::assert_snapshot!(refused.join("\n"), @r#"
--set args.platfrom=linux/amd64: unknown key `platfrom`
--set args.platform=windows: `windows` is not a platform that wharf builds for: there is `linux/amd64` and `linux/arm64`
--set push=perhaps: invalid type: string "perhaps", expected a boolean
--set args.set_env.5=A: `5` is not an index of a list of 0
--set args.set_env.A=b: `A` is not an index of a list of 0
--set args.set_env=A=b: `args.set_env` is a list
--set image.name.first=x: there is nothing in it for `first`
--set =x: write `PATH=VALUE`, with dots in the path
"#);
    }

    #[test]
    fn a_part_overlaps_its_whole() {
        let overlaps =
            |one: &str, other: &str| Assignment::new(one, "").overlaps(&Assignment::new(other, ""));
        assert!(overlaps("args", "args.platform") && overlaps("args.platform", "args"));
        assert!(!overlaps("args.platform", "args.plat") && !overlaps("push", "args"));
    }

    #[test]
    fn a_list_is_set_by_its_values() {
        let error = set(&["args.set_env=A=b"]).unwrap_err();
        assert_eq!(error.hints(), ["set its values one by one: `--set args.set_env.0=A=b`"]);
        let error = set(&["args.set_env.0=A=b", "args.set_env.C=d"]).unwrap_err();
        assert_eq!(error.hints(), ["the next one that can be set is 1"]);
        assert_eq!(set(&["args.set_env=[\"A=b\"]"]).unwrap()["args"]["set_env"][0], "A=b");
    }

    #[test]
    fn a_misspelt_key_gives_the_nearest_name() {
        let error = set(&["args.platfrom=linux/amd64"]).unwrap_err();
        assert_eq!(error.hints(), ["did you mean `platform`?"]);
    }
}

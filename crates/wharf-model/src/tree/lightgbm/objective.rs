//! LightGBM's objectives.

use super::super::{Task, clip, link::Link, parse_number};
use crate::error::ReadError;

/// What an objective means for the answers.
pub(super) struct Objective<'a> {
    pub(super) name: &'a str,
    pub(super) link: Link,
    pub(super) task: Task,
    pub(super) probability: Option<Link>,
}

impl<'a> Objective<'a> {
    /// Reads `binary sigmoid:1` and its like; without an objective scores are answered as they are.
    pub(super) fn of(line: Option<&'a str>, groups: usize) -> Result<Self, ReadError> {
        let mut words = line.unwrap_or("custom").split_ascii_whitespace();
        let name = words.next().unwrap_or("custom");
        let has_root = words.clone().any(|word| word == "sqrt");
        let factor = match words.find_map(|word| word.strip_prefix("sigmoid:")) {
            Some(text) => parse_number(text, "sigmoid")?,
            None => 1.0,
        };
        let sigmoid = Link::Sigmoid { factor };
        let (link, task) = match name {
            "regression" | "regression_l1" | "huber" | "fair" | "quantile" | "mape" if has_root => {
                (Link::SignedSquare, Task::Regression)
            }
            "regression" | "regression_l1" | "huber" | "fair" | "quantile" | "mape" => {
                (Link::Identity, Task::Regression)
            }
            "poisson" | "gamma" | "tweedie" => (Link::Exp, Task::Regression),
            "cross_entropy" => (Link::SIGMOID, Task::Regression),
            "cross_entropy_lambda" => (Link::SoftPlus, Task::Regression),
            "binary" => (sigmoid, Task::Binary),
            "multiclass" => (Link::SoftMax, Task::Multiclass),
            "multiclassova" => (sigmoid, Task::Multiclass),
            "lambdarank" | "rank_xendcg" => (Link::Identity, Task::Ranking),
            "custom" | "none" => (Link::Identity, Task::Other),
            _ => {
                return Err(ReadError::unsupported(format!(
                    "the model has objective `{}`, which wharf does not know",
                    clip(name)
                )));
            }
        };
        if task == Task::Binary && groups != 1 || task == Task::Multiclass && groups < 2 {
            return Err(ReadError::corrupt(format!(
                "objective `{name}` has {groups} trees a round"
            )));
        }
        let probability = matches!(task, Task::Binary | Task::Multiclass).then_some(link);
        Ok(Self { name, link, task, probability })
    }
}

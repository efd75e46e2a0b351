//! XGBoost's objectives.

use super::super::{Task, clip, link::Link};
use crate::error::ReadError;

/// What an objective means for the answers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Objective {
    /// How `base_score` becomes a score.
    pub(super) margin: fn(f32) -> f32,
    pub(super) link: Link,
    task: Task,
    probability: Option<Link>,
}

impl Objective {
    /// Returns what a name means.
    pub(super) fn of(name: &str) -> Result<Self, ReadError> {
        let same = |base: f32| base;
        let logit = |base: f32| -(1.0 / base - 1.0).ln();
        let plain =
            Self { margin: same, link: Link::Identity, task: Task::Regression, probability: None };
        let log = Self { margin: f32::ln, link: Link::Exp, ..plain };
        let binary = Self { task: Task::Binary, probability: Some(Link::SIGMOID), ..plain };
        let multi = Self { task: Task::Multiclass, probability: Some(Link::SoftMax), ..plain };
        Ok(match name {
            "reg:squarederror"
            | "reg:linear"
            | "reg:squaredlogerror"
            | "reg:pseudohubererror"
            | "reg:absoluteerror"
            | "reg:quantileerror" => plain,
            "count:poisson" | "reg:gamma" | "reg:tweedie" => log,
            "survival:cox" | "survival:aft" => Self { task: Task::Other, ..log },
            "reg:logistic" => Self { margin: logit, link: Link::SIGMOID, ..plain },
            "binary:logistic" => Self { margin: logit, link: Link::SIGMOID, ..binary },
            "binary:logitraw" => binary,
            "binary:hinge" => Self { link: Link::Step, probability: Some(Link::Step), ..binary },
            "multi:softprob" => Self { link: Link::SoftMax, ..multi },
            "multi:softmax" => Self { link: Link::ArgMax, ..multi },
            "rank:pairwise" | "rank:ndcg" | "rank:map" => Self { task: Task::Ranking, ..plain },
            _ => {
                return Err(ReadError::unsupported(format!(
                    "the model has objective `{}`, which wharf does not know",
                    clip(name)
                )));
            }
        })
    }

    /// Returns the task and the probabilities for a number of groups.
    pub(super) fn task_for(self, groups: usize) -> Result<(Task, Option<Link>), ReadError> {
        match (self.task, groups) {
            (Task::Multiclass, 1) => {
                Err(ReadError::corrupt("a model of several classes has one class"))
            }
            // Several labels that a row may have at once: no classes to choose from.
            (Task::Binary, 2..) => Ok((Task::Other, None)),
            _ => Ok((self.task, self.probability)),
        }
    }
}

//! What CatBoost's losses mean for the answers.

use super::{
    super::{Task, clip},
    fast_exp,
};
use crate::error::ReadError;

/// What becomes of a row of scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    Identity,
    Sigmoid,
    Exp,
    SoftMax,
    /// A mean, and the logarithm of a standard deviation, which becomes a variance.
    MeanAndVariance,
}

impl Link {
    /// Turns scores, `dimensions` a row, into answers.
    pub(super) fn apply(self, scores: &mut [f64], dimensions: usize) {
        match self {
            Self::Identity => {}
            Self::Sigmoid => scores.iter_mut().for_each(|score| *score = sigmoid(*score)),
            Self::Exp => scores.iter_mut().for_each(|score| *score = fast_exp::one(*score)),
            Self::SoftMax => scores.chunks_exact_mut(dimensions).for_each(soft_max),
            Self::MeanAndVariance => {
                let deviations = scores.iter_mut().skip(1).step_by(2);
                deviations.for_each(|score| *score = fast_exp::one(2.0 * *score));
            }
        }
    }
}

pub(super) fn sigmoid(score: f64) -> f64 {
    1.0 / (1.0 + (-score).exp())
}

fn soft_max(row: &mut [f64]) {
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    row.iter_mut().for_each(|score| *score -= largest);
    fast_exp::each(row);
    let sum = row.iter().fold(0.0, |sum, power| sum + power);
    row.iter_mut().for_each(|power| *power /= sum);
}

/// Returns the task of a loss, and what `predict` makes of the scores: a classifier's probabilities, the value else.
pub(super) fn of(name: &str, dimensions: usize) -> Result<(Task, Link), ReadError> {
    let (found, fits) = match name {
        "Logloss" | "CrossEntropy" | "Focal" => ((Task::Binary, Link::Sigmoid), dimensions == 1),
        "MultiClass" => ((Task::Multiclass, Link::SoftMax), dimensions > 1),
        "MultiClassOneVsAll" => ((Task::Multiclass, Link::Sigmoid), dimensions > 1),
        "MultiLogloss" | "MultiCrossEntropy" => ((Task::Other, Link::Sigmoid), true),
        "RMSE"
        | "MAE"
        | "Quantile"
        | "LogLinQuantile"
        | "MAPE"
        | "LogCosh"
        | "Lq"
        | "Huber"
        | "Expectile"
        | "MultiRMSE"
        | "MultiRMSEWithMissingValues"
        | "MultiQuantile" => ((Task::Regression, Link::Identity), true),
        "Poisson" | "Tweedie" => ((Task::Regression, Link::Exp), dimensions == 1),
        "RMSEWithUncertainty" => ((Task::Regression, Link::MeanAndVariance), dimensions == 2),
        "SurvivalAft" | "Cox" => ((Task::Other, Link::Identity), true),
        "YetiRank" | "YetiRankPairwise" | "PairLogit" | "PairLogitPairwise" | "QueryRMSE"
        | "QuerySoftMax" | "QueryCrossEntropy" | "GroupQuantile" | "StochasticFilter"
        | "StochasticRank" | "LambdaMart" => ((Task::Ranking, Link::Identity), dimensions == 1),
        _ => {
            return Err(ReadError::Unsupported {
                what: format!("the model has loss `{}`, which wharf does not know", clip(name)),
                hint: Some("write a `predict.py` that loads it".to_owned()),
            });
        }
    };
    if !fits {
        return Err(ReadError::corrupt(format!("loss `{name}` has {dimensions} scores a row")));
    }
    Ok(found)
}

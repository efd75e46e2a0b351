//! `post_transform`: what is made of raw scores at the end.

use crate::error::ReadError;

use super::super::node::Node;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PostTransform {
    None,
    Logistic,
    Softmax,
    SoftmaxZero,
    Probit,
}

/// How a single score of two classes becomes two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Second {
    /// The score is a probability.
    Complement,
    /// The score is a distance, positive on the side of the second class.
    Opposite,
}

impl PostTransform {
    pub(super) fn of(node: Node<'_>) -> Result<Self, ReadError> {
        Ok(match node.word("post_transform", "NONE")? {
            "NONE" => Self::None,
            "LOGISTIC" => Self::Logistic,
            "SOFTMAX" => Self::Softmax,
            "SOFTMAX_ZERO" => Self::SoftmaxZero,
            "PROBIT" => Self::Probit,
            other => return Err(node.corrupt(format!("ends with the unknown {other}"))),
        })
    }

    /// Changes the scores of one row, one for each class.
    pub(super) fn apply(self, scores: &mut [f32]) {
        match self {
            Self::None => {}
            Self::Logistic => scores.iter_mut().for_each(|score| *score = logistic(*score)),
            Self::Softmax => softmax(scores),
            Self::SoftmaxZero => softmax_zero(scores),
            Self::Probit => scores.iter_mut().for_each(|score| *score = probit(*score)),
        }
    }

    /// Makes the scores of two classes of a single one.
    ///
    /// As in onnxruntime, a score that counts as a probability is left as it is, even where a logistic function is
    /// asked for.
    pub(super) fn two(self, score: f32, second: Second) -> [f32; 2] {
        match (self, second) {
            (Self::Probit, _) => [1.0 - probit(score), probit(score)],
            (_, Second::Complement) => [1.0 - score, score],
            (Self::Logistic, Second::Opposite) => [logistic(-score), logistic(score)],
            (_, Second::Opposite) => [-score, score],
        }
    }
}

pub(super) fn logistic(value: f32) -> f32 {
    // The exponent is never positive, so nothing overflows.
    let upper = 1.0 / (1.0 + (-value.abs()).exp());
    if value < 0.0 { 1.0 - upper } else { upper }
}

fn softmax(scores: &mut [f32]) {
    let largest = scores.iter().copied().fold(f32::MIN, f32::max);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = (*score - largest).exp();
        sum += *score;
    }
    scores.iter_mut().for_each(|score| *score /= sum);
}

/// A softmax for which a score of nought is no score.
fn softmax_zero(scores: &mut [f32]) {
    let largest = scores.iter().copied().fold(f32::MIN, f32::max);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        if score.abs() > 1e-7 {
            *score = (*score - largest).exp();
            sum += *score;
        } else {
            *score *= (-largest).exp();
        }
    }
    scores.iter_mut().for_each(|score| *score /= sum);
}

/// The quantile of the normal distribution, by Winitzki's approximation as in onnxruntime.
fn probit(value: f32) -> f32 {
    const A: f32 = 0.147;
    let centred = 2.0 * value - 1.0;
    let log = ((1.0 - centred) * (1.0 + centred)).ln();
    // onnxruntime's own rounding of pi.
    #[expect(clippy::approx_constant, reason = "the answers are to be onnxruntime's")]
    let half = 2.0 / (3.14159 * A) + 0.5 * log;
    let root = (-half + (half * half - log / A).sqrt()).sqrt();
    std::f32::consts::SQRT_2 * root.copysign(centred)
}

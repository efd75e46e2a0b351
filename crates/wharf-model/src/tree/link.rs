//! From scores to answers.

use super::number::Number;

/// What a library does with the summed scores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Link {
    Identity,
    Sigmoid {
        factor: f64,
    },
    Exp,
    /// Probabilities of the groups, which are classes.
    SoftMax,
    /// The number of the class with the largest score; the first one wins.
    ArgMax,
    /// 1 above zero, else 0.
    Step,
    /// x·|x|: undoes a square root.
    SignedSquare,
    /// ln(1 + exp(x)).
    SoftPlus,
}

impl Link {
    pub(super) const SIGMOID: Self = Self::Sigmoid { factor: 1.0 };

    /// Returns how many answers a row of scores becomes.
    pub(super) const fn outputs(self, groups: usize) -> usize {
        match self {
            Self::ArgMax => 1,
            Self::Identity
            | Self::Sigmoid { .. }
            | Self::Exp
            | Self::SoftMax
            | Self::Step
            | Self::SignedSquare
            | Self::SoftPlus => groups,
        }
    }

    /// Turns scores, `groups` a row, into answers.
    pub(super) fn apply<T: Number>(self, mut scores: Vec<T>, groups: usize) -> Vec<T> {
        match self {
            Self::Identity => {}
            Self::Sigmoid { factor } => each(&mut scores, |score| score.sigmoid(factor)),
            Self::Exp => each(&mut scores, T::exp),
            Self::SoftMax => scores.chunks_exact_mut(groups).for_each(T::soft_max),
            Self::ArgMax => {
                return scores
                    .chunks_exact(groups)
                    .map(|row| T::from_count(arg_max(row)))
                    .collect();
            }
            Self::Step => each(&mut scores, |score| T::from_count((score > T::default()).into())),
            Self::SignedSquare => each(&mut scores, signed_square),
            Self::SoftPlus => each(&mut scores, T::soft_plus),
        }
        scores
    }
}

/// Returns the index of the largest score; the first one wins.
pub(super) fn arg_max<T: Number>(row: &[T]) -> usize {
    (1..row.len()).fold(0, |best, index| if row[index] > row[best] { index } else { best })
}

fn each<T: Number>(scores: &mut [T], change: impl Fn(T) -> T) {
    for score in scores {
        *score = change(*score);
    }
}

fn signed_square<T: Number>(score: T) -> T {
    let square = score * score;
    if score < T::default() { -square } else { square }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equal_classes_wins() {
        assert_eq!(arg_max(&[1.0_f32, 3.0, 3.0, 2.0]), 1);
        assert_eq!(Link::ArgMax.apply(vec![0.0_f32, 0.0, 1.0, 2.0], 2), [0.0, 1.0]);
    }

    #[test]
    fn a_square_keeps_its_sign() {
        assert_eq!(Link::SignedSquare.apply(vec![-3.0, 0.0, 2.0], 1), [-9.0, 0.0, 4.0]);
    }

    #[test]
    fn a_far_score_is_a_sure_class() {
        assert_eq!(Link::SIGMOID.apply(vec![1e9_f32, -1e9, 0.0], 1)[..1], [1.0]);
        assert_eq!(Link::SoftMax.apply(vec![1e9_f64, 0.0], 2), [1.0, 0.0]);
    }
}

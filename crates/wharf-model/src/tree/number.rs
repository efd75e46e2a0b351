//! The number a library computes with, and what it does with it: XGBoost's `f32`, LightGBM's `f64`.
//!
//! Every formula here follows its library operation by operation, since the answers agree to the last bit. `exp`,
//! `ln` and `log1p` are the platform's own; they were compared on glibc and x86-64.

use std::{
    fmt::Debug,
    ops::{AddAssign, DivAssign, Mul, Neg},
};

use crate::tensor::Data;

/// A feature's value, a threshold, a leaf, a score.
pub(super) trait Number:
    Copy
    + Debug
    + Default
    + PartialOrd
    + AddAssign
    + DivAssign
    + Mul<Output = Self>
    + Neg<Output = Self>
    + Send
    + Sync
{
    /// Whether a node may take zero for a missing value.
    const ZERO_MAY_BE_MISSING: bool;
    /// Whether a category in a node's set goes to the left.
    const SET_GOES_LEFT: bool;

    /// Returns a value of the input as the library sees it.
    fn from_input(value: f64) -> Self;
    /// Returns a small whole number: a class, a number of rounds.
    fn from_count(count: usize) -> Self;
    /// Hides an index where a threshold stands.
    fn from_index(index: u32) -> Self;
    /// Returns the index that [`Number::from_index`] hid.
    fn index(self) -> u32;
    fn is_nan(self) -> bool;
    /// Says whether a value that is not NaN goes to the left at a threshold.
    fn is_left_of(self, threshold: Self) -> bool;
    /// Returns the category that a value stands for; `None` when it can stand for none.
    fn category(self) -> Option<u32>;
    fn exp(self) -> Self;
    /// Returns ln(1 + exp(x)).
    fn soft_plus(self) -> Self;
    /// Returns 1 / (1 + exp(−factor·x)).
    fn sigmoid(self, factor: f64) -> Self;
    /// Turns the scores of a row into probabilities.
    fn soft_max(row: &mut [Self]);
    fn one_minus(self) -> Self;
    fn is_above_half(self) -> bool;
    fn into_data(values: Vec<Self>) -> Data;
}

/// XGBoost.
impl Number for f32 {
    const ZERO_MAY_BE_MISSING: bool = false;
    const SET_GOES_LEFT: bool = false;

    fn from_input(value: f64) -> Self {
        value as Self
    }

    fn from_count(count: usize) -> Self {
        count as Self
    }

    fn from_index(index: u32) -> Self {
        Self::from_bits(index)
    }

    fn index(self) -> u32 {
        self.to_bits()
    }

    fn is_nan(self) -> bool {
        Self::is_nan(self)
    }

    fn is_left_of(self, threshold: Self) -> bool {
        self < threshold
    }

    fn category(self) -> Option<u32> {
        // From 2^24 on, a float32 no longer tells neighbours apart.
        (0.0..16_777_216.0).contains(&self).then_some(self as u32)
    }

    fn exp(self) -> Self {
        Self::exp(self)
    }

    fn soft_plus(self) -> Self {
        Self::exp(self).ln_1p()
    }

    fn sigmoid(self, factor: f64) -> Self {
        let power = -self * factor as Self;
        let power = if 88.7 < power { 88.7 } else { power };
        1.0 / (power.exp() + 1.0 + 1e-16)
    }

    fn soft_max(row: &mut [Self]) {
        let largest = row.iter().copied().fold(Self::NEG_INFINITY, Self::max);
        let mut sum = 0.0_f64;
        for score in row.iter_mut() {
            *score = (*score - largest).exp();
            sum += f64::from(*score);
        }
        for score in row {
            *score /= sum as Self;
        }
    }

    fn one_minus(self) -> Self {
        1.0 - self
    }

    fn is_above_half(self) -> bool {
        self > 0.5
    }

    fn into_data(values: Vec<Self>) -> Data {
        Data::F32(values)
    }
}

/// LightGBM's `kZeroThreshold`: a `float` in its source, so not the `f64` 1e-35.
const ZERO: f64 = 1e-35_f32 as f64;

/// LightGBM.
impl Number for f64 {
    const ZERO_MAY_BE_MISSING: bool = true;
    const SET_GOES_LEFT: bool = true;

    fn from_input(value: f64) -> Self {
        // LightGBM keeps rows sparse: what is nearly zero is not stored, and read back as zero.
        if value.abs() <= ZERO { 0.0 } else { value }
    }

    fn from_count(count: usize) -> Self {
        count as Self
    }

    fn from_index(index: u32) -> Self {
        Self::from_bits(u64::from(index))
    }

    fn index(self) -> u32 {
        self.to_bits() as u32
    }

    fn is_nan(self) -> bool {
        Self::is_nan(self)
    }

    fn is_left_of(self, threshold: Self) -> bool {
        self <= threshold
    }

    fn category(self) -> Option<u32> {
        // A cast to C's `int`: −0.5 becomes 0, and what does not fit becomes negative.
        (self > -1.0 && self < 2_147_483_648.0).then_some(self as u32)
    }

    fn exp(self) -> Self {
        Self::exp(self)
    }

    fn soft_plus(self) -> Self {
        Self::exp(self).ln_1p()
    }

    fn sigmoid(self, factor: f64) -> Self {
        1.0 / (1.0 + (-factor * self).exp())
    }

    fn soft_max(row: &mut [Self]) {
        let largest = row.iter().copied().fold(Self::NEG_INFINITY, Self::max);
        let mut sum = 0.0;
        for score in row.iter_mut() {
            *score = (*score - largest).exp();
            sum += *score;
        }
        for score in row {
            *score /= sum;
        }
    }

    fn one_minus(self) -> Self {
        1.0 - self
    }

    fn is_above_half(self) -> bool {
        self > 0.5
    }

    fn into_data(values: Vec<Self>) -> Data {
        Data::F64(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xgboost_cuts_fractions_off_and_refuses_what_cannot_be_a_category() {
        let categories = [0.0_f32, 3.9, -0.5, -1.0, 16_777_215.0, 16_777_216.0, f32::NAN];
        assert_eq!(
            categories.map(Number::category),
            [Some(0), Some(3), None, None, Some(16_777_215), None, None]
        );
    }

    #[test]
    fn lightgbm_casts_to_int_as_c_does() {
        let categories = [-0.0, 3.9, -0.5, -1.0, 2_147_483_647.0, 2_147_483_648.0, f64::NAN];
        assert_eq!(
            categories.map(Number::category),
            [Some(0), Some(3), Some(0), None, Some(2_147_483_647), None, None]
        );
    }

    #[test]
    fn lightgbm_takes_what_is_nearly_zero_for_zero() {
        let edge = f64::from(1e-35_f32);
        assert_eq!(f64::from_input(edge), 0.0);
        assert_eq!(f64::from_input(-edge), 0.0);
        assert_eq!(f64::from_input(edge.next_up()), edge.next_up());
        assert!(f64::from_input(f64::NAN).is_nan());
    }

    #[test]
    fn an_index_survives_in_the_place_of_a_threshold() {
        // Many of these are NaN when read as numbers.
        for index in [0, 1, 0x7f80_0001, 0xffc0_0000, u32::MAX] {
            assert_eq!(f32::from_index(index).index(), index);
            assert_eq!(f64::from_index(index).index(), index);
        }
    }
}

//! The approximate exponential function that CatBoost uses outside of its plain sigmoid. It differs from the exact
//! one in the last bit, and so do the answers; it is therefore followed operation by operation.
//!
//! exp(x) = 2^(n/2048) · exp(−t) for the whole number n next to x·2048/ln 2: the first factor's mantissa comes out of a
//! table, the second one is a short series.

use std::{array, f64::consts::LN_2, sync::LazyLock};

const BITS: u32 = 11;
const SIZE: usize = 1 << BITS;
/// Adding it leaves a sum's whole part in the lowest bits.
const ROUNDER: f64 = (3_u64 << 51) as f64;
const SMALLEST: f64 = -708.396_418_532_264_1;
const LARGEST: f64 = 709.782_712_893_384;

/// The mantissas of 2^(i/2048).
static MANTISSAS: LazyLock<[u64; SIZE]> = LazyLock::new(|| {
    array::from_fn(|i| 2.0_f64.powf(i as f64 / SIZE as f64).to_bits() & ((1 << 52) - 1))
});

/// Replaces numbers that are not above zero by their exponentials. Four at a time stop short of zero, the rest does
/// not.
pub(super) fn each(numbers: &mut [f64]) {
    let (fours, rest) = numbers.as_chunks_mut::<4>();
    for number in fours.as_flattened_mut() {
        *number = within(number.max(SMALLEST));
    }
    for number in rest {
        *number = one(*number);
    }
}

/// Returns the exponential of a single number.
pub(super) fn one(number: f64) -> f64 {
    if number <= SMALLEST {
        0.0
    } else if number >= LARGEST {
        f64::INFINITY
    } else {
        within(number)
    }
}

fn within(number: f64) -> f64 {
    let steps = SIZE as f64 / LN_2;
    let rounded = number * steps + ROUNDER;
    let whole = rounded.to_bits();
    let rest = (rounded - ROUNDER) * (1.0 / steps) - number;
    let exponent = (whole.wrapping_add((1 << (BITS + 10)) - (1 << BITS)) >> BITS) << 52;
    let power = f64::from_bits(exponent | MANTISSAS[whole as usize % SIZE]);
    let series = (3.000_000_002_795_539_4 - rest) * (rest * rest) * 0.166_666_666_852_278_35 - rest;
    (series + 1.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_nearly_the_exponential() {
        for number in [-700.0, -3.25, -1e-9, 0.0, 0.1, 1.0, 42.0, 709.0_f64] {
            let exact = number.exp();
            assert!((one(number) - exact).abs() <= 1e-12 * exact, "{number}");
        }
        assert_eq!(one(0.0), 1.0);
    }

    #[test]
    fn far_numbers_have_an_end() {
        let mut numbers = [-1e9, 0.0, f64::NEG_INFINITY, -1e9, -1e9];
        each(&mut numbers);
        assert!(numbers.iter().all(|number| number.is_finite()), "{numbers:?}");
        assert!(numbers[0] > 0.0, "{numbers:?}");
        assert_eq!((numbers[1], numbers[4]), (1.0, 0.0));
        assert_eq!((one(-1e9), one(1e9)), (0.0, f64::INFINITY));
    }
}

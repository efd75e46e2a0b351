//! Times in buckets.

use std::{sync::atomic::AtomicU64, time::Duration};

use super::{add, read};

/// Upper bounds in nanoseconds, and as they are written in seconds: from a tenth of a millisecond to the time that a
/// call may take.
pub(super) const BOUNDS: [(u64, &str); 17] = [
    (100_000, "0.0001"),
    (250_000, "0.00025"),
    (500_000, "0.0005"),
    (1_000_000, "0.001"),
    (2_500_000, "0.0025"),
    (5_000_000, "0.005"),
    (10_000_000, "0.01"),
    (25_000_000, "0.025"),
    (50_000_000, "0.05"),
    (100_000_000, "0.1"),
    (250_000_000, "0.25"),
    (500_000_000, "0.5"),
    (1_000_000_000, "1"),
    (2_500_000_000, "2.5"),
    (5_000_000_000, "5"),
    (10_000_000_000, "10"),
    (30_000_000_000, "30"),
];

/// Counts times.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    /// One more than there are bounds: the last one has none.
    counts: [AtomicU64; BOUNDS.len() + 1],
    nanos: AtomicU64,
}

/// What a histogram holds at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Times {
    pub(super) counts: [u64; BOUNDS.len() + 1],
    nanos: u64,
}

impl Histogram {
    /// Counts a time.
    pub(crate) fn observe(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let place = BOUNDS.iter().position(|(bound, _)| nanos <= *bound);
        add(&self.counts[place.unwrap_or(BOUNDS.len())], 1);
        add(&self.nanos, nanos);
    }

    pub(crate) fn times(&self) -> Times {
        Times { counts: self.counts.each_ref().map(read), nanos: read(&self.nanos) }
    }
}

impl Times {
    pub(super) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub(super) fn seconds(&self) -> f64 {
        self.nanos as f64 / 1e9
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_counted_in_the_first_bucket_that_holds_it() {
        let histogram = Histogram::default();
        for micros in [0, 100, 101, 30_000_000, 30_000_001] {
            histogram.observe(Duration::from_micros(micros));
        }
        let times = histogram.times();
        let filled = |place: usize| times.counts[place];
        assert_eq!([filled(0), filled(1), filled(16), filled(17)], [2, 1, 1, 1]);
        assert_eq!((times.count(), times.seconds()), (5, 60.000_202));
    }

    #[test]
    fn bounds_are_written_as_they_are() {
        for (nanos, text) in BOUNDS {
            assert_eq!(text.parse::<f64>().unwrap(), nanos as f64 / 1e9);
        }
        assert!(BOUNDS.is_sorted());
    }
}

//! Total, smallest, median and largest of sizes or durations.

use std::time::Duration;

/// How the values of several samples spread. The median of an even number of values is the mean of the two in
/// the middle, rounded down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spread<T> {
    /// Number of values.
    pub n: usize,
    /// Their sum.
    pub total: T,
    /// The smallest one.
    pub min: T,
    /// The median.
    pub median: T,
    /// The largest one.
    pub max: T,
}

impl Spread<u64> {
    /// The spread of values; `None` without any. A sum beyond `u64` stays at its largest value.
    pub(super) fn of(values: &[u64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_unstable();
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let n = sorted.len();
        Some(Self {
            n,
            total: sorted.iter().fold(0, |sum: u64, x| sum.saturating_add(*x)),
            min,
            median: sorted[(n - 1) / 2].midpoint(sorted[n / 2]),
            max,
        })
    }

    pub(super) fn nanoseconds(self) -> Spread<Duration> {
        Spread {
            n: self.n,
            total: Duration::from_nanos(self.total),
            min: Duration::from_nanos(self.min),
            median: Duration::from_nanos(self.median),
            max: Duration::from_nanos(self.max),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_between_the_middle_values() {
        let spread = |values: &[u64]| Spread::of(values).unwrap();
        let four = Spread {
            n: 4,
            total: 21,
            min: 1,
            median: 4,
            max: 11,
        };
        assert_eq!(spread(&[5, 11, 1, 4]), four);
        assert_eq!(spread(&[9, 2, 3]).median, 3);
        assert_eq!(spread(&[7]).median, 7);
        assert_eq!(spread(&[u64::MAX, u64::MAX]).total, u64::MAX);
        assert_eq!(spread(&[u64::MAX, u64::MAX]).median, u64::MAX);
        assert_eq!(Spread::of(&[]), None);
        let seconds = spread(&[2_500_000_000]).nanoseconds();
        assert_eq!(seconds.max, Duration::from_millis(2500));
    }
}

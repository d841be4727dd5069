//! Random numbers of augmentations: functions of a seed, a pass and an item, on every machine.
//!
//! ChaCha12 and the conversions below do not change with versions of `rand`, and no state needs saving:
//! the order in which items are prepared, and by how many threads, does not matter.

use rand::rngs::ChaCha12Rng;
use rand::{Rng, SeedableRng};

/// The key of the random numbers of one item in one pass over the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DrawKey {
    /// Seed of the training.
    pub seed: u64,
    /// Pass over the data, counted from 0.
    pub pass: u64,
    /// Index of the item in the data set.
    pub index: u64,
}

impl DrawKey {
    /// Returns the random numbers of the item for one purpose. Each purpose, such as a modality, has its own stream.
    pub fn numbers(&self, purpose: u64) -> ChaCha12Rng {
        let mut key = [0; 32];
        let parts = [self.seed, self.pass, self.index, purpose];
        for (bytes, value) in key.chunks_exact_mut(8).zip(parts) {
            bytes.copy_from_slice(&value.to_le_bytes());
        }
        ChaCha12Rng::from_seed(key)
    }
}

/// A number in `[0, 1)`, of 53 bits.
pub(crate) fn unit(numbers: &mut impl Rng) -> f64 {
    (numbers.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

/// A number between two others.
pub(crate) fn between(numbers: &mut impl Rng, low: f64, high: f64) -> f64 {
    low + (high - low) * unit(numbers)
}

/// An integer from 0 up to and including `last`, by the high half of a product (Lemire).
pub(crate) fn up_to(numbers: &mut impl Rng, last: usize) -> usize {
    let product = u128::from(numbers.next_u64()) * (last as u128 + 1);
    (product >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Augmented runs are repeated by it: other numbers are another experiment.
    #[test]
    fn numbers_never_change() {
        let key = DrawKey {
            seed: 7,
            pass: 1,
            index: 9,
        };
        let mut numbers = key.numbers(0);
        let first = numbers.next_u64();
        assert_eq!(first, key.numbers(0).next_u64());
        for other in [
            DrawKey { seed: 8, ..key },
            DrawKey { pass: 2, ..key },
            DrawKey { index: 8, ..key },
        ] {
            assert_ne!(first, other.numbers(0).next_u64());
        }
        assert_ne!(first, key.numbers(1).next_u64());
    }

    #[test]
    fn integers_cover_their_range() {
        let mut numbers = DrawKey {
            seed: 0,
            pass: 0,
            index: 0,
        }
        .numbers(0);
        let mut counts = [0; 3];
        for _ in 0..3000 {
            counts[up_to(&mut numbers, 2)] += 1;
        }
        // Five standard deviations of a count with a mean of 1000.
        assert!(
            counts.iter().all(|n| (*n - 1000_i32).abs() < 130),
            "{counts:?}"
        );
        assert_eq!(up_to(&mut numbers, 0), 0);
        let between = between(&mut numbers, -2.0, -1.0);
        assert!((-2.0..-1.0).contains(&between));
    }
}

//! Random numbers that depend on a seed and a count only, which means that no state needs saving.
//!
//! The shuffle below is the same on every machine and with every version of `rand`; `SliceRandom` promises
//! neither.

use rand::Rng;
use rand::rngs::ChaCha12Rng;

pub(crate) use crate::numeric::generator;

/// A seed for turn `n`.
pub(crate) fn derived(seed: u64, n: u64) -> u64 {
    generator(seed, n, u64::MAX).next_u64()
}

/// Shuffles by Fisher and Yates, from the last item to the second.
///
/// An index is the high half of a product of 128 bits (Lemire), whose bias is below `len / 2^64`.
pub(crate) fn shuffle<T>(items: &mut [T], numbers: &mut ChaCha12Rng) {
    for last in (1..items.len()).rev() {
        let product = u128::from(numbers.next_u64()) * (last as u128 + 1);
        items.swap(last, (product >> 64) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checkpoints rely on them: other numbers need another format of checkpoints.
    #[test]
    fn seeds_never_change() {
        let seeds = [derived(0, 0), derived(7, 1), derived(u64::MAX, 9)];
        let expected = [
            17_771_132_235_331_419_496,
            13_155_442_980_973_649_429,
            17_412_256_596_076_801_136,
        ];
        assert_eq!(seeds, expected);
    }

    #[test]
    fn every_count_has_its_own_seed() {
        let mut seeds: Vec<u64> = (0..4)
            .flat_map(|seed| (0..100).map(move |n| derived(seed, n)))
            .collect();
        assert_eq!(derived(3, 99), seeds[399]);
        seeds.sort_unstable();
        seeds.dedup();
        assert_eq!(seeds.len(), 400);
    }

    #[test]
    fn every_order_is_equally_likely() {
        let mut counts = std::collections::BTreeMap::new();
        for seed in 0..6000 {
            let mut items = [0, 1, 2];
            shuffle(&mut items, &mut generator(seed, 0, 0));
            *counts.entry(items).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 6);
        // Five standard deviations of a count with a mean of 1000.
        assert!(
            counts.values().all(|n| (*n - 1000_i32).abs() < 145),
            "{counts:?}"
        );
    }

    #[test]
    fn nothing_and_one_item_stay() {
        shuffle::<u8>(&mut [], &mut generator(0, 0, 0));
        let mut one = [5];
        shuffle(&mut one, &mut generator(0, 0, 0));
        assert_eq!(one, [5]);
    }
}

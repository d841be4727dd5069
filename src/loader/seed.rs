//! Random numbers that depend on a seed and a count only, so that nothing of them need be saved.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// A generator for the `n`th of something, of a part of it that begins at `start`.
pub(crate) fn generator(seed: u64, n: u64, start: u64) -> StdRng {
    let mut key = [0; 32];
    for (part, value) in key.chunks_exact_mut(8).zip([seed, n, start]) {
        part.copy_from_slice(&value.to_le_bytes());
    }
    StdRng::from_seed(key)
}

/// A seed for the `n`th of something.
pub(crate) fn derived(seed: u64, n: u64) -> u64 {
    generator(seed, n, u64::MAX).next_u64()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checkpoints rely on them: another generator must raise their format.
    #[test]
    fn seeds_stay_the_same_for_ever() {
        let seeds = [derived(0, 0), derived(7, 1), derived(u64::MAX, 9)];
        let expected = [
            17_771_132_235_331_419_496,
            13_155_442_980_973_649_429,
            17_412_256_596_076_801_136,
        ];
        assert_eq!(seeds, expected);
    }

    #[test]
    fn every_count_has_a_seed_of_its_own() {
        let mut seeds: Vec<u64> = (0..4)
            .flat_map(|seed| (0..100).map(move |n| derived(seed, n)))
            .collect();
        assert_eq!(derived(3, 99), seeds[399]);
        seeds.sort_unstable();
        seeds.dedup();
        assert_eq!(seeds.len(), 400);
    }
}

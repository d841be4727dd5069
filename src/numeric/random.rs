//! Random numbers that depend on a seed and counts only, which means that no state needs saving.
//!
//! ChaCha12 is the same on every machine and with every version of `rand`; `StdRng` promises neither.

use rand::rngs::ChaCha12Rng;
use rand::{Rng, SeedableRng};

/// A generator for pass or step `n`, of the part of the data that begins at `start`.
pub(crate) fn generator(seed: u64, n: u64, start: u64) -> ChaCha12Rng {
    let mut key = [0; 32];
    for (part, value) in key.chunks_exact_mut(8).zip([seed, n, start]) {
        part.copy_from_slice(&value.to_le_bytes());
    }
    ChaCha12Rng::from_seed(key)
}

/// Uniform in `[0, 1)`, a multiple of `2^-53`.
pub(crate) fn uniform(numbers: &mut ChaCha12Rng) -> f64 {
    (numbers.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

//! Modality masks by probability.

use burn_mla::Result;
use burn_mla::modality::{MissingRate, Presence};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Removes each modality of each sample with probability `rate`. One is always kept.
pub fn each(rate: f64, seed: u64, n_samples: usize, n_modalities: usize) -> Result<Presence> {
    MissingRate::new(rate, seed)?.presence("emoji", n_samples, n_modalities)
}

/// Removes one modality with probability `rate`.
pub fn of_one(
    modality: usize,
    rate: f64,
    seed: u64,
    n_samples: usize,
    n_modalities: usize,
) -> Result<Presence> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut mask = vec![true; n_samples * n_modalities];
    for sample in mask.chunks_mut(n_modalities) {
        sample[modality] = !random.random_bool(rate);
    }
    Presence::from_mask(mask, n_modalities)
}

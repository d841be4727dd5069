//! Corruption of one modality at test time.

use std::f64::consts::TAU;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::Modality;

/// Corruption of one modality at test time, determined by the seed and the emoji. A larger strength
/// scales the same noise, and drops more words in addition to the same ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Corruption {
    /// The modality to corrupt.
    pub modality: Modality,
    /// For images, the standard deviation of Gaussian noise on pixels in -1..1, clamped to that range;
    /// for texts, the probability of dropping a word.
    pub strength: f64,
    /// Seed of the noise.
    pub seed: u64,
}

impl Corruption {
    /// Adds noise to the pixels of an emoji.
    pub fn add_noise(&self, index: usize, pixels: &mut [f32]) {
        let mut rng = self.rng(index);
        for pixel in pixels {
            let noisy = f64::from(*pixel) + self.strength * normal(&mut rng);
            *pixel = noisy.clamp(-1.0, 1.0) as f32;
        }
    }

    /// Drops words of the text of an emoji.
    pub fn drop_words(&self, index: usize, text: &str) -> String {
        let mut rng = self.rng(index);
        let kept = |_: &&str| rng.random::<f64>() >= self.strength;
        let words: Vec<&str> = text.split_whitespace().filter(kept).collect();
        words.join(" ")
    }

    fn rng(&self, index: usize) -> StdRng {
        StdRng::seed_from_u64(self.seed << 32 | index as u64)
    }
}

/// A sample of the standard normal distribution (Box and Muller).
fn normal(rng: &mut StdRng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (TAU * rng.random::<f64>()).cos()
}

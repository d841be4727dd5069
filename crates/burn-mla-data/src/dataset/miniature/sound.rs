//! A tone of a class.

use std::f32::consts::TAU;

use rand::{Rng, RngExt};

use crate::audio::{AudioError, Waveform};

/// A tone with an overtone and noise. Its pitch is that of the class, a tenth higher or lower at random.
pub(crate) fn tone(
    class: usize,
    seconds: f32,
    sample_rate: u32,
    numbers: &mut impl Rng,
) -> Result<Waveform, AudioError> {
    let pitch = 220.0 * 1.3_f32.powi(class as i32 % 12) * numbers.random_range(0.95..1.05);
    let rate = sample_rate as f32;
    let sample = |n: usize| {
        let phase = TAU * pitch * n as f32 / rate;
        0.3 * phase.sin() + 0.1 * (2.0 * phase).sin() + numbers.random_range(-0.05..0.05)
    };
    let n_samples = (seconds * rate) as usize;
    Waveform::new((0..n_samples).map(sample).collect(), 1, sample_rate)
}

//! Augmentations of waveforms and filter banks. Their random numbers are the caller's.

use burn::config::Config;
use rand::Rng;

use super::error::{AudioError, Result};
use super::time_frequency::{Layout, TimeFrequency};
use super::waveform::Waveform;
use crate::draw;

/// Masks of time and frequency (Park et al., "SpecAugment", Interspeech 2019), without time warping.
///
/// The width of a mask is drawn from 0 up to and including the limit, or the extent if that is smaller; then its
/// start, from all that fit.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `max_frames` | required | widest mask of time; CAV-MAE: 192 | |
/// | `max_bins` | required | widest mask of frequency; CAV-MAE: 48 | |
/// | `n_time_masks` | 1 | masks of time | |
/// | `n_frequency_masks` | 1 | masks of frequency | |
/// | `value` | 0 | what masked values become; apply it where 0 is the mean | |
#[derive(Config, Debug, PartialEq)]
pub struct SpecAugment {
    /// Widest mask of time in frames.
    pub max_frames: usize,
    /// Widest mask of frequency in bins.
    pub max_bins: usize,
    /// Number of masks of time.
    #[config(default = 1)]
    pub n_time_masks: usize,
    /// Number of masks of frequency.
    #[config(default = 1)]
    pub n_frequency_masks: usize,
    /// Replacement of masked values.
    #[config(default = 0.0)]
    pub value: f32,
}

impl SpecAugment {
    /// Masks in place.
    pub fn apply(&self, features: &mut TimeFrequency, numbers: &mut impl Rng) {
        for _ in 0..self.n_frequency_masks {
            let bins = stripe(features.n_bins, self.max_bins, numbers);
            self.fill(features, 0..features.n_frames, bins);
        }
        for _ in 0..self.n_time_masks {
            let frames = stripe(features.n_frames, self.max_frames, numbers);
            self.fill(features, frames, 0..features.n_bins);
        }
    }

    fn fill(
        &self,
        features: &mut TimeFrequency,
        frames: std::ops::Range<usize>,
        bins: std::ops::Range<usize>,
    ) {
        let (rows, columns) = match features.layout {
            Layout::TimeFirst => (frames, bins),
            Layout::FrequencyFirst => (bins, frames),
        };
        let [_, width] = features.shape();
        for row in rows {
            features.values[row * width..][columns.clone()].fill(self.value);
        }
    }
}

fn stripe(extent: usize, limit: usize, numbers: &mut impl Rng) -> std::ops::Range<usize> {
    let width = draw::up_to(numbers, limit.min(extent));
    let start = draw::up_to(numbers, extent - width);
    start..start + width
}

impl Waveform {
    /// Multiplies by a gain in decibels drawn uniformly from a range. The result is not clipped.
    ///
    /// # Errors
    ///
    /// A range that is not finite or whose ends are exchanged.
    pub fn random_gain(&mut self, low_db: f64, high_db: f64, numbers: &mut impl Rng) -> Result<()> {
        let db = draw_db("the range of gains", low_db, high_db, numbers)?;
        let gain = 10_f64.powf(db / 20.0) as f32;
        for sample in &mut self.samples {
            *sample *= gain;
        }
        Ok(())
    }

    /// Adds noise at a signal-to-noise ratio in decibels that is drawn uniformly from a range.
    ///
    /// Noise that is longer or shorter begins at a drawn sample and repeats.
    ///
    /// # Errors
    ///
    /// Several channels, another sample rate, a silent signal or noise, or a range that is not finite or whose ends are
    /// exchanged.
    pub fn mix_noise(
        &mut self,
        noise: &Waveform,
        low_db: f64,
        high_db: f64,
        numbers: &mut impl Rng,
    ) -> Result<()> {
        noise.check_rate(self.sample_rate())?;
        self.mono()?;
        let noise = noise.mono()?;
        let db = draw_db(
            "the range of signal-to-noise ratios",
            low_db,
            high_db,
            numbers,
        )?;
        let start = draw::up_to(numbers, noise.len() - 1);
        let noise = noise.iter().cycle().skip(start);
        let n = self.samples.len();
        let squares = noise.clone().take(n).map(|x| f64::from(*x).powi(2));
        let noise_power = squares.sum::<f64>() / n as f64;
        let power = self.power();
        if power == 0.0 {
            return Err(AudioError::Silent("signal"));
        }
        if noise_power == 0.0 {
            return Err(AudioError::Silent("noise"));
        }
        let scale = (power / (noise_power * 10_f64.powf(db / 10.0))).sqrt() as f32;
        for (sample, noise) in self.samples.iter_mut().zip(noise) {
            *sample += scale * noise;
        }
        Ok(())
    }
}

fn draw_db(name: &'static str, low: f64, high: f64, numbers: &mut impl Rng) -> Result<f64> {
    let holds = low.is_finite() && high.is_finite() && low <= high;
    AudioError::check(name, low, "finite, and from low to high", holds)?;
    Ok(draw::between(numbers, low, high))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DrawKey;

    fn key(index: u64) -> DrawKey {
        DrawKey {
            seed: 3,
            pass: 1,
            index,
        }
    }

    fn ones(n_frames: usize, n_bins: usize, layout: Layout) -> TimeFrequency {
        TimeFrequency {
            values: vec![1.0; n_frames * n_bins],
            n_frames,
            n_bins,
            layout,
        }
    }

    #[test]
    fn masks_are_stripes_of_the_key() {
        let augment = SpecAugment::new(30, 5);
        for index in 0..50 {
            let mut masked = ones(100, 16, Layout::TimeFirst);
            augment.apply(&mut masked, &mut key(index).numbers(0));
            let row = |t: usize| &masked.values()[t * 16..][..16];
            let frames = (0..100)
                .filter(|t| row(*t).iter().all(|x| *x == 0.0))
                .count();
            let kept = (0..100).find(|t| row(*t).contains(&1.0)).unwrap();
            let bins = row(kept).iter().filter(|x| **x == 0.0).count();
            assert!(frames <= 30 && bins <= 5);
            let zeros = masked.values().iter().filter(|x| **x == 0.0).count();
            assert_eq!(zeros, frames * 16 + bins * 100 - frames * bins);

            let mut transposed = ones(100, 16, Layout::FrequencyFirst);
            augment.apply(&mut transposed, &mut key(index).numbers(0));
            for (t, bin) in [(0, 0), (50, 8), (99, 15)] {
                assert_eq!(transposed.values()[bin * 100 + t], row(t)[bin]);
            }
        }
    }

    #[test]
    fn masks_wider_than_the_features_fit() {
        let augment = SpecAugment::new(1000, 1000).with_n_time_masks(20);
        let mut masked = ones(3, 2, Layout::TimeFirst);
        augment.apply(&mut masked, &mut key(0).numbers(0));
        assert_eq!(masked.values().len(), 6);
    }

    #[test]
    fn noise_has_the_ratio_asked_for() {
        let tone = |f: f32| (0..800).map(|t| (t as f32 * f).sin()).collect();
        let clean = Waveform::new(tone(0.1), 1, 8000).unwrap();
        let noise = Waveform::new(tone(1.7), 1, 8000).unwrap();
        let mut noisy = clean.clone();
        noisy
            .mix_noise(&noise, 6.0, 6.0, &mut key(0).numbers(0))
            .unwrap();
        let added: Vec<f32> = noisy
            .samples()
            .iter()
            .zip(clean.samples())
            .map(|(noisy, clean)| noisy - clean)
            .collect();
        let added = Waveform::new(added, 1, 8000).unwrap();
        let ratio = 10.0 * (clean.power() / added.power()).log10();
        assert!((ratio - 6.0).abs() < 1e-3, "{ratio}");

        let silence = Waveform::new(vec![0.0; 8], 1, 8000).unwrap();
        let error = |mut signal: Waveform, noise: &Waveform, db| {
            let mixed = signal.mix_noise(noise, db, 0.0, &mut key(0).numbers(0));
            mixed.unwrap_err().to_string()
        };
        assert!(error(clean.clone(), &silence, 0.0).starts_with("the noise is silent"));
        assert!(error(silence, &noise, 0.0).starts_with("the signal is silent"));
        assert!(error(clean, &noise, 1.0).contains("from low to high"));
    }

    #[test]
    fn gains_are_in_decibels() {
        let mut wave = Waveform::new(vec![0.1, -0.2], 1, 8000).unwrap();
        wave.random_gain(20.0, 20.0, &mut key(0).numbers(0))
            .unwrap();
        assert!((wave.samples()[0] - 1.0).abs() < 1e-6);
        assert!(
            wave.random_gain(f64::NAN, 0.0, &mut key(0).numbers(0))
                .is_err()
        );
    }
}

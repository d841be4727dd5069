//! Change of the sample rate.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler, WindowFunction};

use super::error::Result;
use super::waveform::{Waveform, check_rate};

/// Input samples per block of the resampler, at least. Longer blocks have a steeper filter below half of the lower
/// rate.
const BLOCK: usize = 1024;

impl Waveform {
    /// Returns the waveform at another sample rate, band-limited to half of the lower one.
    ///
    /// The spectrum of overlapping blocks is cut or extended (`rubato`). The result has
    /// `ceil(n_frames * sample_rate / old_rate)` samples per channel and no delay.
    ///
    /// # Errors
    ///
    /// A rate outside of 1 to 768000 Hz.
    pub fn resample(self, sample_rate: u32) -> Result<Self> {
        check_rate(sample_rate)?;
        if sample_rate == self.sample_rate() {
            return Ok(self);
        }
        let (n_channels, n_frames) = (self.n_channels(), self.n_frames());
        let (from, to) = (self.sample_rate() as usize, sample_rate as usize);
        // A block is whole in both rates. An even one has its delay of half a block at a sample.
        let even = 2 * from / greatest_common_divisor(from, to);
        let mut resampler = Fft::<f32>::new_custom(
            from,
            to,
            BLOCK.next_multiple_of(even),
            1,
            n_channels,
            WindowFunction::BlackmanHarris2,
            FixedSync::Input,
        )
        .expect("rates, channels and block are at least 1");
        let input = InterleavedSlice::new(self.samples(), n_channels, n_frames)
            .expect("a waveform has whole frames");
        let output = resampler
            .process_all(&input, n_frames, None)
            .expect("the output was allocated by the resampler");
        Self::new(output.take_data(), n_channels, sample_rate)
    }
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use rstest::rstest;

    use super::*;

    fn tone(rate: u32, n: usize, frequency: f64) -> Vec<f32> {
        let phase = |t: usize| TAU * frequency * t as f64 / f64::from(rate);
        (0..n).map(|t| (0.5 * phase(t).sin()) as f32).collect()
    }

    #[rstest]
    #[case(44_100, 16_000)]
    #[case(16_000, 22_050)]
    #[case(8_000, 16_000)]
    #[case(48_000, 16_000)]
    #[case(22_050, 16_001)]
    fn a_tone_stays_a_tone(#[case] from: u32, #[case] to: u32) {
        let n = from as usize / 2;
        let waveform = Waveform::new(tone(from, n, 440.0), 1, from).unwrap();
        let resampled = waveform.resample(to).unwrap();
        let expected = tone(to, resampled.n_frames(), 440.0);
        assert_eq!(
            resampled.n_frames(),
            (n as f64 * f64::from(to) / f64::from(from)).ceil() as usize
        );
        // The ends hear the silence outside.
        let inner = to as usize / 20..expected.len() - to as usize / 20;
        let error = inner
            .map(|t| (resampled.samples()[t] - expected[t]).abs())
            .fold(0.0, f32::max);
        assert!(error < 1e-3, "{error}");
    }

    #[test]
    fn what_the_lower_rate_cannot_hold_is_removed() {
        let waveform = Waveform::new(tone(44_100, 44_100, 12_000.0), 1, 44_100).unwrap();
        let resampled = waveform.resample(16_000).unwrap();
        assert!(
            resampled.samples()[1000..15_000]
                .iter()
                .all(|x| x.abs() < 1e-3)
        );
    }

    #[test]
    fn channels_stay_apart() {
        let left = tone(8000, 4000, 200.0);
        let stereo = left.iter().flat_map(|x| [*x, 0.0]).collect();
        let stereo = Waveform::new(stereo, 2, 8000).unwrap();
        let alone = Waveform::new(left, 1, 8000).unwrap();
        let resampled = stereo.resample(16_000).unwrap();
        let alone = alone.resample(16_000).unwrap();
        for (frame, expected) in resampled.samples().chunks(2).zip(alone.samples()) {
            assert!((frame[0] - expected).abs() < 1e-6 && frame[1].abs() < 1e-6);
        }
    }

    #[test]
    fn one_sample_and_the_same_rate_pass() {
        let one = Waveform::new(vec![0.25], 1, 8000).unwrap();
        assert_eq!(one.clone().resample(16_000).unwrap().n_frames(), 2);
        assert_eq!(one.clone().resample(8000).unwrap(), one);
        assert!(one.resample(0).is_err());
    }
}

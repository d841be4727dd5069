//! Log spectrograms by the short-time Fourier transform.

use std::fmt;
use std::sync::Arc;

use burn::config::Config;
use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};
use serde::{Deserialize, Serialize};

use super::error::{AudioError, Result};
use super::time_frequency::{Layout, TimeFrequency};
use super::waveform::Waveform;
use super::window::Window;

/// Padding of a waveform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Padding {
    /// Zeros: librosa 0.10 and later.
    Zeros,
    /// The waveform reflected at its first and last sample: librosa before 0.10, `torch.stft`.
    Reflect,
}

/// Configuration of a [`Spectrogram`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `n_fft` | required | length of a frame in samples | even, 2 to 1048576 |
/// | `hop` | required | distance of frames in samples | >= 1 |
/// | `window` | required | window function; librosa's is the periodic Hann window | |
/// | `padding` | required | what lies beyond the ends | |
/// | `floor` | 1e-7 | is added to the magnitude before the natural logarithm | > 0 |
#[derive(Config, Debug, PartialEq)]
pub struct SpectrogramConfig {
    /// Length of a frame in samples.
    pub n_fft: usize,
    /// Distance of frames in samples.
    pub hop: usize,
    /// Window function.
    pub window: Window,
    /// Padding at both ends.
    pub padding: Padding,
    /// What is added before the logarithm.
    #[config(default = 1e-7)]
    pub floor: f32,
}

/// Log-magnitude spectrogram: window and FFT, computed once for many waveforms.
#[derive(Clone)]
pub struct Spectrogram {
    config: SpectrogramConfig,
    window: Vec<f32>,
    fft: Arc<dyn RealToComplex<f32>>,
}

impl SpectrogramConfig {
    /// That of OGM-GE for CREMA-D at 22050 Hz: 512, hop 353.
    pub fn ogm() -> Self {
        Self::new(512, 353, Window::HannPeriodic, Padding::Zeros)
    }

    /// That of MLA at 16 kHz: 256, hop 128.
    pub fn mla() -> Self {
        Self::new(256, 128, Window::HannPeriodic, Padding::Zeros)
    }

    /// Computes the window.
    ///
    /// # Errors
    ///
    /// An option outside of its range.
    pub fn init(&self) -> Result<Spectrogram> {
        let check = AudioError::check;
        let n_fft = self.n_fft;
        let holds = n_fft.is_multiple_of(2) && (2..=1 << 20).contains(&n_fft);
        check("n_fft", n_fft as f64, "even, 2 to 1048576", holds)?;
        check("hop", self.hop as f64, "at least 1", self.hop > 0)?;
        let holds = self.floor > 0.0 && self.floor.is_finite();
        check("floor", self.floor.into(), "above 0", holds)?;
        Ok(Spectrogram {
            config: self.clone(),
            window: self.window.values(n_fft),
            fft: RealFftPlanner::new().plan_fft_forward(n_fft),
        })
    }
}

impl Spectrogram {
    /// Returns the configuration.
    pub fn config(&self) -> &SpectrogramConfig {
        &self.config
    }

    /// Computes `ln(|X| + floor)`, `[n_fft / 2 + 1, 1 + n_samples / hop]`.
    ///
    /// Frame `n` has its centre at sample `n * hop`.
    ///
    /// # Errors
    ///
    /// Several channels, or with [`Padding::Reflect`] not more samples than `n_fft / 2`.
    pub fn compute(&self, waveform: &Waveform) -> Result<TimeFrequency> {
        let n_bins = self.config.n_fft / 2 + 1;
        let n_frames = 1 + waveform.n_frames() / self.config.hop;
        let mut values = vec![0.0; n_bins * n_frames];
        self.transform(waveform, |n, bins| {
            for (bin, x) in bins.iter().enumerate() {
                values[bin * n_frames + n] = (x.norm() + self.config.floor).ln();
            }
        })?;
        Ok(TimeFrequency {
            values,
            n_frames,
            n_bins,
            layout: Layout::FrequencyFirst,
        })
    }

    /// Hands over the spectrum of each frame.
    pub(super) fn transform(
        &self,
        waveform: &Waveform,
        mut take: impl FnMut(usize, &[Complex<f32>]),
    ) -> Result<()> {
        let samples = waveform.mono()?;
        let half = self.config.n_fft / 2;
        if self.config.padding == Padding::Reflect && samples.len() <= half {
            return Err(AudioError::TooShort {
                n_samples: samples.len(),
                window: half + 1,
            });
        }
        let mut frame = self.fft.make_input_vec();
        let mut transformed = self.fft.make_output_vec();
        let mut scratch = self.fft.make_scratch_vec();
        for n in 0..=samples.len() / self.config.hop {
            // Counted from `half` samples before the waveform.
            let start = n * self.config.hop;
            for (i, (value, window)) in frame.iter_mut().zip(&self.window).enumerate() {
                *value = self.sample(samples, start + i, half) * window;
            }
            self.fft
                .process_with_scratch(&mut frame, &mut transformed, &mut scratch)
                .expect("the FFT made its buffers");
            take(n, &transformed);
        }
        Ok(())
    }

    /// The sample at a position of the padded waveform, which has `half` samples more at each end.
    fn sample(&self, samples: &[f32], position: usize, half: usize) -> f32 {
        let last = samples.len() - 1;
        let inside = position.checked_sub(half).filter(|index| *index <= last);
        match (inside, self.config.padding) {
            (Some(index), _) => samples[index],
            (None, Padding::Zeros) => 0.0,
            (None, Padding::Reflect) if position < half => samples[half - position],
            (None, Padding::Reflect) => samples[2 * last - (position - half)],
        }
    }
}

impl fmt::Debug for Spectrogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spectrogram")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

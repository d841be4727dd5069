//! Log-mel filter banks.

use std::fmt;
use std::sync::Arc;

use burn::config::Config;
use realfft::{RealFftPlanner, RealToComplex};
use serde::{Deserialize, Serialize};

use super::error::{AudioError, Result};
use super::mel::{MelConfig, MelFilters};
use super::time_frequency::{Layout, TimeFrequency};
use super::waveform::{Waveform, check_rate};
use super::window::Window;

/// Longest window: it is allocated, and so is its FFT.
const MAX_WINDOW_MS: f64 = 10_000.0;

/// Spectrum that the filters sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Spectrum {
    /// The square of the magnitude: Kaldi, librosa's and torchaudio's default.
    Power,
    /// The magnitude: HTK's default.
    Magnitude,
}

/// Configuration of a [`Fbank`].
///
/// Options in which libraries differ have no default. [`FbankConfig::kaldi`] has the published values of MLA, OGM-GE and
/// CAV-MAE. The configuration is the recipe: save it with a model, and compare it before resuming.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `sample_rate` | required | rate of the waveforms in Hz | 1 to 768000 |
/// | `window_ms` | 25 | length of a frame, rounded down to samples | at least 2 samples, at most 10 seconds |
/// | `shift_ms` | 10 | distance of frames, rounded down to samples | at least 1 sample |
/// | `window` | required | window function | |
/// | `remove_frame_mean` | required | subtracts the mean of each frame | |
/// | `pre_emphasis` | required | `x[t] - c x[t - 1]` within a frame, whose first sample is its own predecessor; 0 for none | 0 to 1 |
/// | `spectrum` | required | power or magnitude | |
/// | `mel` | required | filters | see [`MelConfig`] |
/// | `floor` | 2^-23 | values below become it before the natural logarithm | > 0 |
///
/// Frames are whole: there are `1 + (n_samples - window) / shift`. The FFT is as long as the next power of two.
#[derive(Config, Debug, PartialEq)]
pub struct FbankConfig {
    /// Sample rate in Hz.
    pub sample_rate: u32,
    /// Length of a frame in milliseconds.
    #[config(default = 25.0)]
    pub window_ms: f64,
    /// Distance of frames in milliseconds.
    #[config(default = 10.0)]
    pub shift_ms: f64,
    /// Window function.
    pub window: Window,
    /// Subtracts the mean of each frame.
    pub remove_frame_mean: bool,
    /// Coefficient of the pre-emphasis; 0 for none.
    pub pre_emphasis: f32,
    /// Power or magnitude.
    pub spectrum: Spectrum,
    /// The filters.
    pub mel: MelConfig,
    /// Smallest value before the logarithm.
    #[config(default = 1.1920929e-7)]
    pub floor: f32,
}

/// Log-mel filter bank: window, FFT and filters, computed once for many waveforms.
///
/// ```
/// use burn_mla_data::audio::{FbankConfig, Waveform};
///
/// let fbank = FbankConfig::kaldi(16_000).init()?;
/// let second = Waveform::new(vec![0.1; 16_000], 1, 16_000)?;
/// let features = fbank.compute(&second)?.with_frames(1024);
/// assert_eq!(features.shape(), [1024, 128]);
/// # Ok::<(), burn_mla_data::audio::AudioError>(())
/// ```
#[derive(Clone)]
pub struct Fbank {
    config: FbankConfig,
    window: Vec<f32>,
    shift: usize,
    fft: Arc<dyn RealToComplex<f32>>,
    filters: MelFilters,
}

impl FbankConfig {
    /// Kaldi's filter bank as MLA, OGM-GE and CAV-MAE compute it by `torchaudio.compliance.kaldi`: 128 filters from
    /// 20 Hz, symmetric Hann window, frames without mean, pre-emphasis 0.97, power, no dither and no energy.
    ///
    /// They subtract the mean of the whole waveform first, which changes the result by rounding only
    /// ([`Waveform::subtract_mean`]).
    pub fn kaldi(sample_rate: u32) -> Self {
        Self::new(
            sample_rate,
            Window::HannSymmetric,
            true,
            0.97,
            Spectrum::Power,
            MelConfig::kaldi(),
        )
    }

    /// Computes window and filters.
    ///
    /// # Errors
    ///
    /// An option outside of its range.
    pub fn init(&self) -> Result<Fbank> {
        check_rate(self.sample_rate)?;
        let samples = |ms: f64| (f64::from(self.sample_rate) * ms / 1000.0) as usize;
        let (window, shift) = (samples(self.window_ms), samples(self.shift_ms));
        let check = AudioError::check;
        let window_holds = window >= 2 && self.window_ms <= MAX_WINDOW_MS;
        let range = "at least 2 samples, at most 10 seconds";
        check("window_ms", self.window_ms, range, window_holds)?;
        check("shift_ms", self.shift_ms, "at least 1 sample", shift >= 1)?;
        let coefficient = f64::from(self.pre_emphasis);
        let holds = (0.0..=1.0).contains(&coefficient);
        check("pre_emphasis", coefficient, "from 0 to 1", holds)?;
        let holds = self.floor > 0.0 && self.floor.is_finite();
        check("floor", self.floor.into(), "above 0", holds)?;
        let n_fft = window.next_power_of_two();
        Ok(Fbank {
            config: self.clone(),
            window: self.window.values(window),
            shift,
            fft: RealFftPlanner::new().plan_fft_forward(n_fft),
            filters: self.mel.init(self.sample_rate, n_fft)?,
        })
    }
}

impl Fbank {
    /// Returns the configuration.
    pub fn config(&self) -> &FbankConfig {
        &self.config
    }

    /// Returns the mel filters.
    pub fn filters(&self) -> &MelFilters {
        &self.filters
    }

    /// Computes the natural logarithms of the filtered spectra, `[frames, n_mels]`.
    ///
    /// # Errors
    ///
    /// A waveform of several channels, of another rate, or shorter than one window.
    pub fn compute(&self, waveform: &Waveform) -> Result<TimeFrequency> {
        waveform.check_rate(self.config.sample_rate)?;
        let samples = waveform.mono()?;
        let too_short = AudioError::TooShort {
            n_samples: samples.len(),
            window: self.window.len(),
        };
        let starts = samples.len().checked_sub(self.window.len());
        let n_frames = 1 + starts.ok_or(too_short)? / self.shift;
        let n_bins = self.filters.n_mels();
        let mut values = vec![0.0; n_frames * n_bins];

        let mut frame = self.fft.make_input_vec();
        let mut transformed = self.fft.make_output_vec();
        let mut scratch = self.fft.make_scratch_vec();
        let mut spectrum = vec![0.0; transformed.len()];
        for (n, row) in values.chunks_exact_mut(n_bins).enumerate() {
            self.prepare(&samples[n * self.shift..][..self.window.len()], &mut frame);
            self.fft
                .process_with_scratch(&mut frame, &mut transformed, &mut scratch)
                .expect("the FFT made its buffers");
            for (value, bin) in spectrum.iter_mut().zip(&transformed) {
                *value = bin.norm_sqr();
            }
            if self.config.spectrum == Spectrum::Magnitude {
                spectrum.iter_mut().for_each(|value| *value = value.sqrt());
            }
            self.filters.apply(&spectrum, row);
            for value in row {
                *value = value.max(self.config.floor).ln();
            }
        }
        Ok(TimeFrequency {
            values,
            n_frames,
            n_bins,
            layout: Layout::TimeFirst,
        })
    }

    /// Subtracts the mean, emphasizes high frequencies, applies the window and pads. The FFT overwrote `frame`.
    fn prepare(&self, samples: &[f32], frame: &mut [f32]) {
        let (windowed, padding) = frame.split_at_mut(samples.len());
        padding.fill(0.0);
        let mean = if self.config.remove_frame_mean {
            sum(samples) / samples.len() as f32
        } else {
            0.0
        };
        let coefficient = self.config.pre_emphasis;
        let first = samples[0] - mean;
        windowed[0] = (first - coefficient * first) * self.window[0];
        let pairs = samples.windows(2).zip(&self.window[1..]);
        for (output, (pair, window)) in windowed[1..].iter_mut().zip(pairs) {
            *output = ((pair[1] - mean) - coefficient * (pair[0] - mean)) * window;
        }
    }
}

/// A sum of eight lanes, which the CPU adds at once. The order of the sum of floats is the program's to choose.
fn sum(values: &[f32]) -> f32 {
    let mut lanes = [0.0; 8];
    let (whole, rest) = values.as_chunks::<8>();
    for chunk in whole {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += value;
        }
    }
    lanes.iter().chain(rest).sum()
}

impl fmt::Debug for Fbank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fbank")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

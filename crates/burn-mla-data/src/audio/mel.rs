//! Triangular filters on a mel scale.

use burn::config::Config;
use serde::{Deserialize, Serialize};

use super::error::{AudioError, Result};

/// A mel scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MelScale {
    /// `2595 log10(1 + f / 700)`: HTK, Kaldi, torchaudio's default. Kaldi writes it `1127 ln(1 + f / 700)`.
    Htk,
    /// Linear up to 1000 Hz, logarithmic above: Slaney's Auditory Toolbox, librosa's default.
    Slaney,
}

/// The domain in which the sides of a filter are straight lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MelTriangle {
    /// Mel: Kaldi.
    InMel,
    /// Hertz: librosa and `torchaudio.transforms.MelScale`.
    InHertz,
}

/// The height of a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MelNormalization {
    /// 1 at the peak: Kaldi, torchaudio's default, librosa's `norm=None`.
    Peak,
    /// An area of 1 over Hertz: librosa's default, torchaudio's `norm="slaney"`.
    Area,
}

/// A bank of mel filters.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `n_mels` | 128 | number of filters | >= 1 |
/// | `low_hz` | 20 | lowest frequency; librosa's default is 0 | >= 0 |
/// | `high_hz` | none | highest frequency; none for half of the sample rate | above `low_hz`, up to half of the rate |
/// | `scale` | required | spacing of the filters | |
/// | `triangle` | required | domain of straight sides | |
/// | `normalization` | required | height of the filters | |
#[derive(Config, Debug, PartialEq)]
pub struct MelConfig {
    /// Number of filters.
    #[config(default = 128)]
    pub n_mels: usize,
    /// Lowest frequency in Hz.
    #[config(default = 20.0)]
    pub low_hz: f64,
    /// Highest frequency in Hz; none for half of the sample rate.
    #[config(default = "None")]
    pub high_hz: Option<f64>,
    /// Spacing of the filters.
    pub scale: MelScale,
    /// Domain in which the sides of a filter are straight.
    pub triangle: MelTriangle,
    /// Height of the filters.
    pub normalization: MelNormalization,
}

/// Filters on the bins of a spectrum, of which most weights are zero.
#[derive(Debug, Clone, PartialEq)]
pub struct MelFilters {
    filters: Vec<Filter>,
    n_bins: usize,
}

#[derive(Debug, Clone, PartialEq)]
struct Filter {
    first_bin: usize,
    weights: Vec<f32>,
}

impl MelConfig {
    /// Kaldi's filters, as `torchaudio.compliance.kaldi` has them: 128 from 20 Hz, triangular in mel, peaks of 1.
    pub fn kaldi() -> Self {
        Self::new(MelScale::Htk, MelTriangle::InMel, MelNormalization::Peak)
    }

    /// Computes the filters for a spectrum of `n_fft / 2 + 1` bins.
    ///
    /// # Errors
    ///
    /// An option outside of its range.
    pub fn init(&self, sample_rate: u32, n_fft: usize) -> Result<MelFilters> {
        let nyquist = f64::from(sample_rate) / 2.0;
        let high = self.high_hz.unwrap_or(nyquist);
        let check = AudioError::check;
        check("n_mels", self.n_mels as f64, "at least 1", self.n_mels > 0)?;
        check("n_fft", n_fft as f64, "at least 2", n_fft >= 2)?;
        let low_holds = (0.0..nyquist).contains(&self.low_hz);
        check(
            "low_hz",
            self.low_hz,
            "from 0 to half of the rate",
            low_holds,
        )?;
        let high_holds = high > self.low_hz && high <= nyquist;
        check(
            "high_hz",
            high,
            "above low_hz, up to half of the rate",
            high_holds,
        )?;

        let n_bins = n_fft / 2 + 1;
        let bin_hz = f64::from(sample_rate) / n_fft as f64;
        let (first, last) = (self.scale.mel(self.low_hz), self.scale.mel(high));
        let step = (last - first) / (self.n_mels + 1) as f64;
        let edge = |i: usize| first + step * i as f64;
        let filters = (0..self.n_mels)
            .map(|i| self.filter([edge(i), edge(i + 1), edge(i + 2)], n_bins, bin_hz))
            .collect();
        Ok(MelFilters { filters, n_bins })
    }

    /// One filter from its edges and peak, in mel.
    fn filter(&self, mel_edges: [f64; 3], n_bins: usize, bin_hz: f64) -> Filter {
        let hertz = mel_edges.map(|mel| self.scale.hertz(mel));
        let [low, peak, high] = match self.triangle {
            MelTriangle::InMel => mel_edges,
            MelTriangle::InHertz => hertz,
        };
        let height = match self.normalization {
            MelNormalization::Peak => 1.0,
            MelNormalization::Area => 2.0 / (hertz[2] - hertz[0]),
        };
        let weight = |bin: usize| {
            let frequency = bin as f64 * bin_hz;
            let x = match self.triangle {
                MelTriangle::InMel => self.scale.mel(frequency),
                MelTriangle::InHertz => frequency,
            };
            ((x - low) / (peak - low)).min((high - x) / (high - peak))
        };
        // The last bin, half of the rate, is the upper edge of the last filter at most.
        let inside = |bin: &usize| weight(*bin) > 0.0;
        let first_bin = (0..n_bins - 1).find(inside).unwrap_or(0);
        let weights = (first_bin..n_bins - 1)
            .take_while(inside)
            .map(|bin| (height * weight(bin)) as f32)
            .collect();
        Filter { first_bin, weights }
    }
}

impl MelScale {
    const SLANEY_LINEAR: f64 = 200.0 / 3.0;
    const SLANEY_BREAK_HZ: f64 = 1000.0;
    const SLANEY_BREAK_MEL: f64 = 15.0;

    /// Step of the logarithmic part of Slaney's scale: 27 steps for a factor of 6.4.
    fn slaney_log_step() -> f64 {
        6.4_f64.ln() / 27.0
    }

    fn mel(self, hertz: f64) -> f64 {
        match self {
            Self::Htk => 1127.0 * (hertz / 700.0).ln_1p(),
            Self::Slaney if hertz < Self::SLANEY_BREAK_HZ => hertz / Self::SLANEY_LINEAR,
            Self::Slaney => {
                let octaves = (hertz / Self::SLANEY_BREAK_HZ).ln();
                Self::SLANEY_BREAK_MEL + octaves / Self::slaney_log_step()
            }
        }
    }

    fn hertz(self, mel: f64) -> f64 {
        match self {
            Self::Htk => 700.0 * (mel / 1127.0).exp_m1(),
            Self::Slaney if mel < Self::SLANEY_BREAK_MEL => mel * Self::SLANEY_LINEAR,
            Self::Slaney => {
                let octaves = (mel - Self::SLANEY_BREAK_MEL) * Self::slaney_log_step();
                Self::SLANEY_BREAK_HZ * octaves.exp()
            }
        }
    }
}

impl MelFilters {
    /// Returns the number of filters.
    pub fn n_mels(&self) -> usize {
        self.filters.len()
    }

    /// Returns the filters that no bin falls into: too many filters for the length of the FFT. Their output is 0.
    ///
    /// Kaldi's 128 filters at 16 kHz have one, filter 3.
    pub fn empty(&self) -> Vec<usize> {
        let filters = self.filters.iter().enumerate();
        filters
            .filter(|(_, filter)| filter.weights.is_empty())
            .map(|(index, _)| index)
            .collect()
    }

    /// Returns the filters as a matrix `[n_mels, n_bins]`, row by row.
    pub fn matrix(&self) -> Vec<f32> {
        let mut matrix = vec![0.0; self.n_mels() * self.n_bins];
        for (row, filter) in matrix.chunks_exact_mut(self.n_bins).zip(&self.filters) {
            row[filter.first_bin..][..filter.weights.len()].copy_from_slice(&filter.weights);
        }
        matrix
    }

    /// Writes the filtered spectrum.
    pub(super) fn apply(&self, spectrum: &[f32], output: &mut [f32]) {
        for (output, filter) in output.iter_mut().zip(&self.filters) {
            let bins = &spectrum[filter.first_bin..][..filter.weights.len()];
            *output = bins.iter().zip(&filter.weights).map(|(x, w)| x * w).sum();
        }
    }
}

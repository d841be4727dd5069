//! Windows of short-time spectra.

use std::f64::consts::TAU;

use serde::{Deserialize, Serialize};

/// A window function. Libraries differ in its default: Kaldi's is Povey's, librosa's the periodic Hann window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Window {
    /// Hann over `n - 1` steps, both ends 0: Kaldi's "hanning".
    HannSymmetric,
    /// Hann over `n` steps: that of librosa and `torch.hann_window`.
    HannPeriodic,
    /// Hamming over `n - 1` steps: Kaldi's "hamming".
    HammingSymmetric,
    /// Symmetric Hann to the power of 0.85: Kaldi's default.
    Povey,
    /// All ones.
    Rectangular,
}

impl Window {
    /// Returns the `n` values of the window.
    pub fn values(self, n: usize) -> Vec<f32> {
        let cosine = |i: usize, steps: usize| (TAU * i as f64 / steps.max(1) as f64).cos();
        let symmetric = |i| cosine(i, n.saturating_sub(1));
        let value = |i| match self {
            Self::HannSymmetric => 0.5 - 0.5 * symmetric(i),
            Self::HannPeriodic => 0.5 - 0.5 * cosine(i, n),
            Self::HammingSymmetric => 0.54 - 0.46 * symmetric(i),
            Self::Povey => (0.5 - 0.5 * symmetric(i)).powf(0.85),
            Self::Rectangular => 1.0,
        };
        (0..n).map(|i| value(i) as f32).collect()
    }
}

//! What front ends of audio return: values over time and frequency.

use burn::tensor::TensorData;
use serde::{Deserialize, Serialize};

/// The order of the axes of a [`TimeFrequency`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Layout {
    /// `[frames, bins]`: filter banks.
    TimeFirst,
    /// `[bins, frames]`: spectrograms.
    FrequencyFirst,
}

/// Values over time and frequency.
#[derive(Debug, Clone, PartialEq)]
pub struct TimeFrequency {
    pub(super) values: Vec<f32>,
    pub(super) n_frames: usize,
    pub(super) n_bins: usize,
    pub(super) layout: Layout,
}

/// A shift and a scale, `(x - mean) / std`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AudioNormalization {
    /// What is subtracted.
    pub mean: f32,
    /// What is divided by.
    pub std: f32,
}

impl AudioNormalization {
    /// That of CAV-MAE, for Kaldi's filter banks of AudioSet: `(x + 5.081) / 4.4849`.
    pub const CAV_MAE: Self = Self {
        mean: -5.081,
        std: 4.4849,
    };
    /// That of OGM-GE for Kinetics-Sounds: `(x + 4.503877) / (2 * 5.141276)`.
    pub const OGM_KINETICS_SOUNDS: Self = Self {
        mean: -4.503877,
        std: 2.0 * 5.141276,
    };
}

impl TimeFrequency {
    /// Returns the values, row by row in the order of the [`Layout`].
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Returns the number of frames.
    pub fn n_frames(&self) -> usize {
        self.n_frames
    }

    /// Returns the number of bins.
    pub fn n_bins(&self) -> usize {
        self.n_bins
    }

    /// Returns the order of the axes.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Returns rows and columns: `[frames, bins]` or `[bins, frames]`.
    pub fn shape(&self) -> [usize; 2] {
        match self.layout {
            Layout::TimeFirst => [self.n_frames, self.n_bins],
            Layout::FrequencyFirst => [self.n_bins, self.n_frames],
        }
    }

    /// Returns the values as data of a tensor of this [shape](Self::shape).
    pub fn into_data(self) -> TensorData {
        let shape = self.shape();
        TensorData::new(self.values, shape)
    }

    /// Cuts, or appends frames of zeros.
    ///
    /// A zero is not silent: the logarithm of silence is about -16 in a filter bank. It is what the models
    /// were trained with.
    pub fn with_frames(mut self, n_frames: usize) -> Self {
        let [_, columns] = self.shape();
        match self.layout {
            Layout::TimeFirst => self.values.resize(n_frames * columns, 0.0),
            Layout::FrequencyFirst => {
                let mut values = vec![0.0; self.n_bins * n_frames];
                if n_frames > 0 && columns > 0 {
                    let rows = values.chunks_exact_mut(n_frames);
                    for (new, old) in rows.zip(self.values.chunks_exact(columns)) {
                        let kept = n_frames.min(columns);
                        new[..kept].copy_from_slice(&old[..kept]);
                    }
                }
                self.values = values;
            }
        }
        self.n_frames = n_frames;
        self
    }

    /// Applies a normalization.
    pub fn normalized(mut self, by: AudioNormalization) -> Self {
        for value in &mut self.values {
            *value = (*value - by.mean) / by.std;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_cut_or_appended_along_time() {
        let of = |layout| TimeFrequency {
            values: (1..=6).map(|x| x as f32).collect(),
            n_frames: 3,
            n_bins: 2,
            layout,
        };
        let time = of(Layout::TimeFirst);
        assert_eq!(time.clone().with_frames(2).values(), [1.0, 2.0, 3.0, 4.0]);
        let longer = time.with_frames(4);
        assert_eq!(longer.values()[4..], [5.0, 6.0, 0.0, 0.0]);
        assert_eq!(longer.shape(), [4, 2]);
        let bins = of(Layout::FrequencyFirst);
        assert_eq!(bins.clone().with_frames(2).values(), [1.0, 2.0, 4.0, 5.0]);
        assert!(bins.clone().with_frames(0).values().is_empty());
        let longer = bins.with_frames(4);
        let expected = [1.0, 2.0, 3.0, 0.0, 4.0, 5.0, 6.0, 0.0];
        assert_eq!(longer.values(), expected);
        assert_eq!(longer.into_data().shape().as_slice(), [2, 4]);
    }
}

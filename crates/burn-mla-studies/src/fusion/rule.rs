//! The fusion rules that are compared.

use std::fmt;

use burn::tensor::Tensor;
use burn_mla::fusion::ModalityLogits;
use burn_mla::fusion::{MeanFusion, Score, ScoreFusionConfig};
use burn_mla::prelude::*;

/// The quantity that a modality is weighted by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Weighting {
    Mean,
    Score(Score),
}

/// The temperature that scores are divided by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum WeightTemperature {
    One,
    /// The one of [`GRID`] with the lowest loss on the clean validation split.
    Chosen,
}

/// The logits that are divided by temperatures, which are fitted on the clean validation split.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Calibration {
    Nothing,
    /// The logits of each modality, before anything else.
    Modalities,
    /// Those, and then the fused logits.
    ModalitiesAndFused,
}

/// Weight temperatures to choose from.
pub const GRID: [f64; 6] = [10.0, 3.0, 1.0, 0.3, 0.1, 0.03];

/// A fusion rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    pub weighting: Weighting,
    pub calibration: Calibration,
    pub temperature: WeightTemperature,
}

impl Rule {
    /// Eq. 7 and 8 of the paper.
    pub const PAPER: Self = Self {
        weighting: Weighting::Score(Score::Entropy),
        calibration: Calibration::Nothing,
        temperature: WeightTemperature::One,
    };

    /// Returns all rules that are compared.
    pub fn all() -> Vec<Self> {
        use Calibration::{Modalities, ModalitiesAndFused, Nothing};
        use WeightTemperature::{Chosen, One};
        let mut all = vec![];
        for weighting in [
            Weighting::Mean,
            Weighting::Score(Score::Entropy),
            Weighting::Score(Score::NormalizedEntropy),
            Weighting::Score(Score::MaxProbability),
            Weighting::Score(Score::Margin),
            Weighting::Score(Score::Energy),
        ] {
            // The mean has no temperature. A chosen one would make the two entropies the same.
            let temperatures: &[WeightTemperature] = match weighting {
                Weighting::Mean | Weighting::Score(Score::NormalizedEntropy) => &[One],
                _ => &[One, Chosen],
            };
            for &temperature in temperatures {
                for calibration in [Nothing, Modalities, ModalitiesAndFused] {
                    // A temperature chosen for its loss leaves little to gain for a second one.
                    if (temperature, calibration) == (Chosen, ModalitiesAndFused) {
                        continue;
                    }
                    all.push(Self {
                        weighting,
                        calibration,
                        temperature,
                    });
                }
            }
        }
        all
    }
}

impl Weighting {
    /// Computes the fused logits, `[n_samples, n_classes]`.
    pub fn fuse(self, logits: &ModalityLogits, temperature: f64) -> burn_mla::Result<Tensor<2>> {
        let n_modalities = logits.n_modalities();
        let device = logits.modality(0).device();
        let fused = match self {
            Self::Mean => MeanFusion.fuse(logits),
            Self::Score(score) => ScoreFusionConfig::new(n_modalities, score)
                .with_temperature(temperature)
                .init(&device)?
                .fuse(logits),
        };
        Ok(fused.logits)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.weighting {
            Weighting::Mean => "mean",
            Weighting::Score(Score::Entropy) => "entropy",
            Weighting::Score(Score::NormalizedEntropy) => "entropy / log C",
            Weighting::Score(Score::MaxProbability) => "max. probability",
            Weighting::Score(Score::Margin) => "margin",
            Weighting::Score(Score::Energy) => "energy",
        })?;
        if self.temperature == WeightTemperature::Chosen {
            f.write_str(", T chosen")?;
        }
        f.write_str(match self.calibration {
            Calibration::Nothing => "",
            Calibration::Modalities => ", calibrated",
            Calibration::ModalitiesAndFused => ", calibrated, fused too",
        })
    }
}

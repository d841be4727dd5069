//! The paper's fusion by entropy (Eq. 6-8): Eq. 7, and the score fusion that uses it.

use burn::config::Config;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};

use crate::error::Result;
use crate::fusion::cpu::rows;
use crate::fusion::{Score, ScoreFusion, ScoreFusionConfig};
use crate::numeric::{dot, widened};

/// Configuration of an [`EntropyFusion`]. The defaults are the paper's.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `n_modalities` | required | number of modalities | >= 1 |
/// | `temperature` | 1 | divides the entropies in Eq. 8; small sharpens the weights | normal, positive f32: about 1.2e-38 to 3.4e38 |
/// | `normalized` | false | divides the entropies by log C, which makes the weights independent of the number of classes | |
#[derive(Config, Debug)]
pub struct EntropyFusionConfig {
    /// Number of modalities.
    pub n_modalities: usize,
    /// Divides the entropies in Eq. 8.
    #[config(default = 1.0)]
    pub temperature: f64,
    /// Divides the entropies by `log n_classes`.
    #[config(default = false)]
    pub normalized: bool,
}

/// Fusion by the entropy of each modality's prediction, Eq. 6-8 of the paper: a [`ScoreFusion`]
/// with [`Score::Entropy`].
///
/// ```text
/// e_m      = -sum_c p_c log p_c,  p = softmax(logits_m)      (Eq. 7)
/// weight_m = softmax over the modalities present of -e_m     (Eq. 8)
/// fused    = sum_m weight_m logits_m                         (Eq. 6)
/// ```
pub type EntropyFusion = ScoreFusion;

/// Eq. 7: the entropy of `softmax(logits)` in nats, `[n_samples, n_classes]` to `[n_samples]`.
///
/// Finite for any finite logits, and in `[0, log n_classes]`. Half precision is computed in f32.
pub fn entropy(logits: Tensor<2>) -> Tensor<1> {
    let dtype = logits.dtype();
    unrounded(widened(logits)).cast(dtype)
}

fn unrounded(logits: Tensor<2>) -> Tensor<1> {
    if rows::supports(&logits) {
        return rows::score(&logits, |row| {
            let entropy = row.sum.ln() - dot(row.exps, row.shifted) / row.sum;
            // NaN propagates.
            if entropy < 0.0 { 0.0 } else { entropy }
        });
    }
    // With z' = z - max z and S = sum exp z': -sum p log p = log S - sum p z', where 1 / S is the
    // largest probability. One exponential per element, no logarithm of a small number, and two
    // terms that are both >= 0.
    let p = softmax(logits.clone(), 1);
    let log_sum = p.clone().max_dim(1).log().neg();
    // exp(-200) is 0 in f32: the bound changes no result and prevents 0 * -inf.
    let shifted = (logits.clone() - logits.max_dim(1)).clamp_min(-200.0);
    let entropy = log_sum - (p * shifted).sum_dim(1);
    entropy.squeeze_dim::<1>(1).clamp_min(0.0)
}

impl EntropyFusionConfig {
    /// Initializes the rule on `device`, with calibration temperatures of 1.
    ///
    /// # Errors
    ///
    /// As [`ScoreFusionConfig::init`].
    pub fn init(&self, device: &Device) -> Result<EntropyFusion> {
        let score = if self.normalized {
            Score::NormalizedEntropy
        } else {
            Score::Entropy
        };
        ScoreFusionConfig::new(self.n_modalities, score)
            .with_temperature(self.temperature)
            .init(device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fusion::laws::assert_fusion_laws;
    use crate::fusion::{ModalityLogits, UncertaintyFusion};

    #[test]
    fn obeys_the_laws_of_fusion() {
        assert_fusion_laws(|m, device| EntropyFusionConfig::new(m).init(device).unwrap());
        assert_fusion_laws(|m, device| {
            EntropyFusionConfig::new(m)
                .with_temperature(0.05)
                .with_normalized(true)
                .init(device)
                .unwrap()
                .with_calibration(&vec![2.5; m])
                .unwrap()
        });
    }

    #[test]
    fn the_lower_entropy_gets_the_larger_weight() {
        for device in crate::test_devices() {
            let sure = Tensor::from_floats([[4.0, 0.0, 0.0], [0.0, 0.0, 0.0]], &device);
            let half = Tensor::from_floats([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]], &device);
            let logits = ModalityLogits::complete(vec![sure, half]).unwrap();
            let fusion = EntropyFusionConfig::new(2).init(&device).unwrap();
            let weights: Vec<f32> = fusion.weights(&logits).into_data().iter().collect();
            assert!(weights[0] > weights[1], "{weights:?}");
            assert!(weights[2] < weights[3], "{weights:?}");
        }
    }

    #[test]
    fn entropy_is_finite_at_the_ends_of_f32() {
        for device in crate::test_devices() {
            let logits = Tensor::from_floats(
                [[3e38, -3e38, 0.0], [-3e38, -3e38, -3e38], [1e4, -1e4, 1e4]],
                &device,
            );
            let entropies: Vec<f32> = entropy(logits).into_data().iter().collect();
            let expected = [0.0, 3f32.ln(), 2f32.ln()];
            for (entropy, expected) in entropies.iter().zip(expected) {
                assert!((entropy - expected).abs() < 1e-6, "{entropies:?}");
            }
        }
    }

    #[test]
    fn wrong_temperatures_are_refused() {
        let device = Device::flex();
        let fusion = EntropyFusionConfig::new(2).init(&device).unwrap();
        assert!(fusion.clone().with_calibration(&[1.0]).is_err());
        assert!(fusion.clone().with_calibration(&[1.0, 0.0]).is_err());
        assert!(
            EntropyFusionConfig::new(2)
                .with_temperature(0.0)
                .init(&device)
                .is_err()
        );
        assert!(EntropyFusionConfig::new(0).init(&device).is_err());
    }
}

use burn::config::Config;
use burn::module::Module;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};

use crate::error::{Result, positive};
use crate::fusion::{ModalityLogits, UncertaintyFusion, rows, temperatures};
use crate::module::Buffer;
use crate::numeric::dot;

/// Configuration of an [`EntropyFusion`]. The defaults are the paper's.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `n_modalities` | required | number of modalities | >= 1 |
/// | `temperature` | 1 | divides the entropies in Eq. 8; small sharpens the weights | (0, inf) |
/// | `normalized` | false | divides the entropies by log C, so that weights do not depend on the number of classes | |
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

/// Fusion by the entropy of each modality's prediction, Eq. 6-8 of the paper.
///
/// ```text
/// e_m      = -sum_c p_c log p_c,  p = softmax(logits_m)      (Eq. 7)
/// weight_m = softmax over the modalities present of -e_m     (Eq. 8)
/// fused    = sum_m weight_m logits_m                         (Eq. 6)
/// ```
///
/// The weights of two modalities differ by at most a factor `n_classes`.
///
/// Beyond the paper, each modality's logits can be divided by a temperature of its own before
/// anything else, fitted on validation data with [`fit_temperature`](crate::fusion::fit_temperature):
/// an over-confident modality then no longer takes weight it does not deserve. The
/// temperatures are saved with the model.
#[derive(Module, Debug)]
pub struct EntropyFusion {
    calibration: Buffer<1>,
    temperature: f64,
    normalized: bool,
}

/// Eq. 7: the entropy of `softmax(logits)` in nats, `[n_samples, n_classes]` to `[n_samples]`.
///
/// Finite for any finite logits, and in `[0, log n_classes]`.
pub fn entropy(logits: Tensor<2>) -> Tensor<1> {
    if rows::take(&logits) {
        return rows::score(&logits, |row| {
            let entropy = row.sum.ln() - dot(row.exps, row.shifted) / row.sum;
            // What is NaN stays so.
            if entropy < 0.0 { 0.0 } else { entropy }
        });
    }
    // With z' = z - max z and S = sum exp z': -sum p log p = log S - sum p z', where 1 / S is the
    // largest probability. One exponential an element, no logarithm of a small number, and two
    // terms that are both >= 0.
    let p = softmax(logits.clone(), 1);
    let log_sum = p.clone().max_dim(1).log().neg();
    // exp(-200) is 0 in f32: the bound changes nothing but keeps 0 * -inf out.
    let shifted = (logits.clone() - logits.max_dim(1)).clamp_min(-200.0);
    let entropy = log_sum - (p * shifted).sum_dim(1);
    entropy.squeeze_dim::<1>(1).clamp_min(0.0)
}

impl EntropyFusionConfig {
    /// Initializes the rule on `device`, with calibration temperatures of 1.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`](crate::MlaError::HyperParameter) for a value outside of the
    /// ranges above.
    pub fn init(&self, device: &Device) -> Result<EntropyFusion> {
        Ok(EntropyFusion {
            calibration: temperatures::uncalibrated(self.n_modalities, device)?,
            temperature: positive("temperature", self.temperature)?,
            normalized: self.normalized,
        })
    }
}

impl EntropyFusion {
    /// Divides the logits of each modality by its temperature, one a modality.
    ///
    /// # Errors
    ///
    /// [`MlaError::ModalityCount`](crate::MlaError::ModalityCount) for another number of
    /// temperatures, [`MlaError::HyperParameter`](crate::MlaError::HyperParameter) for one that is
    /// not positive and finite.
    pub fn with_calibration(mut self, temperatures: &[f64]) -> Result<Self> {
        self.check(temperatures.len())?;
        temperatures::replace(&mut self.calibration, temperatures)?;
        Ok(self)
    }

    /// The calibration temperature of each modality, `[n_modalities]`.
    pub fn calibration(&self) -> Tensor<1> {
        self.calibration.get()
    }

    /// Eq. 7 of every sample and modality after calibration, `[n_samples, n_modalities]`;
    /// `log n_classes`, the largest there is, where a modality is missing.
    pub fn uncertainty(&self, logits: &ModalityLogits) -> Tensor<2> {
        logits.score(|m, logits| entropy(self.calibrated(m, logits)))
    }
}

impl UncertaintyFusion for EntropyFusion {
    fn weights(&self, logits: &ModalityLogits) -> Tensor<2> {
        let mut scale = self.temperature;
        if self.normalized && logits.n_classes() > 1 {
            scale *= (logits.n_classes() as f64).ln();
        }
        let scores = self.uncertainty(logits).neg() / scale;
        // Relative to the largest score the mask underflows to a weight of exactly 0.
        softmax(logits.mask(scores, f32::MIN / 2.0), 1)
    }

    fn calibrated(&self, modality: usize, logits: Tensor<2>) -> Tensor<2> {
        temperatures::divide(&self.calibration, modality, logits)
    }

    fn check(&self, n_modalities: usize) -> Result<()> {
        let what = "a model fused by entropy";
        temperatures::check_count(&self.calibration, n_modalities, what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fusion::laws::assert_fusion_laws;

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

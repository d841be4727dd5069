use burn::config::Config;
use burn::module::Module;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Int, Tensor};

use crate::error::{Result, positive};
use crate::fusion::rows::{self, NO_PROBABILITY};
use crate::fusion::{ModalityLogits, UncertaintyFusion, temperatures};
use crate::module::Buffer;

/// How sure a prediction is, as one number: larger is surer. `p = softmax(z)` of logits `z`.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum Confidence {
    /// `max_c p_c`, in `[1/C, 1]`: the maximum softmax probability (Hendrycks and Gimpel, "A
    /// Baseline for Detecting Misclassified and Out-of-Distribution Examples in Neural Networks",
    /// ICLR 2017).
    MaxProbability,
    /// The highest probability minus the second highest, in `[0, 1]`; 1 for a single class. Of two
    /// classes that share the probability it makes less than the maximum does.
    Margin,
    /// `logsumexp(z)`, the negative free energy (Liu, Wang, Owens, Li, "Energy-based
    /// Out-of-distribution Detection", NeurIPS 2020). Not bounded, and the only one that changes
    /// when a constant is added to all logits.
    Energy,
}

/// Configuration of a [`ConfidenceFusion`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `n_modalities` | required | number of modalities | >= 1 |
/// | `confidence` | required | what a prediction is weighted by | |
/// | `temperature` | 1 | divides the confidences; small sharpens the weights | (0, inf) |
#[derive(Config, Debug)]
pub struct ConfidenceFusionConfig {
    /// Number of modalities.
    pub n_modalities: usize,
    /// What a prediction is weighted by.
    pub confidence: Confidence,
    /// Divides the confidences.
    #[config(default = 1.0)]
    pub temperature: f64,
}

/// Fusion by how confident each modality is, in place of Eq. 7 and 8 of the paper, which weight
/// by entropy ([`EntropyFusion`](crate::fusion::EntropyFusion)).
///
/// ```text
/// weight_m = softmax over the modalities present of confidence(logits_m) / temperature
/// fused    = sum_m weight_m logits_m                                               (Eq. 6)
/// ```
///
/// With `temperature` 1, probabilities and margins weight mildly: two weights differ by at most
/// a factor e. Energies differ by as much as logits do. The confidence of QMF (Zhang et al., "Provable
/// Dynamic Fusion for Low-Quality Multimodal Data", ICML 2023) is `Energy` with `temperature` 10,
/// but there logits are multiplied by the confidence itself, not by a softmax of it.
///
/// Each modality's logits can be divided by a calibration temperature of its own before anything
/// else, fitted on validation data with [`fit_temperature`](crate::fusion::fit_temperature). The
/// temperatures are saved with the model.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_mla::fusion::{Confidence, ConfidenceFusionConfig, ModalityLogits, UncertaintyFusion};
///
/// let device = Device::flex();
/// let fusion = ConfidenceFusionConfig::new(2, Confidence::Margin)
///     .with_temperature(0.1)
///     .init(&device)?;
/// let sure = Tensor::from_floats([[5.0, 0.0]], &device);
/// let unsure = Tensor::from_floats([[0.0, 0.1]], &device);
/// let fused = fusion.fuse(&ModalityLogits::complete(vec![sure, unsure])?);
/// let weights: Vec<f32> = fused.weights.into_data().iter().collect();
/// assert!(weights[0] > 0.999);
/// # Ok::<(), burn_mla::MlaError>(())
/// ```
#[derive(Module, Debug)]
pub struct ConfidenceFusion {
    calibration: Buffer<1>,
    #[module(skip)]
    confidence: Confidence,
    temperature: f64,
}

impl Confidence {
    /// The confidence of each prediction, finite for any finite logits.
    ///
    /// # Shapes
    ///
    /// `[n_samples, n_classes]` to `[n_samples]`.
    pub fn of(self, logits: Tensor<2>) -> Tensor<1> {
        if rows::take(&logits) {
            return rows::score(&logits, |row| match self {
                Self::MaxProbability => row.sum.recip(),
                Self::Margin => (1.0 - row.second_exp()) / row.sum,
                Self::Energy => row.largest + row.sum.ln(),
            });
        }
        let confidence = match self {
            Self::MaxProbability => softmax(logits, 1).max_dim(1),
            Self::Margin => margin(softmax(logits, 1)),
            Self::Energy => {
                let max = logits.clone().max_dim(1);
                let shifted = (logits - max.clone()).clamp_min(NO_PROBABILITY);
                max + shifted.exp().sum_dim(1).log()
            }
        };
        confidence.squeeze_dim(1)
    }
}

/// First minus second of each row's probabilities, `[n_samples, n_classes]` to `[n_samples, 1]`.
fn margin(probabilities: Tensor<2>) -> Tensor<2> {
    let n_classes = probabilities.dims()[1] as i64;
    let (first, class) = probabilities.clone().max_dim_with_indices(1);
    let classes = Tensor::<1, Int>::arange(0..n_classes, &probabilities.device());
    let is_first = classes.unsqueeze_dim::<2>(0).equal(class);
    first - probabilities.mask_fill(is_first, 0.0).max_dim(1)
}

impl ConfidenceFusionConfig {
    /// Initializes the rule on `device`, with calibration temperatures of 1.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`](crate::MlaError::HyperParameter) for a value outside of the
    /// ranges above.
    pub fn init(&self, device: &Device) -> Result<ConfidenceFusion> {
        Ok(ConfidenceFusion {
            calibration: temperatures::uncalibrated(self.n_modalities, device)?,
            confidence: self.confidence,
            temperature: positive("temperature", self.temperature)?,
        })
    }
}

impl ConfidenceFusion {
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

    /// The confidence of every sample and modality after calibration,
    /// `[n_samples, n_modalities]`; that of all-zero logits where a modality is missing.
    pub fn confidence(&self, logits: &ModalityLogits) -> Tensor<2> {
        logits.score(|m, logits| self.confidence.of(self.calibrated(m, logits)))
    }
}

impl UncertaintyFusion for ConfidenceFusion {
    fn weights(&self, logits: &ModalityLogits) -> Tensor<2> {
        // Energies may be as large as f32 goes: relative to the surest they cannot overflow but
        // to -inf, also when divided by a small temperature.
        let present = logits.mask(self.confidence(logits), f32::MIN);
        let surest = present.clone().max_dim(1);
        let scores = ((present - surest) / self.temperature).clamp_min(NO_PROBABILITY);
        softmax(logits.mask(scores, f32::MIN / 2.0), 1)
    }

    fn calibrated(&self, modality: usize, logits: Tensor<2>) -> Tensor<2> {
        temperatures::divide(&self.calibration, modality, logits)
    }

    fn check(&self, n_modalities: usize) -> Result<()> {
        let what = "a model fused by confidence";
        temperatures::check_count(&self.calibration, n_modalities, what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MlaError;
    use crate::fusion::laws::assert_fusion_laws;
    use crate::modality::Presence;
    use burn::store::ModuleRecord;
    use burn::tensor::DType;

    const ALL: [Confidence; 3] = [
        Confidence::MaxProbability,
        Confidence::Margin,
        Confidence::Energy,
    ];

    fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().iter().collect()
    }

    fn rule(confidence: Confidence, temperature: f64, device: &Device) -> ConfidenceFusion {
        ConfidenceFusionConfig::new(2, confidence)
            .with_temperature(temperature)
            .init(device)
            .unwrap()
    }

    #[test]
    fn obeys_the_laws_of_fusion() {
        for confidence in ALL {
            let config = |m| ConfidenceFusionConfig::new(m, confidence);
            assert_fusion_laws(|m, device| config(m).init(device).unwrap());
            assert_fusion_laws(|m, device| {
                let fusion = config(m).with_temperature(0.05).init(device).unwrap();
                fusion.with_calibration(&vec![2.5; m]).unwrap()
            });
        }
    }

    /// Python: `p = exp(z) / sum(exp(z))` of z = (2, 1, 0) is (0.66524096, 0.24472847, 0.09003057);
    /// `log(sum(exp(z)))` is 2.40760596.
    #[test]
    fn confidences_are_those_of_their_formulas() {
        for device in crate::test_devices() {
            let logits = || Tensor::from_floats([[1.0, 2.0, 0.0], [3.0, 3.0, 3.0]], &device);
            for (confidence, expected) in [
                (Confidence::MaxProbability, [0.665241, 1.0 / 3.0]),
                (Confidence::Margin, [0.420_512_5, 0.0]),
                (Confidence::Energy, [2.407_606, 4.098_612]),
            ] {
                let found = values(confidence.of(logits()));
                for (found, expected) in found.iter().zip(expected) {
                    assert!((found - expected).abs() < 1e-6, "{confidence:?}: {found}");
                }
            }
            let one_class = || Tensor::from_floats([[-3.0]], &device);
            let found = ALL.map(|confidence| values(confidence.of(one_class()))[0]);
            assert_eq!(found, [1.0, 1.0, -3.0]);
        }
    }

    #[test]
    fn weights_are_a_softmax_of_confidence_over_temperature() {
        for device in crate::test_devices() {
            let first = Tensor::from_floats([[2.0, 1.0, 0.0]], &device);
            let second = Tensor::from_floats([[0.0, 0.0, 0.0]], &device);
            let logits = ModalityLogits::complete(vec![first, second]).unwrap();
            let energy = 2.407_606f32 - 3f32.ln();
            for (confidence, difference) in [
                (Confidence::MaxProbability, 0.665241 - 1.0 / 3.0),
                (Confidence::Margin, 0.420_512_5),
                (Confidence::Energy, energy),
            ] {
                for temperature in [0.1f32, 1.0, 10.0] {
                    let fusion = rule(confidence, temperature.into(), &device);
                    let fused = fusion.fuse(&logits);
                    let expected = 1.0 / (1.0 + (-difference / temperature).exp());
                    let weight = values(fused.weights)[0];
                    assert!((weight - expected).abs() < 1e-5, "{confidence:?}: {weight}");
                    let fused = values(fused.logits);
                    assert!((fused[0] - 2.0 * expected).abs() < 1e-4, "{fused:?}");
                }
            }
        }
    }

    #[test]
    fn calibration_divides_the_logits_before_their_confidence() {
        for device in crate::test_devices() {
            let z = Tensor::from_floats([[6.0, 0.0, -3.0]], &device);
            let logits = ModalityLogits::complete(vec![z.clone(), z.clone()]).unwrap();
            for confidence in ALL {
                let fusion = rule(confidence, 1.0, &device);
                let fusion = fusion.with_calibration(&[2.0, 0.5]).unwrap();
                let expected = [z.clone() / 2.0, z.clone() * 2.0].map(|z| values(confidence.of(z)));
                assert_eq!(values(fusion.confidence(&logits)), expected.concat());
                let weights = values(fusion.weights(&logits));
                assert!(weights[0] < weights[1], "{confidence:?}: {weights:?}");
            }
        }
    }

    #[test]
    fn weights_are_finite_at_the_ends_of_f32() {
        for device in crate::test_devices() {
            let low = Tensor::from_floats([[-3e38, -3e38], [-1e38, 1e38], [-3e38, -3e38]], &device);
            let high = Tensor::from_floats([[3e38, -3e38], [1e38, 1e38], [0.0, 0.0]], &device);
            let mask = vec![true, true, true, true, true, false];
            let presence = Presence::from_mask(mask, 2).unwrap();
            let logits = ModalityLogits::new(vec![low, high], presence).unwrap();
            for confidence in ALL {
                for temperature in [1e-3, 1.0, 10.0] {
                    let fused = rule(confidence, temperature, &device).fuse(&logits);
                    let weights = values(fused.weights);
                    assert!(
                        weights.iter().all(|w| (0.0..=1.0).contains(w)),
                        "{weights:?}"
                    );
                    assert_eq!(weights[4..], [1.0, 0.0], "{confidence:?}");
                    assert!(values(fused.logits).iter().all(|z| z.is_finite()));
                }
            }
            let energies = rule(Confidence::Energy, 1.0, &device).weights(&logits);
            assert_eq!(values(energies)[..2], [0.0, 1.0]);
        }
    }

    #[test]
    fn half_precision_fuses() {
        for dtype in [DType::F16, DType::BF16] {
            let device = Device::flex();
            let z = |rows: [[f32; 3]; 2]| Tensor::<2>::from_floats(rows, &device).cast(dtype);
            let sure = z([[6.0, 0.0, 0.0], [6e4, -6e4, 0.0]]);
            let unsure = z([[1.0, 0.0, 0.5], [0.0, 0.0, 0.0]]);
            let presence = Presence::from_mask(vec![true, true, false, true], 2).unwrap();
            let logits = ModalityLogits::new(vec![sure, unsure], presence).unwrap();
            for confidence in ALL {
                for temperature in [0.01, 1.0] {
                    let fused = rule(confidence, temperature, &device).fuse(&logits);
                    assert_eq!(fused.logits.dtype(), dtype);
                    let weights = values(fused.weights.cast(DType::F32));
                    assert!(weights[0] > 0.5, "{confidence:?}: {weights:?}");
                    assert!((weights[0] + weights[1] - 1.0).abs() < 1e-2, "{weights:?}");
                    assert_eq!(weights[2..], [0.0, 1.0], "{confidence:?}");
                    let fused = values(fused.logits.cast(DType::F32));
                    assert!(fused.iter().all(|z| z.is_finite()), "{fused:?}");
                }
            }
        }
    }

    #[test]
    fn temperatures_are_saved() {
        let device = Device::flex();
        let fusion = rule(Confidence::Margin, 1.0, &device);
        let calibrated = fusion.clone().with_calibration(&[0.5, 3.0]).unwrap();
        let bytes = calibrated.into_record().into_bytes().unwrap();
        let record = ModuleRecord::from_bytes(bytes).unwrap();
        let loaded = fusion.try_load_record(record).unwrap();
        assert_eq!(values(loaded.calibration()), [0.5, 3.0]);
    }

    #[test]
    fn wrong_hyper_parameters_are_refused() {
        let device = Device::flex();
        let config = ConfidenceFusionConfig::new(2, Confidence::Energy);
        for temperature in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let error = config.clone().with_temperature(temperature).init(&device);
            let error = error.unwrap_err().to_string();
            assert!(error.starts_with("temperature must be"), "{error}");
        }
        let none = ConfidenceFusionConfig::new(0, Confidence::Energy).init(&device);
        assert!(none.unwrap_err().to_string().starts_with("n_modalities"));
        let fusion = config.init(&device).unwrap();
        assert_eq!(
            fusion.clone().with_calibration(&[1.0]).unwrap_err(),
            MlaError::ModalityCount {
                what: "a model fused by confidence",
                expected: 2,
                got: 1
            }
        );
        let error = fusion.with_calibration(&[1.0, 0.0]).unwrap_err();
        assert!(error.to_string().starts_with("calibration temperature"));
    }
}

//! Fusion by a score of each modality's logits: entropy, maximum probability, margin or energy. All
//! scores share the calibration and the softmax over the modalities.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Int, Tensor};

use crate::error::{MlaError, Result, positive};
use crate::fusion::cpu::rows::{self, NO_PROBABILITY};
use crate::fusion::{ModalityLogits, UncertaintyFusion, entropy, temperatures};
use crate::module::Buffer;
use crate::numeric::widened;

/// Certainty of a prediction as one number; larger is more certain. `p = softmax(z)` of logits `z`.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum Score {
    /// `sum_c p_c log p_c`, in `[-log C, 0]`: the negative [`entropy`](fn@entropy) of Eq. 7 and 8 of the MLA
    /// paper.
    Entropy,
    /// The same divided by `log C`, in `[-1, 0]`. It does not depend on the number of classes.
    NormalizedEntropy,
    /// `max_c p_c`, in `[1/C, 1]`: the maximum softmax probability (Hendrycks and Gimpel, "A
    /// Baseline for Detecting Misclassified and Out-of-Distribution Examples in Neural Networks",
    /// ICLR 2017).
    MaxProbability,
    /// The highest probability minus the second highest, in `[0, 1]`; 1 for a single class. It is
    /// lower than the maximum when two classes share the probability.
    Margin,
    /// `logsumexp(z)`, the negative free energy (Liu, Wang, Owens, Li, "Energy-based
    /// Out-of-distribution Detection", NeurIPS 2020). It is not bounded, and it is the only score
    /// that changes when a constant is added to all logits.
    Energy,
}

/// Configuration of a [`ScoreFusion`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `n_modalities` | required | number of modalities | >= 1 |
/// | `score` | required | score that the weights are computed from | |
/// | `temperature` | 1 | divides the scores; small sharpens the weights | normal, positive f32: about 1.2e-38 to 3.4e38 |
#[derive(Config, Debug)]
pub struct ScoreFusionConfig {
    /// Number of modalities.
    pub n_modalities: usize,
    /// Score that the weights are computed from.
    pub score: Score,
    /// Divides the scores.
    #[config(default = 1.0)]
    pub temperature: f64,
}

/// Fusion by a [`Score`] of each modality's logits. The paper's is
/// [`EntropyFusion`](crate::fusion::EntropyFusion).
///
/// ```text
/// weight_m = softmax over the modalities present of score(logits_m) / temperature  (Eq. 8)
/// fused    = sum_m weight_m logits_m                                               (Eq. 6)
/// ```
///
/// With `temperature` 1, the weights of two modalities differ by at most a factor `n_classes` for
/// entropies and a factor e for probabilities and margins. Energies differ by as much as logits do.
/// The confidence of QMF (Zhang et al., "Provable Dynamic Fusion for Low-Quality Multimodal Data",
/// ICML 2023) is `Energy` with `temperature` 10, but QMF multiplies logits by the confidence itself,
/// not by a softmax of it.
///
/// Beyond the paper, the logits of each modality can be divided by a calibration temperature before
/// they are scored and summed ([`with_calibration`](Self::with_calibration)). An over-confident
/// modality then no longer gets too much weight. `fit` and `calibrate` find the temperatures on
/// validation data. They are saved with the model.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_mla::fusion::{ModalityLogits, Score, ScoreFusionConfig, UncertaintyFusion};
///
/// let device = Device::flex();
/// let fusion = ScoreFusionConfig::new(2, Score::Margin)
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
pub struct ScoreFusion {
    calibration: Buffer<1>,
    #[module(skip)]
    score: Score,
    temperature: f64,
}

impl Score {
    /// Computes the score of each prediction, finite for any finite logits. Half precision is computed
    /// in f32.
    ///
    /// # Shapes
    ///
    /// `[n_samples, n_classes]` to `[n_samples]`.
    pub fn of(self, logits: Tensor<2>) -> Tensor<1> {
        let (unit, dtype) = (self.unit(logits.dims()[1]), logits.dtype());
        let score = self.unscaled(widened(logits));
        let score = if unit == 1.0 { score } else { score / unit };
        score.cast(dtype)
    }

    /// The score without the division by [`unit`](Self::unit).
    fn unscaled(self, logits: Tensor<2>) -> Tensor<1> {
        if matches!(self, Self::Entropy | Self::NormalizedEntropy) {
            return entropy(logits).neg();
        }
        if rows::supports(&logits) {
            return rows::score(&logits, |row| match self {
                Self::MaxProbability => row.sum.recip(),
                Self::Margin => (1.0 - row.second_exp()) / row.sum,
                _ => row.largest + row.sum.ln(),
            });
        }
        let score = match self {
            Self::MaxProbability => softmax(logits, 1).max_dim(1),
            Self::Margin => margin(softmax(logits, 1)),
            _ => {
                let max = logits.clone().max_dim(1);
                let shifted = (logits - max.clone()).clamp_min(NO_PROBABILITY);
                max + shifted.exp().sum_dim(1).log()
            }
        };
        score.squeeze_dim(1)
    }

    /// Divisor of the score: `log n_classes` for normalized entropies, otherwise 1.
    fn unit(self, n_classes: usize) -> f64 {
        if self == Self::NormalizedEntropy && n_classes > 1 {
            (n_classes as f64).ln()
        } else {
            1.0
        }
    }
}

/// The highest minus the second highest probability of each row, `[n_samples, n_classes]` to `[n_samples, 1]`.
fn margin(probabilities: Tensor<2>) -> Tensor<2> {
    let n_classes = probabilities.dims()[1] as i64;
    let (first, class) = probabilities.clone().max_dim_with_indices(1);
    let classes = Tensor::<1, Int>::arange(0..n_classes, &probabilities.device());
    let is_first = classes.unsqueeze_dim::<2>(0).equal(class);
    first - probabilities.mask_fill(is_first, 0.0).max_dim(1)
}

impl ScoreFusionConfig {
    /// Initializes the rule on `device`, with calibration temperatures of 1.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`] for a value outside of the ranges above.
    pub fn init(&self, device: &Device) -> Result<ScoreFusion> {
        Ok(ScoreFusion {
            calibration: temperatures::uncalibrated(self.n_modalities, device)?,
            score: self.score,
            temperature: positive("temperature", self.temperature)?,
        })
    }
}

impl ScoreFusion {
    /// Divides the logits of each modality by its temperature, a normal, positive f32.
    ///
    /// # Errors
    ///
    /// [`MlaError::ModalityCount`] when the number of temperatures is not the number of modalities,
    /// [`MlaError::HyperParameter`] for a temperature that is not positive and finite.
    pub fn with_calibration(mut self, temperatures: &[f64]) -> Result<Self> {
        self.set_temperatures(temperatures)?;
        Ok(self)
    }

    /// The rule for one more modality, whose temperature is 1.
    pub fn with_modality(&self) -> Self {
        let mut rule = self.clone();
        let one = self.calibration.get().slice([0..1]).ones_like();
        let all = Tensor::cat(vec![self.calibration.get(), one], 0);
        rule.calibration.set(all);
        rule
    }

    /// The calibration temperature of each modality, `[n_modalities]`.
    pub fn calibration(&self) -> Tensor<1> {
        self.calibration.get()
    }

    /// The score of every sample and modality after calibration, `[n_samples, n_modalities]`. A
    /// missing modality has the score of all-zero logits.
    pub fn scores(&self, logits: &ModalityLogits) -> Tensor<2> {
        logits.score(|m, logits| self.score.of(self.calibrated(m, logits)))
    }
}

impl UncertaintyFusion for ScoreFusion {
    fn weights(&self, logits: &ModalityLogits) -> Tensor<2> {
        let dtype = logits.modality(0).dtype();
        let temperature = self.temperature * self.score.unit(logits.n_classes());
        let temperature = temperature.max(f32::MIN_POSITIVE.into());
        let score = |m, logits| self.score.unscaled(self.calibrated(m, widened(logits)));
        // Scores may be as large as f32 allows. Relative to the largest they can overflow only to
        // -inf, also when divided by a small temperature.
        let present = logits.mask(logits.score(score), f32::MIN);
        let surest = present.clone().max_dim(1);
        let scores = ((present - surest) / temperature).clamp_min(NO_PROBABILITY);
        // The largest score is 0, and the mask underflows to a weight of exactly 0.
        softmax(logits.mask(scores, f32::MIN), 1).cast(dtype)
    }

    fn calibrated(&self, modality: usize, logits: Tensor<2>) -> Tensor<2> {
        temperatures::divide(&self.calibration, modality, logits)
    }

    fn uncalibrated(&self) -> Self {
        let mut rule = self.clone();
        rule.calibration.set(self.calibration.get().ones_like());
        rule
    }

    fn set_temperatures(&mut self, temperatures: &[f64]) -> Result<bool> {
        self.check(temperatures.len())?;
        temperatures::replace(&mut self.calibration, temperatures)?;
        Ok(true)
    }

    fn describe(&self) -> String {
        let (score, temperature) = (self.score, self.temperature);
        format!("ScoreFusion, {score:?}, temperature {temperature}")
    }

    fn check(&self, n_modalities: usize) -> Result<()> {
        let [expected] = self.calibration.dims();
        if n_modalities == expected {
            return Ok(());
        }
        Err(MlaError::ModalityCount {
            what: "a model fused by score",
            expected,
            got: n_modalities,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fusion::laws::assert_fusion_laws;
    use crate::modality::Presence;
    use burn::store::ModuleRecord;
    use burn::tensor::DType;

    /// The scores other than entropies, which `entropy.rs` tests.
    const ALL: [Score; 3] = [Score::MaxProbability, Score::Margin, Score::Energy];

    fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().iter().collect()
    }

    fn rule(score: Score, temperature: f64, device: &Device) -> ScoreFusion {
        ScoreFusionConfig::new(2, score)
            .with_temperature(temperature)
            .init(device)
            .unwrap()
    }

    #[test]
    fn obeys_the_laws_of_fusion() {
        for score in ALL {
            let config = |m| ScoreFusionConfig::new(m, score);
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
    fn scores_are_those_of_their_formulas() {
        for device in crate::test_devices() {
            let logits = || Tensor::from_floats([[1.0, 2.0, 0.0], [3.0, 3.0, 3.0]], &device);
            for (score, expected) in [
                (Score::MaxProbability, [0.665241, 1.0 / 3.0]),
                (Score::Margin, [0.420_512_5, 0.0]),
                (Score::Energy, [2.407_606, 4.098_612]),
            ] {
                let found = values(score.of(logits()));
                for (found, expected) in found.iter().zip(expected) {
                    assert!((found - expected).abs() < 1e-6, "{score:?}: {found}");
                }
            }
            let one_class = || Tensor::from_floats([[-3.0]], &device);
            let found = ALL.map(|score| values(score.of(one_class()))[0]);
            assert_eq!(found, [1.0, 1.0, -3.0]);
        }
    }

    #[test]
    fn weights_are_a_softmax_of_score_over_temperature() {
        for device in crate::test_devices() {
            let first = Tensor::from_floats([[2.0, 1.0, 0.0]], &device);
            let second = Tensor::from_floats([[0.0, 0.0, 0.0]], &device);
            let logits = ModalityLogits::complete(vec![first, second]).unwrap();
            let energy = 2.407_606f32 - 3f32.ln();
            for (score, difference) in [
                (Score::MaxProbability, 0.665241 - 1.0 / 3.0),
                (Score::Margin, 0.420_512_5),
                (Score::Energy, energy),
            ] {
                for temperature in [0.1f32, 1.0, 10.0] {
                    let fusion = rule(score, temperature.into(), &device);
                    let fused = fusion.fuse(&logits);
                    let expected = 1.0 / (1.0 + (-difference / temperature).exp());
                    let weight = values(fused.weights)[0];
                    assert!((weight - expected).abs() < 1e-5, "{score:?}: {weight}");
                    let fused = values(fused.logits);
                    assert!((fused[0] - 2.0 * expected).abs() < 1e-4, "{fused:?}");
                }
            }
        }
    }

    #[test]
    fn calibration_divides_the_logits_before_their_score() {
        for device in crate::test_devices() {
            let z = Tensor::from_floats([[6.0, 0.0, -3.0]], &device);
            let logits = ModalityLogits::complete(vec![z.clone(), z.clone()]).unwrap();
            for score in ALL {
                let fusion = rule(score, 1.0, &device);
                let fusion = fusion.with_calibration(&[2.0, 0.5]).unwrap();
                let expected = [z.clone() / 2.0, z.clone() * 2.0].map(|z| values(score.of(z)));
                assert_eq!(values(fusion.scores(&logits)), expected.concat());
                let weights = values(fusion.weights(&logits));
                assert!(weights[0] < weights[1], "{score:?}: {weights:?}");
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
            for score in ALL {
                for temperature in [1e-3, 1.0, 10.0] {
                    let fused = rule(score, temperature, &device).fuse(&logits);
                    let weights = values(fused.weights);
                    assert!(
                        weights.iter().all(|w| (0.0..=1.0).contains(w)),
                        "{weights:?}"
                    );
                    assert_eq!(weights[4..], [1.0, 0.0], "{score:?}");
                    assert!(values(fused.logits).iter().all(|z| z.is_finite()));
                }
            }
            let energies = rule(Score::Energy, 1.0, &device).weights(&logits);
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
            for score in ALL {
                for temperature in [0.01, 1.0] {
                    let fused = rule(score, temperature, &device).fuse(&logits);
                    assert_eq!(fused.logits.dtype(), dtype);
                    let weights = values(fused.weights.cast(DType::F32));
                    assert!(weights[0] > 0.5, "{score:?}: {weights:?}");
                    assert!((weights[0] + weights[1] - 1.0).abs() < 1e-2, "{weights:?}");
                    assert_eq!(weights[2..], [0.0, 1.0], "{score:?}");
                    let fused = values(fused.logits.cast(DType::F32));
                    assert!(fused.iter().all(|z| z.is_finite()), "{fused:?}");
                }
            }
        }
    }

    /// The ends of the documented ranges, for all scores and precisions: logits of half the largest
    /// number, temperatures of the smallest and of the largest f32, a missing modality, and one class.
    #[test]
    fn weights_and_logits_are_finite_at_the_ends_of_all_ranges() {
        let scores = [Score::Entropy, Score::NormalizedEntropy].into_iter();
        for (device, score) in scores.chain(ALL).flat_map(|score| {
            let devices = crate::test_devices().into_iter();
            devices.map(move |device| (device, score))
        }) {
            let dtypes = [DType::F32, DType::F16, DType::BF16];
            for dtype in dtypes.into_iter().filter(|dtype| supports(*dtype, &device)) {
                let end = dtype.finfo().unwrap().max as f32 / 2.0;
                for (row, other) in [
                    ([end, -end, 0.0], [-end, -end, -end]),
                    ([-end, -end, -end], [-end, -end, end]),
                    ([1e-6, 0.0, 0.0], [0.0, 0.0, -1e-6]),
                    ([0.0, 0.0, 0.0], [30.0, 0.0, 0.0]),
                ] {
                    let z = |row: [f32; 3]| Tensor::<2>::from_floats([row; 3], &device).cast(dtype);
                    let mask = vec![true, true, true, false, false, true];
                    let presence = Presence::from_mask(mask, 2).unwrap();
                    let logits = ModalityLogits::new(vec![z(row), z(other)], presence).unwrap();
                    for temperature in [f32::MIN_POSITIVE, 1e-30, 1e-7, 1.0, 1e7, f32::MAX] {
                        let fusion = rule(score, temperature.into(), &device);
                        let fused = fusion.fuse(&logits);
                        assert_eq!(fused.logits.dtype(), dtype);
                        let what = format!("{score:?}, {dtype:?}, {temperature}, {row:?}");
                        let weights = values(fused.weights.cast(DType::F32));
                        assert!(
                            weights.iter().all(|w| (0.0..=1.0).contains(w)),
                            "{what}: {weights:?}"
                        );
                        assert!(
                            (weights[0] + weights[1] - 1.0).abs() < 1e-2,
                            "{what}: {weights:?}"
                        );
                        assert_eq!(weights[2..], [1.0, 0.0, 0.0, 1.0], "{what}");
                        let fused = values(fused.logits.cast(DType::F32));
                        assert!(fused.iter().all(|z| z.is_finite()), "{what}: {fused:?}");
                    }
                }
            }
        }
    }

    /// Logits of 30 divided by a temperature that f16 rounds to 0 or to infinity.
    #[test]
    fn calibration_keeps_temperatures_that_half_precision_cannot_hold() {
        let device = Device::flex();
        for (dtype, temperature, expected) in [
            (DType::F16, 1e5, 3e-4),
            (DType::F16, 1e-8, 3e3),
            (DType::BF16, 1.37, 30.0 / 1.37),
            (DType::F32, 1.37, 30.0 / 1.37),
        ] {
            let z = expected * temperature;
            let z = Tensor::<2>::from_floats([[z as f32, 0.0]], &device).cast(dtype);
            let fusion = rule(Score::Entropy, 1.0, &device);
            let fusion = fusion.with_calibration(&[temperature, 1.0]).unwrap();
            let found = values(fusion.calibrated(0, z.clone()).cast(DType::F32))[0];
            let given = f64::from(values(z.cast(DType::F32))[0]);
            let off = f64::from(found) / (given / temperature) - 1.0;
            assert!(
                off.abs() < 4e-3,
                "{dtype:?}: {found} of {given} / {temperature}"
            );
        }
    }

    /// Whether the backend stores floats of this type: ndarray has no half precision.
    fn supports(dtype: DType, device: &Device) -> bool {
        dtype == DType::F32 || *device == Device::flex()
    }

    #[test]
    fn without_calibration_logits_are_unchanged() {
        for device in crate::test_devices() {
            let fusion = rule(Score::Entropy, 0.5, &device);
            let calibrated = fusion.clone().with_calibration(&[2.0, 0.5]).unwrap();
            let z = Tensor::from_floats([[6.0, 0.0, -3.0], [1.0, 2.0, 3.0]], &device);
            let logits = ModalityLogits::complete(vec![z.clone(), z + 1.0]).unwrap();
            let weights = |fusion: &ScoreFusion| values(fusion.weights(&logits));
            assert_ne!(weights(&calibrated), weights(&fusion));
            assert_eq!(weights(&calibrated.uncalibrated()), weights(&fusion));
        }
    }

    #[test]
    fn temperatures_are_saved() {
        let device = Device::flex();
        let fusion = rule(Score::Margin, 1.0, &device);
        let calibrated = fusion.clone().with_calibration(&[0.5, 3.0]).unwrap();
        let bytes = calibrated.into_record().into_bytes().unwrap();
        let record = ModuleRecord::from_bytes(bytes).unwrap();
        let loaded = fusion.try_load_record(record).unwrap();
        assert_eq!(values(loaded.calibration()), [0.5, 3.0]);
    }

    #[test]
    fn wrong_hyper_parameters_are_refused() {
        let device = Device::flex();
        let config = ScoreFusionConfig::new(2, Score::Energy);
        for temperature in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let error = config.clone().with_temperature(temperature).init(&device);
            let error = error.unwrap_err().to_string();
            assert!(error.starts_with("temperature must be"), "{error}");
        }
        let none = ScoreFusionConfig::new(0, Score::Energy).init(&device);
        assert!(none.unwrap_err().to_string().starts_with("n_modalities"));
        let fusion = config.init(&device).unwrap();
        assert_eq!(
            fusion.clone().with_calibration(&[1.0]).unwrap_err(),
            MlaError::ModalityCount {
                what: "a model fused by score",
                expected: 2,
                got: 1
            }
        );
        let error = fusion.with_calibration(&[1.0, 0.0]).unwrap_err();
        assert!(error.to_string().starts_with("calibration temperature"));
    }
}

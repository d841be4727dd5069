//! Imputation targets: what a method that learns to impute may see of modalities that are missing.

use burn::config::Config;
use burn::tensor::{Bool, DType, Tensor, TensorData};

use crate::baseline::{JointSamples, ModalityFeatures};
use crate::error::{MlaError, Result, same_size, share};
use crate::modality::Presence;
use crate::numeric::{generator, uniform, widened};

/// Targets of a method that learns to impute missing modalities.
///
/// Published code trains AE, CRA, MMIN, IF-MMIN and TATE with the true features of the modalities that
/// it calls missing. MLA never sees them. A comparison needs both, labelled.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum ImputeTarget {
    /// The true features of missing modalities, as in published code. Training data must be complete
    /// and masked with [hidden inputs](crate::modality::MultimodalBatch::hidden). Validation and test
    /// never use them.
    Oracle,
    /// Observed features only. Each visit of a sample that has two or more modalities hides one of them,
    /// chosen uniformly, and imputes it. The loss of the prediction is then of what is left. This form is
    /// ours; it needs no hidden inputs and reads none.
    ObservedOnly,
}

/// Options of the imputation targets.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `target` | `ObservedOnly` | the [target](ImputeTarget) | |
/// | `hide_probability` | 1 | probability of hiding a modality of a sample in a visit, for `ObservedOnly`; below 1, some visits train on all that is observed | `[0, 1]` |
/// | `seed` | 0 | seed of the choice of what is hidden, for `ObservedOnly` | |
///
/// What is hidden is a function of the seed, the number of updates so far and the position of the sample
/// in the data set (its row, if the batch has no
/// [positions](crate::modality::MultimodalBatch::samples)). A resumed training repeats it without
/// stored state.
#[derive(Config, Debug, PartialEq)]
pub struct ImputeConfig {
    /// The target.
    #[config(default = "ImputeTarget::ObservedOnly")]
    pub target: ImputeTarget,
    /// Probability of hiding a modality of a sample in a visit.
    #[config(default = 1.0)]
    pub hide_probability: f64,
    /// Seed of the choice of what is hidden.
    #[config(default = 0)]
    pub seed: u64,
}

/// Tells the choice of what is hidden from other random numbers of the same seed.
const STREAM: u64 = 0x6869_6465;

impl ImputeConfig {
    /// Checks the options.
    pub(super) fn check(&self) -> Result<()> {
        share("hide_probability", self.hide_probability).map(drop)
    }

    pub(super) fn is_oracle(&self) -> bool {
        self.target == ImputeTarget::Oracle
    }

    /// All features that the training may use: with those of hidden inputs for an oracle.
    ///
    /// # Errors
    ///
    /// [`MlaError::NothingHidden`] for an oracle and a batch that lacks modalities without hidden inputs.
    pub(super) fn known(&self, samples: &JointSamples) -> Result<ModalityFeatures> {
        match &samples.held {
            Some(held) if self.is_oracle() => Ok(held.clone()),
            None if self.is_oracle() && !samples.features.presence().is_complete() => {
                Err(MlaError::NothingHidden)
            }
            _ => Ok(samples.features.clone()),
        }
    }

    /// Splits what is known of samples into the input of the method and the targets. Without
    /// `has_target`, for a loss that weighs no target, an oracle is not asked.
    ///
    /// # Errors
    ///
    /// As [`known`](Self::known), and [`MlaError::Size`] for another number of positions than samples.
    pub(super) fn split(&self, samples: &JointSamples, has_target: bool) -> Result<Imputation> {
        let input = if self.is_oracle() {
            samples.features.clone()
        } else {
            samples.features.with_presence(&self.left(samples)?)?
        };
        let known = if has_target {
            self.known(samples)?.without_autodiff()
        } else {
            input.without_autodiff()
        };
        Ok(Imputation { input, known })
    }

    /// What is left of the modalities of samples after one of each was hidden.
    fn left(&self, samples: &JointSamples) -> Result<Presence> {
        let presence = samples.features.presence();
        let (n_samples, n_modalities) = (presence.n_samples(), presence.n_modalities());
        if let Some(at) = samples.samples {
            same_size("positions of samples", n_samples, at.len())?;
        }
        let mut mask = Vec::with_capacity(n_samples * n_modalities);
        for sample in 0..n_samples {
            let is_present = |&modality: &usize| presence.is_present(sample, modality);
            let present: Vec<usize> = (0..n_modalities).filter(is_present).collect();
            let at = samples.samples.map_or(sample, |at| at[sample]);
            let mut numbers = generator(self.seed ^ STREAM, samples.step, at as u64);
            let hides = uniform(&mut numbers) < self.hide_probability && present.len() > 1;
            let chosen = (uniform(&mut numbers) * present.len() as f64) as usize;
            let hidden = hides.then(|| present[chosen]);
            mask.extend((0..n_modalities).map(|m| is_present(&m) && Some(m) != hidden));
        }
        Presence::from_mask(mask, n_modalities)
    }
}

/// A batch as a method that learns to impute sees it.
pub struct Imputation {
    /// The features to predict from.
    pub(super) input: ModalityFeatures,
    /// All features that the training may use, without autodiff. The targets are those that the input
    /// lacks.
    pub(super) known: ModalityFeatures,
}

impl Imputation {
    /// The targets of each modality, `[n_samples, d_feature]` without autodiff, 0 for what is no target.
    pub(super) fn targets(&self) -> Vec<Tensor<2>> {
        let mask = self.no_target();
        let features = self.known.all().iter().enumerate();
        features
            .map(|(m, features)| fill(features.clone(), &mask, m))
            .collect()
    }

    /// The error of imputed features, `[1]` in f32: the squared error divided by the width of each
    /// target, summed over the targets of a sample, mean over the samples of the batch. 0 without targets.
    ///
    /// # Shapes
    ///
    /// `imputed`: `[n_samples, d_feature]` for each modality.
    pub(super) fn error(&self, imputed: &[Tensor<2>]) -> Tensor<1> {
        let mask = self.no_target();
        let n_samples = self.known.n_samples() as f64;
        let pairs = imputed.iter().zip(self.known.all()).enumerate();
        let terms = pairs.map(|(modality, (imputed, target))| {
            let [_, width] = target.dims();
            let difference = widened(imputed.clone()) - widened(target.clone());
            let difference = fill(difference, &mask, modality);
            difference.square().sum() / (width as f64 * n_samples)
        });
        let zero = || Tensor::zeros([1], (&self.known.device(), DType::F32));
        terms.reduce(|sum, term| sum + term).unwrap_or_else(zero)
    }

    /// Where there is no target, `[n_samples, n_modalities]`.
    fn no_target(&self) -> Tensor<2, Bool> {
        let (input, known) = (self.input.presence(), self.known.presence());
        let (n_samples, n_modalities) = (known.n_samples(), known.n_modalities());
        let mask: Vec<bool> = (0..n_samples * n_modalities)
            .map(|at| {
                let (sample, modality) = (at / n_modalities, at % n_modalities);
                input.is_present(sample, modality) || !known.is_present(sample, modality)
            })
            .collect();
        let mask = TensorData::new(mask, [n_samples, n_modalities]);
        Tensor::from_data(mask, &self.known.device())
    }
}

/// Replaces what a column of the mask marks by 0.
fn fill(values: Tensor<2>, mask: &Tensor<2, Bool>, column: usize) -> Tensor<2> {
    let shape = values.dims();
    let mask = mask.clone().slice([0..shape[0], column..column + 1]);
    values.mask_fill(mask.expand(shape), 0.0)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::loss::CrossEntropyConfig;
    use crate::modality::Targets;
    use crate::test_devices;

    /// Masks of samples with 3, 2, 2 and 1 of three modalities.
    const MASK: [[bool; 3]; 4] = [
        [true, true, true],
        [true, false, true],
        [false, true, true],
        [false, true, false],
    ];

    fn presence() -> Presence {
        Presence::from_mask(MASK.concat(), 3).unwrap()
    }

    fn features(presence: Presence, fill: f32, device: &Device) -> ModalityFeatures {
        let n = presence.n_samples();
        let each = (1..4).map(|width| Tensor::full([n, width], fill, device));
        ModalityFeatures::new(each.collect(), presence).unwrap()
    }

    /// Applies `then` to samples of a batch.
    fn with_samples<T>(
        features: ModalityFeatures,
        held: Option<ModalityFeatures>,
        positions: Option<&[usize]>,
        step: u64,
        then: impl FnOnce(&JointSamples) -> T,
    ) -> T {
        let targets = Targets::new(vec![0; features.n_samples()], &features.device());
        then(&JointSamples {
            features,
            targets: &targets,
            samples: positions,
            training_loss: &CrossEntropyConfig::new().init().unwrap(),
            held,
            step,
        })
    }

    fn left(config: &ImputeConfig, positions: Option<&[usize]>, step: u64) -> Presence {
        let features = features(presence(), 1.0, &Device::flex());
        with_samples(features, None, positions, step, |samples| {
            config
                .split(samples, true)
                .unwrap()
                .input
                .presence()
                .clone()
        })
    }

    /// Number of modalities of each sample.
    fn counts(presence: &Presence) -> Vec<usize> {
        let count = |n| (0..3).filter(|&m| presence.is_present(n, m)).count();
        (0..presence.n_samples()).map(count).collect()
    }

    #[test]
    fn one_modality_of_each_sample_with_several_is_hidden() {
        let config = ImputeConfig::new();
        let mut hidden = [[0; 3]; 4];
        for step in 0..900 {
            let left = left(&config, None, step);
            assert_eq!(counts(&left), [2, 1, 1, 1]);
            for (sample, hidden) in hidden.iter_mut().enumerate() {
                for (m, n) in hidden.iter_mut().enumerate() {
                    let was = MASK[sample][m];
                    assert!(was || !left.is_present(sample, m));
                    *n += i32::from(was && !left.is_present(sample, m));
                }
            }
        }
        // Five standard deviations of a count.
        assert!(hidden[0].iter().all(|n| (n - 300).abs() < 71), "{hidden:?}");
        assert!((hidden[1][0] - 450).abs() < 75, "{hidden:?}");
    }

    #[test]
    fn what_is_hidden_follows_from_seed_step_and_position() {
        let config = ImputeConfig::new();
        let first = left(&config, None, 7);
        assert_eq!(left(&config, None, 7), first);
        assert_eq!(left(&config, Some(&[0, 1, 2, 3]), 7), first);
        let several = |config: &ImputeConfig, from: usize| -> Vec<Presence> {
            let at = |step| left(config, Some(&[from, from + 1, from + 2, from + 3]), step);
            (0..20).map(at).collect()
        };
        let usual = several(&config, 0);
        assert_ne!(several(&config, 4), usual);
        assert_ne!(several(&config.clone().with_seed(1), 0), usual);
        let config = config.with_hide_probability(0.0);
        assert!(several(&config, 0).iter().all(|left| *left == presence()));
        let config = config.with_hide_probability(0.5);
        let n_left = |left: &Presence| counts(left)[0];
        let whole = several(&config, 0)
            .iter()
            .filter(|left| n_left(left) == 3)
            .count();
        assert!((3..=17).contains(&whole), "{whole}");
    }

    #[test]
    fn targets_are_what_the_input_lacks() {
        for device in test_devices() {
            let input = features(presence(), 1.0, &device);
            let held = features(Presence::all(4, 3), 2.0, &device);
            let config = ImputeConfig::new().with_target(ImputeTarget::Oracle);
            with_samples(input, Some(held), None, 0, |samples| {
                let imputation = config.split(samples, true).unwrap();
                let values =
                    |tensor: Tensor<2>| -> Vec<f32> { tensor.into_data().iter().collect() };
                let targets: Vec<_> = imputation.targets().into_iter().map(values).collect();
                assert_eq!(targets[0], [0.0, 0.0, 2.0, 2.0]);
                assert_eq!(targets[1], [0.0, 0.0, 2.0, 2.0, 0.0, 0.0, 0.0, 0.0]);
                // Four targets of four samples, each 2 away in every entry.
                let zeros: Vec<_> = (1..4).map(|w| Tensor::zeros([4, w], &device)).collect();
                let error: f32 = imputation.error(&zeros).into_scalar();
                assert!((error - 4.0).abs() < 1e-6, "{error}");
                // What is no target may hold anything.
                let nan = |(m, zeros): (usize, Tensor<2>)| {
                    let mask: Vec<bool> = MASK.iter().map(|row| row[m]).collect();
                    let mask = Tensor::<2, Bool>::from_data(TensorData::new(mask, [4, 1]), &device);
                    let shape = zeros.dims();
                    zeros.mask_fill(mask.expand(shape), f32::NAN)
                };
                let spoiled: Vec<_> = zeros.into_iter().enumerate().map(nan).collect();
                assert_eq!(imputation.error(&spoiled).into_scalar::<f32>(), error);
            });
        }
    }

    #[test]
    fn an_oracle_without_hidden_inputs_is_refused() {
        let config = ImputeConfig::new().with_target(ImputeTarget::Oracle);
        let device = Device::flex();
        let split = |features: ModalityFeatures, has_target| {
            with_samples(features, None, None, 0, |samples| {
                config.split(samples, has_target).map(drop)
            })
        };
        let masked = features(presence(), 1.0, &device);
        assert_eq!(split(masked.clone(), true), Err(MlaError::NothingHidden));
        assert_eq!(split(masked, false), Ok(()));
        let complete = features(Presence::all(4, 3), 1.0, &device);
        assert_eq!(split(complete, true), Ok(()));
        assert!(config.with_hide_probability(1.5).check().is_err());
    }
}

//! PMR: features of slow modalities are drawn to the prototypes of their classes.

use burn::config::Config;
use burn::module::{Module, ParamId, RunningState};
use burn::tensor::activation::log_softmax;
use burn::tensor::{DType, Device, Tensor};

use crate::baseline::balanced::steps::Steps;
use crate::baseline::joint::{check_sizes, check_widths};
use crate::baseline::{JointHead, JointLoss, JointSamples, ModalityFeatures};
use crate::error::{Result, at_least_one, fraction, not_negative};
use crate::module::{Buffer, float_params};

/// Configuration of [`Pmr`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `d_features` | required | feature width of each modality | each >= 1 |
/// | `steps_per_epoch` | required | number of updates between two computations of the prototypes | >= 1 |
/// | `alpha` | 1 | weight of the prototypical cross-entropy | `[0, inf)` |
/// | `momentum` | 0.2 | share of the earlier prototypes in new ones | `[0, 1)` |
/// | `entropy_weight` | 0.01 | weight `mu` of the entropy of fast modalities | `[0, inf)` |
/// | `entropy_steps` | 0 | the first update without the entropy term | |
/// | `first_step` | 0 | the update at which both terms start | |
/// | `end_step` | none | the first update at which they have ended | above `first_step` |
///
/// `alpha` and `momentum` are those of the published code, which has no entropy term.
#[derive(Config, Debug)]
pub struct PmrConfig {
    /// Feature width of each modality.
    pub d_features: Vec<usize>,
    /// Number of updates between two computations of the prototypes.
    pub steps_per_epoch: u64,
    /// Weight of the prototypical cross-entropy.
    #[config(default = 1.0)]
    pub alpha: f64,
    /// Share of the earlier prototypes in new ones.
    #[config(default = 0.2)]
    pub momentum: f64,
    /// Weight of the entropy of fast modalities.
    #[config(default = 0.01)]
    pub entropy_weight: f64,
    /// The first update without the entropy term.
    #[config(default = 0)]
    pub entropy_steps: u64,
    /// The update at which both terms start.
    #[config(default = 0)]
    pub first_step: u64,
    /// The first update at which they have ended.
    pub end_step: Option<u64>,
}

/// Prototypical modal rebalance (Fan et al., "PMR: Prototypical Modal Rebalance for Multimodal Learning",
/// CVPR 2023) of a joint head `H`.
///
/// ```text
/// z_m    = logits -|h_m - c_mk| of class k, for the prototypes c_m of the modality
/// s_m    = mean softmax(z_m) at the true class
/// beta_m = clip(s_others / s_m - 1, 0, 1)      gamma_m = clip(s_m / s_others - 1, 0, 1)
/// loss   = L_H + alpha sum_m beta_m CE(z_m) - mu sum_m gamma_m entropy(softmax(z_m))
/// c_mk  <- (1 - momentum) mean of h_m over the epoch's samples of class k + momentum c_mk
/// ```
///
/// with the mean `s_others` of the other modalities' scores, and means over the samples that have the modality
/// and whose class has a prototype. A modality without such samples in the batch has no score: it has no terms and
/// does not count for the others. The entropy term ends after `entropy_steps` updates. Prototypes and weights are
/// constants.
///
/// Prototypes are computed every `steps_per_epoch` updates from the features that the steps saw, including
/// their dropout. The first epoch therefore has the loss `L_H` only. The authors run the encoders in evaluation
/// mode on a tenth of the data before the first epoch and after each; here no pass over the data is needed.
///
/// In a sum of gradients the sums are means over the parts of an update, weighted by their numbers of samples.
/// Prototypes are those of the whole batch for parts of equal size. Of others, a sample of a larger part counts more.
///
/// Sums and prototypes are part of the record. The sums have the precision of the model: in half precision they
/// count up to 2048 samples of a class per epoch (f16) or 256 (bf16).
#[derive(Module, Debug)]
pub struct Pmr<H: Module> {
    inner: H,
    /// Sums of the epoch's features of each class, and the number of samples, `[n_classes, d + 1]`.
    sums: Vec<RunningState<Tensor<2>>>,
    /// Prototypes, and 1 in the last column for a class that has one, `[n_classes, d + 1]`.
    prototypes: Vec<Buffer<2>>,
    d_features: Vec<usize>,
    steps_per_epoch: u64,
    alpha: f64,
    momentum: f64,
    entropy_weight: f64,
    entropy_steps: u64,
    steps: Steps,
}

/// Logit of a class without a prototype.
const NO_PROTOTYPE: f64 = -1e4;

/// Below the square of any distance that matters; the root has no gradient at 0.
const SMALLEST_SQUARE: f64 = 1e-12;

impl PmrConfig {
    /// Adds prototypes to a head, on its device.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`](crate::MlaError::HyperParameter) for a value outside of the ranges above, and as [`JointHead::check`] of
    /// `inner` for the feature widths.
    pub fn init<H: JointHead>(&self, inner: H) -> Result<Pmr<H>> {
        check_sizes(&self.d_features, inner.n_classes())?;
        inner.check(&self.d_features)?;
        at_least_one("steps_per_epoch", self.steps_per_epoch.min(1) as usize)?;
        fraction("momentum", self.momentum)?;
        let device = inner.devices().into_iter().next().unwrap_or_default();
        let table = |device: &Device, width: usize| {
            Tensor::zeros([inner.n_classes(), width + 1], (device, DType::F32))
        };
        let widths = self.d_features.iter();
        Ok(Pmr {
            sums: (widths.clone())
                .map(|&width| RunningState::new(table(&device, width)))
                .collect(),
            prototypes: widths
                .map(|&width| Buffer::new(table(&device, width)))
                .collect(),
            inner,
            d_features: self.d_features.clone(),
            steps_per_epoch: self.steps_per_epoch,
            alpha: not_negative("alpha", self.alpha)?,
            momentum: self.momentum,
            entropy_weight: not_negative("entropy_weight", self.entropy_weight)?,
            entropy_steps: self.entropy_steps,
            steps: Steps::new(self.first_step, self.end_step)?,
        })
    }
}

/// Predictions of a modality's prototypes from its features.
struct Prototypical {
    /// Mean probability of the true class, `[1]`, without a gradient; 0 without samples that count.
    score: Tensor<1>,
    /// 1 if there are samples that count, else 0, `[1]`.
    known: Tensor<1>,
    /// Cross-entropy, `[1]`.
    loss: Tensor<1>,
    /// Mean entropy, `[1]`.
    entropy: Tensor<1>,
}

impl<H: JointHead> Pmr<H> {
    /// Adds the features of a batch to the sums of the epoch.
    fn add(&self, samples: &JointSamples) {
        let features = &samples.features;
        let n_classes = self.inner.n_classes();
        let device = features.device();
        let classes = samples.targets.multi_hot(n_classes, &device);
        for (modality, sums) in self.sums.iter().enumerate() {
            let values = features.modality(modality).detach().cast(DType::F32);
            let present = match features.present(modality) {
                None => Tensor::ones([values.dims()[0], 1], (&device, DType::F32)),
                Some(present) => present.detach().cast(DType::F32),
            };
            let counted = Tensor::cat(vec![values, present], 1);
            let added = classes.clone().cast(DType::F32).transpose().matmul(counted);
            let before = sums.value_sync();
            let dtype = before.dtype();
            let sum = if samples.step.is_multiple_of(self.steps_per_epoch) {
                added
            } else {
                before.to_device(&device).cast(DType::F32) + added
            };
            sums.update(sum.cast(dtype));
        }
    }

    /// Compares the features of a modality with its prototypes; `None` if the batch lacks the modality.
    fn compare(&self, samples: &JointSamples, modality: usize) -> Option<Prototypical> {
        let features = &samples.features;
        if features.presence().rows(modality).is_empty() {
            return None;
        }
        let values = features.modality(modality).cast(DType::F32);
        let device = values.device();
        let table = self.prototypes[modality].get().to_device(&device);
        let table = if device.is_autodiff() {
            Tensor::from_inner(table)
        } else {
            table
        };
        let ([n_samples, width], [n_classes, _]) = (values.dims(), table.dims());
        let centres = table.clone().slice([0..n_classes, 0..width]);
        let seen = table.slice([0..n_classes, width..width + 1]);

        let difference = values.unsqueeze_dim::<3>(1) - centres.unsqueeze_dim::<3>(0);
        let squares = difference.square().sum_dim(2).squeeze_dim::<2>(2);
        let distances = squares.clamp_min(SMALLEST_SQUARE).sqrt();
        let unseen = seen.clone().transpose().equal_elem(0.0);
        let unseen = unseen.expand([n_samples, n_classes]);
        let log_p = log_softmax(distances.neg().mask_fill(unseen, NO_PROTOTYPE), 1);

        let classes = samples.targets.multi_hot(n_classes, &device);
        let mut counts = classes.clone().cast(DType::F32).matmul(seen);
        if let Some(present) = features.present(modality) {
            counts = counts * present.cast(DType::F32);
        }
        let mean = |values: Tensor<2>| {
            let n = counts.clone().sum().clamp_min(1.0);
            (values * counts.clone()).sum() / n
        };
        let of_class = (log_p.clone() * classes.cast(DType::F32)).sum_dim(1);
        let entropy = (log_p.clone().exp() * log_p).sum_dim(1).neg();
        Some(Prototypical {
            score: mean(of_class.clone().detach().exp()),
            known: counts.clone().detach().sum().clamp_max(1.0),
            loss: mean(of_class.neg()),
            entropy: mean(entropy),
        })
    }

    /// The terms of the loss beside that of the head, `[1]`; `None` for fewer than two modalities.
    fn terms(&self, samples: &JointSamples) -> Option<Tensor<1>> {
        let modalities = 0..self.prototypes.len();
        let found: Vec<_> = modalities
            .map(|modality| self.compare(samples, modality))
            .collect();
        let with_entropy = samples.step < self.entropy_steps;
        let terms = found.iter().enumerate().filter_map(|(modality, own)| {
            let own = own.as_ref()?;
            let others = found.iter().enumerate().filter(|(m, _)| *m != modality);
            let others = others.filter_map(|(_, other)| other.as_ref());
            let sums = others.map(|other| (other.score.clone(), other.known.clone()));
            let (sum, n_others) = sums.reduce(|a, b| (a.0 + b.0, a.1 + b.1))?;
            let others = sum / n_others.clone().clamp_min(1.0);
            let lead = |a: Tensor<1>, b: Tensor<1>| {
                (a / b.clamp_min(f32::MIN_POSITIVE) - 1.0).clamp(0.0, 1.0)
            };
            let slow = lead(others.clone(), own.score.clone());
            let term = own.loss.clone() * slow * self.alpha;
            Some(if with_entropy {
                // Without others that have a score there is no lead.
                let fast = lead(own.score.clone(), others) * n_others.clamp_max(1.0);
                term - own.entropy.clone() * fast * self.entropy_weight
            } else {
                term
            })
        });
        terms.reduce(|sum, term| sum + term)
    }
}

/// New prototypes from the sums of an epoch.
fn renewed(before: Tensor<2>, sums: Tensor<2>, momentum: f64) -> Tensor<2> {
    let sums = sums.without_autodiff().cast(DType::F32);
    let sums = sums.to_device(&before.device());
    let [n_classes, columns] = before.dims();
    let last = [0..n_classes, columns - 1..columns];
    let counts = sums.clone().slice(last.clone());
    // The last column becomes 1 where there are samples. In a sum of gradients, counts are means over its parts and
    // can be below 1.
    let means = sums / counts.clone().clamp_min(f32::MIN_POSITIVE);
    let had = before.clone().slice(last);
    let share = had * momentum;
    let mixed = before.clone() * share.clone() + means * (share.neg() + 1.0);
    let none = counts.equal_elem(0.0).expand([n_classes, columns]);
    mixed.mask_where(none, before)
}

impl<H: JointHead> JointHead for Pmr<H> {
    super::predict_as_inner!();
    super::train_as_inner!();

    fn unimodal(&self, features: &ModalityFeatures, modality: usize) -> Tensor<2> {
        self.inner.unimodal(features, modality)
    }

    fn loss(&self, samples: &JointSamples) -> Result<JointLoss> {
        samples.targets.check_single("PMR")?;
        self.add(samples);
        let found = self.inner.loss(samples)?;
        if samples.step < self.steps_per_epoch || !self.steps.contain(samples.step) {
            return Ok(found);
        }
        let Some(terms) = self.terms(samples) else {
            return Ok(found);
        };
        let loss = found.loss.clone() + terms.cast(found.loss.dtype());
        Ok(JointLoss { loss, ..found })
    }

    fn after_update(&mut self, n_updates: u64) {
        self.inner.after_update(n_updates);
        if n_updates.is_multiple_of(self.steps_per_epoch) {
            for (prototypes, sums) in self.prototypes.iter_mut().zip(&self.sums) {
                prototypes.set(renewed(prototypes.get(), sums.value_sync(), self.momentum));
            }
        }
    }

    fn networks(&self) -> Vec<Vec<ParamId>> {
        self.inner.networks()
    }

    fn check(&self, d_features: &[usize]) -> Result<()> {
        check_widths(&self.d_features, d_features)?;
        self.inner.check(d_features)
    }

    fn describe(&self) -> String {
        format!("Pmr, {}", self.inner.describe())
    }

    fn training_only(&self) -> Vec<ParamId> {
        let sums = float_params(&self.sums).into_iter().map(|sum| sum.id);
        let own = sums.chain(self.prototypes.iter().map(Buffer::id));
        own.chain(self.inner.training_only()).collect()
    }
}

#[cfg(all(test, feature = "train"))]
mod tests {
    use burn::tensor::TensorData;

    use super::*;
    use crate::baseline::balanced::testing::{Echo, Labelled, host, numbers};
    use crate::modality::Presence;
    use crate::test_devices;

    fn matrix(values: &[f64], width: usize, device: &Device) -> Tensor<2> {
        let shape = [values.len() / width, width];
        Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
    }

    /// Two modalities of width 2 and three classes. The second lacks its first sample.
    fn batch(device: &Device) -> (Labelled, [Vec<f64>; 2]) {
        let values = [numbers(8, 0.1), numbers(8, 2.3)];
        let presence = [true, false, true, true, true, true, true, true];
        let presence = Presence::from_mask(presence.to_vec(), 2).unwrap();
        let tensors = values.each_ref().map(|values| matrix(values, 2, device));
        let features = ModalityFeatures::new(tensors.to_vec(), presence).unwrap();
        (Labelled::new(features, &[0, 1, 0, 2], device), values)
    }

    fn head(config: PmrConfig) -> Pmr<Echo> {
        config.init(Echo::new(3)).unwrap()
    }

    /// Scores, losses and entropies by loops, and their sum by the formula.
    #[test]
    fn terms_follow_the_formula() {
        // Class 2 has no prototype: the last sample is left out.
        let tables = [
            [0.3, -0.2, 1.0, -0.5, 0.9, 1.0, 0.0, 0.0, 0.0],
            [-0.9, 0.1, 1.0, 0.2, 0.6, 1.0, 0.0, 0.0, 0.0],
        ];
        for device in test_devices() {
            let (batch, values) = batch(&device);
            let config = PmrConfig::new(vec![2, 2], 1).with_alpha(0.7);
            let mut head = head(config.with_entropy_weight(0.3).with_entropy_steps(5));
            for (buffer, table) in head.prototypes.iter_mut().zip(&tables) {
                buffer.set(matrix(table, 3, &device));
            }
            let (mut scores, mut losses, mut entropies) = ([0.0; 2], [0.0; 2], [0.0; 2]);
            for m in 0..2 {
                let rows: &[usize] = if m == 0 { &[0, 1, 2] } else { &[1, 2] };
                for &row in rows {
                    let h = &values[m][2 * row..][..2];
                    let distance = |class: usize| {
                        let c = &tables[m][3 * class..][..2];
                        ((h[0] - c[0]).powi(2) + (h[1] - c[1]).powi(2)).sqrt()
                    };
                    let e = [0, 1].map(|class| (-distance(class)).exp());
                    let p = e.map(|e_k| e_k / (e[0] + e[1]));
                    let share = 1.0 / rows.len() as f64;
                    let label = [0, 1, 0][row];
                    scores[m] += share * p[label];
                    losses[m] -= share * p[label].ln();
                    entropies[m] -= share * (p[0] * p[0].ln() + p[1] * p[1].ln());
                }
            }
            let mut expected = [0.0; 2];
            for m in 0..2 {
                let ratio = scores[m] / scores[1 - m];
                let slow = (1.0 / ratio - 1.0).clamp(0.0, 1.0);
                let fast = (ratio - 1.0).clamp(0.0, 1.0);
                expected[0] += 0.7 * slow * losses[m] - 0.3 * fast * entropies[m];
                expected[1] += 0.7 * slow * losses[m];
            }
            assert!((expected[0] - expected[1]).abs() > 1e-3);
            for (step, expected) in [(4, expected[0]), (5, expected[1])] {
                let found = host(head.terms(&batch.samples(step)).unwrap())[0];
                assert!((found - expected).abs() < 1e-5, "{found}, {expected}");
            }
        }
    }

    #[test]
    fn prototypes_are_means_of_the_epoch_with_momentum() {
        for device in test_devices() {
            let (batch, values) = batch(&device);
            let mut head = head(PmrConfig::new(vec![2, 2], 2).with_momentum(0.25));
            let mut epoch = |first: u64| {
                head.add(&batch.samples(first));
                head.add(&batch.samples(first + 1));
                head.after_update(first + 2);
                let tables = head.prototypes.iter();
                tables.map(|table| host(table.get())).collect::<Vec<_>>()
            };
            let mean = |m: usize, rows: &[usize], column: usize| {
                let column = rows.iter().map(|&row| values[m][2 * row + column]);
                column.sum::<f64>() / rows.len() as f64
            };
            // The same batches again: old and new prototypes are equal.
            for first in [0, 2] {
                let found = epoch(first);
                for (m, rows) in [(0, [&[0, 2][..], &[1], &[3]]), (1, [&[2], &[1], &[3]])] {
                    for (class, rows) in rows.iter().enumerate() {
                        for column in 0..2 {
                            let found = found[m][3 * class + column];
                            assert!((found - mean(m, rows, column)).abs() < 1e-6);
                        }
                        assert_eq!(found[m][3 * class + 2], 1.0);
                    }
                }
            }
            // A class without samples keeps its prototype, others move by 1 - momentum.
            let before = matrix(&[1.0, 1.0, 2.0, 1.0, 5.0, 0.0], 2, &device);
            let sums = matrix(&[6.0, 2.0, 0.0, 0.0, 8.0, 4.0], 2, &device);
            let found = host(renewed(before.clone(), sums.clone(), 0.25));
            assert_eq!(found, [2.5, 1.0, 2.0, 1.0, 2.0, 1.0]);
            // The mean over sixteen parts of an update has the same ratios.
            let found = host(renewed(before, sums / 16.0, 0.25));
            assert_eq!(found, [2.5, 1.0, 2.0, 1.0, 2.0, 1.0]);
        }
    }

    /// Of three modalities, the last has no prototype: the terms are those of the first two.
    #[test]
    fn a_modality_without_prototypes_has_no_score() {
        for device in test_devices() {
            let values = [0.1, 2.3, 4.0].map(|seed| matrix(&numbers(8, seed), 2, &device));
            let batch = |n: usize| {
                let features = ModalityFeatures::complete(values[..n].to_vec()).unwrap();
                Labelled::new(features, &[0, 1, 0, 1], &device)
            };
            let terms = |n: usize, n_known: usize| {
                let config = PmrConfig::new(vec![2; n], 1).with_entropy_weight(0.3);
                let mut head = head(config.with_entropy_steps(5));
                let table = [0.3, -0.2, 1.0, 1.9, 0.9, 1.0, 0.0, 0.0, 0.0];
                for buffer in &mut head.prototypes[..n_known] {
                    buffer.set(matrix(&table, 3, &device));
                }
                let terms = [4, 5].map(|step| head.terms(&batch(n).samples(step)));
                terms.map(|terms| host(terms.unwrap())[0])
            };
            let (found, expected) = (terms(3, 2), terms(2, 2));
            assert!(expected[0] != 0.0 && expected[0] != expected[1]);
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-6, "{found}, {expected}");
            }
            // Nothing to compare with.
            assert_eq!(terms(3, 1), [0.0; 2]);
            assert_eq!(terms(2, 0), [0.0; 2]);
        }
    }

    /// The terms of the loss are there after the first epoch, from the first step to the end.
    #[test]
    fn the_loss_has_the_terms_in_their_steps() {
        for device in test_devices() {
            let values = [0.1, 2.3].map(|seed| matrix(&numbers(8, seed), 2, &device));
            let features = ModalityFeatures::complete(values.to_vec()).unwrap();
            let batch = Labelled::new(features, &[0, 1, 0, 1], &device);
            let config = PmrConfig::new(vec![2, 2], 2).with_first_step(3);
            let config = config.with_end_step(Some(6)).with_entropy_steps(9);
            let mut head = config.init(Echo::new(2)).unwrap();
            for buffer in &mut head.prototypes {
                buffer.set(matrix(&[0.3, -0.2, 1.0, 1.9, 0.9, 1.0], 3, &device));
            }
            let loss = |head: &dyn Fn(&JointSamples) -> Result<JointLoss>, step| {
                host(head(&batch.samples(step)).unwrap().loss)[0]
            };
            for step in 0..8 {
                let plain = loss(&|samples| head.inner.loss(samples), step);
                let found = loss(&|samples| head.loss(samples), step);
                if (3..6).contains(&step) {
                    let terms = host(head.terms(&batch.samples(step)).unwrap())[0];
                    assert!(terms.abs() > 1e-3, "{terms}");
                    assert!((found - plain - terms).abs() < 1e-5, "{step}");
                } else {
                    assert_eq!(found, plain, "{step}");
                }
            }
            let mut early = PmrConfig::new(vec![2, 2], 2).init(Echo::new(2)).unwrap();
            early.prototypes = head.prototypes.clone();
            for step in [0, 1] {
                let plain = loss(&|samples| head.inner.loss(samples), step);
                assert_eq!(loss(&|samples| early.loss(samples), step), plain);
            }
        }
    }

    #[test]
    fn the_first_epoch_and_a_single_modality_have_the_loss_of_the_head() {
        for device in test_devices() {
            let (two, _) = batch(&device);
            let head = head(PmrConfig::new(vec![2, 2], 2).with_first_step(4));
            let alone = Presence::all(4, 2).restricted(&[0, 1, 2, 3], &[1]).unwrap();
            let alone = two.features.with_presence(&alone);
            assert!(
                alone.is_err(),
                "the first sample has the other modality only"
            );
            let one = ModalityFeatures::new(
                two.features.all().to_vec(),
                Presence::all(4, 2).restricted(&[0, 1, 2, 3], &[0]).unwrap(),
            );
            let one = Labelled::new(one.unwrap(), &[0, 0, 0, 0], &device);
            assert!(head.terms(&one.samples(9)).is_none());
            assert!(!head.steps.contain(3) && head.steps.contain(4));
        }
    }

    #[test]
    fn values_outside_of_their_ranges_are_refused() {
        let refused = |config: PmrConfig| config.init(Echo::new(3)).unwrap_err().to_string();
        let config = || PmrConfig::new(vec![2, 2], 5);
        assert!(refused(PmrConfig::new(vec![2], 0)).contains("steps_per_epoch"));
        assert!(refused(PmrConfig::new(vec![], 5)).contains("modalit"));
        assert!(refused(config().with_momentum(1.0)).contains("momentum"));
        assert!(refused(config().with_alpha(-1.0)).contains("alpha"));
        assert!(refused(config().with_entropy_weight(f64::INFINITY)).contains("entropy_weight"));
    }
}

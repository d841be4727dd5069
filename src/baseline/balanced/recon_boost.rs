//! ReconBoost: modalities take turns, each trained where the ensemble of the others is wrong.

use std::collections::HashMap;

use burn::config::Config;
use burn::module::Module;
use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{DType, Device, Tensor, TensorData};

use crate::baseline::joint::{Heads, masked, sum_of};
use crate::baseline::{JointHead, JointLogits, JointLoss, JointSamples, ModalityFeatures};
use crate::error::{MlaError, Result, at_least_one, fraction};
use crate::loss::TrainingLoss;
use crate::modality::{SelectRows, Targets};

/// Configuration of [`ReconBoost`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `d_features` | required | feature width of each modality | each >= 1 |
/// | `n_classes` | required | number of classes | >= 1 |
/// | `stage_steps` | required | number of updates of a modality's stage | >= 1 |
/// | `rectification_steps` | `stage_steps` | number of updates of all modalities after each stage | |
/// | `reconcilement` | 0.2 | weight `lambda` against the others | `[0, 1)`, at most the share of the true class in a smoothed label |
///
/// The published code has stages of 4 epochs, each followed by 4 epochs of rectification, and starts from
/// encoders that are trained alone. Its weights 5 and 1 for CREMA-D are a `lambda` of 0.2, those for AVE and
/// ModelNet40, 4 and 1, one of 0.25.
#[derive(Config, Debug)]
pub struct ReconBoostConfig {
    /// Feature width of each modality.
    pub d_features: Vec<usize>,
    /// Number of classes.
    pub n_classes: usize,
    /// Number of updates of a modality's stage.
    pub stage_steps: u64,
    /// Number of updates of all modalities after each stage.
    pub rectification_steps: Option<u64>,
    /// Weight against the others.
    #[config(default = 0.2)]
    pub reconcilement: f64,
}

/// ReconBoost (Hua et al., "ReconBoost: Boosting Can Achieve Modality Reconcilement", ICML 2024): an ensemble
/// of one linear head per modality, trained by turns as in gradient boosting.
///
/// ```text
/// z_m = h_m W_m + b_m          fused = sum_m z_m
/// p   = softmax(sum over the others of z_j), a constant, at the true class
/// loss of modality m's stage = L(z_m) - lambda sum_i w_i p_i CE_i(z_m) / sum_i w_i
/// loss of the rectification  = L(fused)
/// ```
///
/// with the loss `L` of the model, the cross-entropy `CE_i` of sample `i` without label smoothing, and its weight `w_i`
/// in `L`, that of its class. `lambda` is at most the share of the true class in a smoothed label, or more generally
/// [`TrainingLoss::cross_entropy_share`]: the loss of a stage would have no minimum otherwise. A step with another
/// loss is refused.
///
/// A stage trains the encoder and the head of one modality, in order, and the rectification after it trains
/// everything. Samples that the others get right already count less in a stage, by up to `lambda`. The
/// stage is a function of the number of updates.
///
/// A stage is over the samples that have its modality; `p` is 0 for a sample that has no other. A batch that
/// lacks the modality of the stage trains the next one in order that it has. The unimodal prediction is
/// `z_m`. A missing modality adds nothing to the sum.
#[derive(Module, Debug)]
pub struct ReconBoost {
    heads: Heads,
    stage_steps: u64,
    rectification_steps: u64,
    reconcilement: f64,
}

/// Part of the model that an update trains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Stage { modality: usize },
    Rectification,
}

impl ReconBoostConfig {
    /// Initializes the head on `device`.
    ///
    /// # Errors
    ///
    /// [`MlaError`] for a value outside of the ranges above, or no modality.
    pub fn init(&self, device: &Device) -> Result<ReconBoost> {
        at_least_one("stage_steps", self.stage_steps.min(1) as usize)?;
        fraction("reconcilement", self.reconcilement)?;
        Ok(ReconBoost {
            heads: Heads::init(&self.d_features, self.n_classes, device)?,
            stage_steps: self.stage_steps,
            rectification_steps: self.rectification_steps.unwrap_or(self.stage_steps),
            reconcilement: self.reconcilement,
        })
    }
}

impl ReconBoost {
    fn phase(&self, step: u64, n_modalities: usize) -> Phase {
        let cycle = self.stage_steps.saturating_add(self.rectification_steps);
        if step % cycle < self.stage_steps {
            let modality = (step / cycle % n_modalities as u64) as usize;
            Phase::Stage { modality }
        } else {
            Phase::Rectification
        }
    }

    /// The loss of a modality's stage, over `rows`, which have the modality.
    fn stage_loss(
        &self,
        each: Vec<Tensor<2>>,
        samples: &JointSamples,
        modality: usize,
        rows: &[usize],
    ) -> Result<Tensor<1>> {
        let presence = samples.features.presence();
        let others: Vec<usize> = (0..each.len()).filter(|&m| m != modality).collect();
        let targets = samples.targets.select(rows);
        let logits = each[modality].clone().select_rows(rows)?;
        let loss = samples.loss(logits.clone(), &targets)?;
        let with_others = |&row: &usize| others.iter().any(|&m| presence.is_present(row, m));
        if self.reconcilement == 0.0 || !rows.iter().any(with_others) {
            return Ok(loss);
        }
        let ensemble = masked(each, &samples.features).into_iter().enumerate();
        let ensemble = ensemble.filter(|(m, _)| *m != modality);
        let ensemble = sum_of(ensemble.map(|(_, logits)| logits).collect());
        let ensemble = ensemble.detach().select_rows(rows)?.cast(DType::F32);
        let labels = targets.tensor().unsqueeze_dim::<2>(1);
        let mut p = softmax(ensemble, 1).gather(1, labels.clone());
        let weights = relative_weights(samples.training_loss, &targets);
        let factors = rows.iter().zip(weights);
        let factors: Vec<f32> = factors
            .map(|(row, weight)| f32::from(with_others(row)) * weight)
            .collect();
        if factors.iter().any(|&factor| factor != 1.0) {
            let factors = TensorData::new(factors, [rows.len(), 1]);
            p = p * Tensor::from_data(factors, (&labels.device(), DType::F32));
        }
        let log_q = log_softmax(logits.cast(DType::F32), 1).gather(1, labels);
        let agreement = (p * log_q).mean() * self.reconcilement;
        Ok(loss.clone() + agreement.cast(loss.dtype()))
    }
}

/// The weight of each sample in the mean of the loss, divided by the mean weight.
fn relative_weights(loss: &dyn TrainingLoss, targets: &Targets) -> Vec<f32> {
    let labels = targets.labels();
    let mean = loss.weight(targets) / labels.len() as f64;
    let mut of_label = HashMap::new();
    let weights = labels.iter().enumerate().map(|(row, &label)| {
        let weight = of_label.entry(label);
        *weight.or_insert_with(|| (loss.weight(&targets.select(&[row])) / mean) as f32)
    });
    weights.collect()
}

impl JointHead for ReconBoost {
    fn fuse(&self, features: &ModalityFeatures) -> JointLogits {
        let each = masked(self.heads.each(features), features);
        JointLogits::unweighted(sum_of(each))
    }

    fn unimodal(&self, features: &ModalityFeatures, modality: usize) -> Tensor<2> {
        self.heads.of(modality, features)
    }

    fn loss(&self, samples: &JointSamples) -> Result<JointLoss> {
        samples.targets.check_single("ReconBoost")?;
        let largest = samples.training_loss.cross_entropy_share(self.n_classes());
        if self.reconcilement > largest {
            return Err(MlaError::HyperParameter {
                name: "reconcilement",
                requirement: "at most 1 - label smoothing + label smoothing / n_classes, or the \
                              cross_entropy_share of another loss",
                value: self.reconcilement,
            });
        }
        let features = &samples.features;
        let each = self.heads.each(features);
        let n_modalities = each.len();
        let logits = sum_of(masked(each.clone(), features));
        let loss = match self.phase(samples.step, n_modalities) {
            Phase::Rectification => samples.loss(logits.clone(), samples.targets)?,
            Phase::Stage { modality } => {
                let mut order = (0..n_modalities).map(|turn| (modality + turn) % n_modalities);
                let found = order.find_map(|modality| {
                    let rows = features.presence().rows(modality);
                    (!rows.is_empty()).then_some((modality, rows))
                });
                let (modality, rows) = found.ok_or(MlaError::NothingPresent { sample: 0 })?;
                self.stage_loss(each, samples, modality, &rows)?
            }
        };
        Ok(JointLoss {
            loss,
            logits,
            observed: None,
        })
    }

    fn n_classes(&self) -> usize {
        self.heads.n_outputs()
    }

    fn check(&self, d_features: &[usize]) -> Result<()> {
        self.heads.check(d_features)
    }
}

#[cfg(all(test, feature = "train"))]
mod tests {
    use super::*;
    use crate::baseline::balanced::testing::{Labelled, host, numbers};
    use crate::loss::{BinaryCrossEntropy, CrossEntropyConfig};
    use crate::modality::Presence;
    use crate::test_devices;

    const WIDTHS: [usize; 3] = [2, 3, 1];
    const LABELS: [usize; 4] = [0, 1, 1, 0];

    fn head(device: &Device) -> ReconBoost {
        let config = ReconBoostConfig::new(WIDTHS.to_vec(), 2, 3).with_reconcilement(0.4);
        config
            .with_rectification_steps(Some(2))
            .init(device)
            .unwrap()
    }

    /// Leaves of each modality, and a batch of them.
    fn batch(mask: &[bool], device: &Device) -> (Vec<Tensor<2>>, Labelled) {
        let leaves: Vec<Tensor<2>> = (WIDTHS.iter())
            .map(|&width| {
                let values = numbers(4 * width, width as f64);
                let leaf = Tensor::from_data(TensorData::new(values, [4, width]), device);
                leaf.require_grad()
            })
            .collect();
        let presence = Presence::from_mask(mask.to_vec(), 3).unwrap();
        let features = ModalityFeatures::new(leaves.clone(), presence).unwrap();
        (leaves, Labelled::new(features, &LABELS, device))
    }

    #[test]
    fn modalities_take_turns_between_rectifications() {
        let head = head(&Device::flex());
        let stage = |modality| Phase::Stage { modality };
        for (step, expected) in [
            (0, stage(0)),
            (2, stage(0)),
            (3, Phase::Rectification),
            (4, Phase::Rectification),
            (5, stage(1)),
            (10, stage(2)),
            (15, stage(0)),
        ] {
            assert_eq!(head.phase(step, 3), expected, "{step}");
        }
    }

    /// By loops, with modalities missing, and the gradients of one modality only.
    #[test]
    fn a_stage_corrects_the_others() {
        let all = [true; 12];
        let some = [
            true, false, false, true, true, false, true, true, true, false, true, true,
        ];
        for device in test_devices() {
            let device = device.autodiff();
            let head = head(&device);
            for mask in [all, some] {
                let (leaves, batch) = batch(&mask, &device);
                let each: Vec<Vec<f64>> = (0..3)
                    .map(|m| host(head.heads.of(m, &batch.features)))
                    .collect();
                let z = |m: usize, sample: usize| [each[m][2 * sample], each[m][2 * sample + 1]];
                let softmax = |z: [f64; 2]| {
                    let e = z.map(f64::exp);
                    e.map(|x| x / (e[0] + e[1]))
                };
                let there = |m: usize, sample: usize| mask[3 * sample + m];
                let (mut expected, mut n) = (0.0, 0.0);
                for sample in (0..4).filter(|&sample| there(0, sample)) {
                    let mut sum = [0.0; 2];
                    for m in (1..3).filter(|&m| there(m, sample)) {
                        let z = z(m, sample);
                        sum = [sum[0] + z[0], sum[1] + z[1]];
                    }
                    let label = LABELS[sample];
                    let alone = !there(1, sample) && !there(2, sample);
                    let p = if alone { 0.0 } else { softmax(sum)[label] };
                    expected -= (1.0 - 0.4 * p) * softmax(z(0, sample))[label].ln();
                    n += 1.0;
                }
                let found = head.loss(&batch.samples(0)).unwrap().loss;
                let value = host(found.clone())[0];
                assert!((value - expected / n).abs() < 1e-5, "{value}, {expected}");
                let gradients = found.backward();
                let moved: Vec<bool> = (leaves.iter())
                    .map(|leaf| leaf.grad(&gradients).is_some())
                    .collect();
                assert_eq!(moved, [true, false, false]);
            }
        }
    }

    /// The subtracted term has the weights of the loss: a lighter class cannot outweigh its own loss.
    #[test]
    fn a_stage_keeps_the_weights_of_classes() {
        let weights = [0.1, 4.0];
        for device in test_devices() {
            let device = device.autodiff();
            let head = head(&device);
            let (_, mut batch) = batch(&[true; 12], &device);
            let config = CrossEntropyConfig::new().with_class_weights(Some(weights.to_vec()));
            batch.loss = config.init().unwrap();
            let each: Vec<Vec<f64>> = (0..3)
                .map(|m| host(head.heads.of(m, &batch.features)))
                .collect();
            let p_true = |logits: &dyn Fn(usize) -> f64, label: usize| {
                1.0 / (1.0 + (logits(1 - label) - logits(label)).exp())
            };
            let (mut expected, mut total) = (0.0, 0.0);
            for (sample, &label) in LABELS.iter().enumerate() {
                let others =
                    |class: usize| each[1][2 * sample + class] + each[2][2 * sample + class];
                let own = |class: usize| each[0][2 * sample + class];
                let share = 1.0 - 0.4 * p_true(&others, label);
                expected -= weights[label] * share * p_true(&own, label).ln();
                total += weights[label];
            }
            let found = host(head.loss(&batch.samples(0)).unwrap().loss)[0];
            let expected = expected / total;
            assert!((found - expected).abs() < 1e-5, "{found}, {expected}");
        }
    }

    /// Beyond these values the loss of a stage has no minimum.
    #[test]
    fn a_loss_that_grows_too_slowly_is_refused() {
        let device = Device::flex().autodiff();
        let (_, mut batch) = batch(&[true; 12], &device);
        let smoothed = |smoothing| {
            let config = CrossEntropyConfig::new().with_label_smoothing(Some(smoothing));
            config.init().unwrap()
        };
        let head = head(&device);
        // The true class has 0.75, 0.55 and 0.505 of the label.
        let config = ReconBoostConfig::new(WIDTHS.to_vec(), 2, 3).with_reconcilement(0.6);
        let strong = config.init(&device).unwrap();
        for (smoothing, is_bounded) in [(0.5, true), (0.9, false), (0.99, false)] {
            batch.loss = smoothed(smoothing);
            assert!(head.loss(&batch.samples(0)).is_ok());
            let found = strong.loss(&batch.samples(0));
            assert_eq!(found.is_ok(), is_bounded, "{smoothing}");
            let error = found.err().map(|error| error.to_string());
            assert!(error.is_none_or(|error| error.contains("reconcilement")));
        }
        assert_eq!(BinaryCrossEntropy.cross_entropy_share(4), 0.25);
    }

    #[test]
    fn a_rectification_trains_everything_and_an_absent_modality_gives_its_turn_away() {
        for device in test_devices() {
            let device = device.autodiff();
            let head = head(&device);
            let (leaves, all) = batch(&[true; 12], &device);
            let gradients = head.loss(&all.samples(3)).unwrap().loss.backward();
            assert!(leaves.iter().all(|leaf| leaf.grad(&gradients).is_some()));
            let absent = [true, false, true].repeat(4);
            let (_, absent) = batch(&absent, &device);
            let second = host(head.loss(&absent.samples(5)).unwrap().loss);
            let third = host(head.loss(&absent.samples(10)).unwrap().loss);
            assert_eq!(second, third);
        }
    }

    #[test]
    fn values_outside_of_their_ranges_are_refused() {
        let device = Device::flex();
        let refused = |config: ReconBoostConfig| config.init(&device).unwrap_err().to_string();
        let config = |steps| ReconBoostConfig::new(vec![2, 3], 2, steps);
        assert!(refused(config(0)).contains("stage_steps"));
        assert!(refused(config(1).with_reconcilement(1.0)).contains("reconcilement"));
        assert!(refused(ReconBoostConfig::new(vec![], 2, 1)).contains("modalit"));
    }
}

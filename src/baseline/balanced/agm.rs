//! AGM: gradients through the Shapley value of each modality, scaled by how its loss compares with the
//! others'.

use burn::config::Config;
use burn::module::{Module, ParamId, RunningState};
use burn::tensor::activation::log_softmax;
use burn::tensor::{DType, Tensor};

use crate::baseline::balanced::steps::Steps;
use crate::baseline::joint::mean_of_others;
use crate::baseline::{JointHead, JointLoss, JointSamples, ModalityFeatures};
use crate::error::{MlaError, Result, at_least_one, positive};
use crate::evaluation::shapley_weights;
use crate::modality::{Targets, ZeroRows};
use crate::module::float_params;

/// Configuration of [`Agm`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `n_modalities` | required | number of modalities | >= 1 |
/// | `alpha` | required | strength | (0, inf) |
/// | `first_step` | 0 | the update at which modulation starts | |
/// | `end_step` | none | the first update at which it has ended | above `first_step` |
#[derive(Config, Debug)]
pub struct AgmConfig {
    /// Number of modalities.
    pub n_modalities: usize,
    /// Strength.
    pub alpha: f64,
    /// The update at which modulation starts.
    #[config(default = 0)]
    pub first_step: u64,
    /// The first update at which it has ended.
    pub end_step: Option<u64>,
}

/// Adaptive gradient modulation (Li et al., "Boosting Multi-modal Model Performance with Adaptive Gradient
/// Modulation", ICCV 2023) of a joint head `H`.
///
/// ```text
/// v(S)  = logits of H from the modalities S alone, v({}) = 0
/// phi_m = sum over S without m of |S|! (M - |S| - 1)! / M! (v(S + m) - v(S))      logits = sum_m phi_m
/// s_m   = mean CE(phi_m)                  over the samples that have the modality, at most ln 1e8 each
/// S_m  <- S_m + (s_m - S_m) / t           at update t = 1, 2, .. with the modality, from S_m = 0
/// r_m   = exp(mean of the others' s_j - s_m)
/// tau_m = exp(mean of the others' S_j - S_m)               of S before this update
/// k_m   = exp(alpha min(tau_m - r_m, 10))
/// loss  = CE(sum_m phi_m), in whose backward pass the gradient into phi_m is multiplied by k_m
/// ```
///
/// Of two modalities `phi_1 = (v(1, 2) - v(2) + v(1)) / 2`, as in the paper. A modality that does better
/// than it did so far, compared with the others, is held back; one that falls behind is accelerated. The loss
/// is the model's loss of the fused prediction; a loss of its own that `H` may have is not used. A missing
/// modality contributes nothing to any coalition, and its value is 0. A modality that is absent in the batch
/// or alone in it has `k_m = 1`, and the `S_m` of an absent one stays. `CE` is the plain cross-entropy in `s_m`, and the
/// loss of the model in the last line. A head whose training has stages is refused, because its own loss and its
/// stages do not run.
///
/// The head runs on `2^M - 1` sets of modalities per step, the encoders once. The means `S` and the counts `t` are
/// part of the record, in the precision of the model: in half precision `t` ends at 2048 (f16) or 256 (bf16).
#[derive(Module, Debug)]
pub struct Agm<H: Module> {
    inner: H,
    /// The mean loss of each modality, and the number of updates that had it, `[n_modalities, 2]`.
    means: RunningState<Tensor<2>>,
    n_modalities: usize,
    alpha: f64,
    steps: Steps,
}

/// Bounds the loss of a sample: the cross-entropy of a probability of 1e-8.
const LARGEST_LOSS: f64 = 18.420_680_743_952_367;

/// Bounds the difference of discrepancies.
const LARGEST_DIFFERENCE: f64 = 10.0;

impl AgmConfig {
    /// Modulates a head.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`] for a value outside of the ranges above, and [`MlaError::WrappedHead`] for a
    /// head that is not [selectable](JointHead::is_selectable).
    pub fn init<H: JointHead>(&self, inner: H) -> Result<Agm<H>> {
        at_least_one("n_modalities", self.n_modalities)?;
        if !inner.is_selectable() {
            return Err(MlaError::WrappedHead {
                method: "AGM",
                head: inner.describe(),
                problem: "trains in stages",
            });
        }
        let device = inner.devices().into_iter().next().unwrap_or_default();
        Ok(Agm {
            inner,
            means: RunningState::new(Tensor::zeros([self.n_modalities, 2], &device)),
            n_modalities: self.n_modalities,
            alpha: positive("alpha", self.alpha)?,
            steps: Steps::new(self.first_step, self.end_step)?,
        })
    }
}

/// The Shapley value of each modality for the logits, `[n_samples, n_classes]`; `None` for a modality that
/// is missing in the batch.
fn shapley_logits<H: JointHead>(
    head: &H,
    features: &ModalityFeatures,
) -> Result<Vec<Option<Tensor<2>>>> {
    let (presence, n_samples) = (features.presence(), features.n_samples());
    let modalities = 0..features.n_modalities();
    let players: Vec<usize> = modalities
        .filter(|&modality| !presence.rows(modality).is_empty())
        .collect();
    let weights = shapley_weights(players.len());
    let mut values: Vec<Option<Tensor<2>>> = vec![None; features.n_modalities()];
    for coalition in 1..1_usize << players.len() {
        let is_member = |player: usize| coalition & (1 << player) != 0;
        let members = players.iter().enumerate();
        let members = members.filter(|(player, _)| is_member(*player));
        let members: Vec<usize> = members.map(|(_, &modality)| modality).collect();
        let rows = presence.rows_with_any(&members);
        if rows.is_empty() {
            continue;
        }
        let logits = head.fuse(&features.restricted(&rows, &members)?).logits;
        let logits = if rows.len() == n_samples {
            logits
        } else {
            logits.place_rows(&rows, n_samples)?
        };
        for (player, &modality) in players.iter().enumerate() {
            let weight = if is_member(player) {
                weights[members.len() - 1]
            } else {
                -weights[members.len()]
            };
            let term = logits.clone() * weight;
            let value = &mut values[modality];
            *value = Some(match value.take() {
                None => term,
                Some(sum) => sum + term,
            });
        }
    }
    Ok(values)
}

/// The mean loss of each modality's value over the samples that have it, `[1]` in f32.
fn losses(
    values: &[Option<Tensor<2>>],
    features: &ModalityFeatures,
    targets: &Targets,
) -> Vec<Option<Tensor<1>>> {
    let loss = |(modality, value): (usize, &Option<Tensor<2>>)| {
        let value = value.clone()?.detach().cast(DType::F32);
        let labels = targets.tensor().unsqueeze_dim::<2>(1);
        let losses = log_softmax(value, 1).gather(1, labels).neg();
        let losses = losses.clamp_max(LARGEST_LOSS);
        Some(match features.present(modality) {
            None => losses.mean(),
            Some(present) => {
                let present = present.detach().cast(DType::F32);
                (losses * present.clone()).sum() / present.sum()
            }
        })
    };
    values.iter().enumerate().map(loss).collect()
}

/// `exp` of the mean of the others' losses minus the modality's, `[1]`; `None` unless there are both.
fn ratio(losses: &[Option<Tensor<1>>], modality: usize) -> Option<Tensor<1>> {
    let others = mean_of_others(losses, modality)?;
    Some((others - losses[modality].clone()?).exp())
}

impl<H: JointHead> Agm<H> {
    /// The coefficient of each modality, `[1]`; `None` for 1.
    fn coefficients(
        &self,
        losses: &[Option<Tensor<1>>],
        means: &Tensor<1>,
    ) -> Vec<Option<Tensor<1>>> {
        let mean = |modality: usize| means.clone().slice([modality..modality + 1]);
        // Only of the modalities that the batch has.
        let so_far = losses.iter().enumerate();
        let so_far: Vec<_> = so_far
            .map(|(modality, loss)| loss.as_ref().map(|_| mean(modality)))
            .collect();
        let coefficient = |modality| {
            let difference = ratio(&so_far, modality)? - ratio(losses, modality)?;
            let difference = difference.clamp_max(LARGEST_DIFFERENCE);
            Some((difference * self.alpha).exp())
        };
        (0..losses.len()).map(coefficient).collect()
    }
}

/// The running means and counts after an update, `[n_modalities, 2]`.
fn after(means: Tensor<2>, losses: &[Option<Tensor<1>>]) -> Tensor<2> {
    let each = losses.iter().enumerate().map(|(modality, loss)| {
        let entry = |column: usize| {
            let entry = means.clone();
            entry.slice([modality..modality + 1, column..column + 1])
        };
        let (mean, count) = (entry(0), entry(1));
        let Some(loss) = loss.clone() else {
            return Tensor::cat(vec![mean, count], 1);
        };
        let count = count + 1.0;
        let difference = loss.unsqueeze_dim::<2>(0) - mean.clone();
        Tensor::cat(vec![mean + difference / count.clone(), count], 1)
    });
    Tensor::cat(each.collect(), 0)
}

impl<H: JointHead> JointHead for Agm<H> {
    super::predict_as_inner!();

    fn unimodal(&self, features: &ModalityFeatures, modality: usize) -> Tensor<2> {
        self.inner.unimodal(features, modality)
    }

    fn loss(&self, samples: &JointSamples) -> Result<JointLoss> {
        samples.targets.check_single("AGM")?;
        let features = &samples.features;
        let values = shapley_logits(&self.inner, features)?;
        let losses = losses(&values, features, samples.targets);
        let means = self.means.value_sync();
        let dtype = means.dtype();
        let means = means.to_device(&features.device()).cast(DType::F32);
        let coefficients = if self.steps.contain(samples.step) {
            let column = means.clone().slice([0..losses.len(), 0..1]);
            self.coefficients(&losses, &column.squeeze_dim::<1>(1))
        } else {
            vec![None; losses.len()]
        };
        let means = after(means, &losses);
        self.means.update(means.detach().cast(dtype));

        let scaled = values.into_iter().zip(coefficients);
        let scaled = scaled.filter_map(|(value, coefficient)| {
            let value = value?;
            Some(match coefficient {
                None => value,
                Some(k) => {
                    let k = k.cast(value.dtype()).unsqueeze_dim::<2>(0);
                    // The value itself, through which `k` times the gradient flows.
                    (value.clone() - value.clone().detach()) * k + value.detach()
                }
            })
        });
        let logits = scaled.reduce(|sum, value| sum + value);
        let logits = logits.ok_or(MlaError::NothingPresent { sample: 0 })?;
        Ok(JointLoss {
            loss: samples.loss(logits.clone(), samples.targets)?,
            logits,
            observed: None,
        })
    }

    fn networks(&self) -> Vec<Vec<ParamId>> {
        self.inner.networks()
    }

    fn check(&self, d_features: &[usize]) -> Result<()> {
        if d_features.len() != self.n_modalities {
            return Err(MlaError::ModalityCount {
                what: "AGM",
                expected: self.n_modalities,
                got: d_features.len(),
            });
        }
        self.inner.check(d_features)
    }

    fn describe(&self) -> String {
        format!("Agm, {}", self.inner.describe())
    }

    fn training_only(&self) -> Vec<ParamId> {
        let means = float_params(&self.means).into_iter().map(|mean| mean.id);
        means.chain(self.inner.training_only()).collect()
    }
}

#[cfg(all(test, feature = "train"))]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;
    use crate::baseline::balanced::testing::{Echo, Labelled, echoed, host, numbers};
    use crate::baseline::{ConcatConfig, FilmConfig, MminConfig};
    use crate::evaluation::shapley_values;
    use crate::modality::Presence;
    use crate::test_devices;

    fn features(n: usize, mask: Option<Vec<bool>>, device: &Device) -> ModalityFeatures {
        let each = [2, 3, 1].map(|width| {
            let values = numbers(n * width, width as f64);
            Tensor::from_data(TensorData::new(values, [n, width]), device)
        });
        let presence = match mask {
            None => Presence::all(n, 3),
            Some(mask) => Presence::from_mask(mask, 3).unwrap(),
        };
        ModalityFeatures::new(each.to_vec(), presence).unwrap()
    }

    /// Against the Shapley values of each logit, coalition by coalition.
    #[test]
    fn logits_are_split_by_shapley_values() {
        let gaps = [
            true, true, true, true, false, true, false, true, true, true, false, false,
        ];
        for device in test_devices() {
            device.seed(1);
            let head = FilmConfig::new(vec![2, 3, 1], 2).with_base(1);
            let head = head.init(&device).unwrap();
            for mask in [None, Some(gaps.to_vec())] {
                let features = features(4, mask, &device);
                let found = shapley_logits(&head, &features).unwrap();
                let found: Vec<Vec<f64>> = found.into_iter().map(|x| host(x.unwrap())).collect();
                for (sample, class) in (0..4).flat_map(|sample| [(sample, 0), (sample, 1)]) {
                    let worth = |coalition: usize| {
                        let members = |&m: &usize| {
                            coalition & (1 << m) != 0 && features.presence().is_present(sample, m)
                        };
                        let members: Vec<usize> = (0..3).filter(members).collect();
                        if members.is_empty() {
                            return 0.0;
                        }
                        let alone = features.restricted(&[sample], &members).unwrap();
                        host(head.fuse(&alone).logits)[class]
                    };
                    let worths: Vec<f64> = (0..8).map(worth).collect();
                    let expected = shapley_values(&worths).unwrap();
                    for (found, expected) in found.iter().zip(expected) {
                        let found = found[2 * sample + class];
                        assert!((found - expected).abs() < 1e-5, "{found}, {expected}");
                    }
                }
            }
        }
    }

    #[test]
    fn coefficients_follow_the_formula() {
        for device in test_devices() {
            let head = AgmConfig::new(3, 0.7).init(Echo::new(2)).unwrap();
            let one = |x: f64| Tensor::<1>::full([1], x, (&device, DType::F32));
            let means = Tensor::from_floats([0.5, 0.2, 0.9], &device);
            // The third modality is absent.
            let losses = [Some(one(0.4)), Some(one(0.8)), None];
            let found = head.coefficients(&losses, &means);
            let expected = [
                (0.7 * ((0.2_f64 - 0.5).exp() - (0.8_f64 - 0.4).exp())).exp(),
                (0.7 * ((0.5_f64 - 0.2).exp() - (0.4_f64 - 0.8).exp())).exp(),
            ];
            assert!(found[2].is_none());
            for (found, expected) in found.into_iter().flatten().zip(expected) {
                assert!((host(found)[0] - expected).abs() < 1e-6);
            }
            // Each mean is over the updates that had the modality.
            let counted = Tensor::from_floats([[0.5, 4.0], [0.2, 0.0], [0.9, 7.0]], &device);
            let after = host(after(counted, &losses));
            let expected = [0.5 + (0.4 - 0.5) / 5.0, 5.0, 0.8, 1.0, 0.9, 7.0];
            for (found, expected) in after.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-6);
            }
            // The bound.
            let far = [Some(one(0.0)), Some(one(0.0)), None];
            let far_means = Tensor::from_floats([0.0, 30.0, 0.0], &device);
            let found = head.coefficients(&far, &far_means);
            let largest = host(found[0].clone().unwrap())[0];
            assert!((largest / 7.0_f64.exp() - 1.0).abs() < 1e-4, "{largest}");
            let alone = [Some(one(0.4)), None, None];
            assert!(
                head.coefficients(&alone, &means)
                    .iter()
                    .all(Option::is_none)
            );
        }
    }

    #[test]
    fn losses_are_bounded_and_means_over_what_is_present() {
        for device in test_devices() {
            let batch = echoed(&[1e-12, 0.8], &device);
            let values = shapley_logits(&Echo::new(2), &batch.features).unwrap();
            // Shapley values of a sum are its terms.
            let found = losses(&values, &batch.features, &batch.targets);
            let expected = [LARGEST_LOSS, -(0.8_f64.ln())];
            for (found, expected) in found.into_iter().zip(expected) {
                assert!((host(found.unwrap())[0] - expected).abs() < 1e-4);
            }
            // The first sample lacks the second modality, the third one the first.
            let logits = [[0.3, 1.0], [-0.2, 0.7], [0.9, 0.1]];
            let mask = [true, false, true, true, false, true];
            let labels = [0, 1, 0];
            let each = vec![Tensor::<2>::from_floats(logits, &device); 2];
            let presence = Presence::from_mask(mask.to_vec(), 2).unwrap();
            let features = ModalityFeatures::new(each, presence).unwrap();
            let batch = Labelled::new(features, &labels, &device);
            let values = shapley_logits(&Echo::new(2), &batch.features).unwrap();
            let found = losses(&values, &batch.features, &batch.targets);
            for (modality, found) in found.into_iter().enumerate() {
                let there = (0..3).filter(|sample| mask[2 * sample + modality]);
                let each = there.map(|sample| {
                    let (z, label) = (logits[sample].map(f64::from), labels[sample]);
                    (z[0].exp() + z[1].exp()).ln() - z[label]
                });
                let expected = each.sum::<f64>() / 2.0;
                let found = host(found.unwrap())[0];
                assert!((found - expected).abs() < 1e-5, "{found}, {expected}");
            }
        }
    }

    #[test]
    fn a_head_that_trains_in_stages_is_refused() {
        let device = Device::flex();
        let staged = MminConfig::new(vec![3, 4], 2, 1).init(&device).unwrap();
        let refused = AgmConfig::new(2, 0.5).init(staged).map(|_| ());
        assert!(matches!(
            refused,
            Err(MlaError::WrappedHead { method: "AGM", .. })
        ));
    }

    /// The gradient into an encoder of a concatenation is `k` times the plain one.
    #[test]
    fn the_gradient_of_each_modality_is_scaled() {
        for device in test_devices() {
            let device = device.autodiff();
            device.seed(5);
            let head = ConcatConfig::new(vec![2, 3, 1], 2).init(&device).unwrap();
            let gradients = |head: &dyn Fn(&JointSamples) -> Result<JointLoss>| {
                let features = features(4, None, &device);
                let leaves = features.all().iter().cloned();
                let leaves: Vec<Tensor<2>> = leaves.map(Tensor::require_grad).collect();
                let features = ModalityFeatures::complete(leaves.clone()).unwrap();
                let batch = Labelled::new(features, &[0, 1, 1, 0], &device);
                let loss = head(&batch.samples(0)).unwrap().loss;
                let gradients = loss.clone().backward();
                let each = leaves
                    .iter()
                    .map(|leaf| host(leaf.grad(&gradients).unwrap()));
                (host(loss)[0], each.collect::<Vec<_>>())
            };
            let (loss, plain) = gradients(&|samples| head.loss(samples));
            let agm = AgmConfig::new(3, 4.0).init(head.clone()).unwrap();
            let (same, scaled) = gradients(&|samples| agm.loss(samples));
            assert!((loss - same).abs() < 1e-6);
            let features = features(4, None, &device);
            let batch = Labelled::new(features, &[0, 1, 1, 0], &device);
            let values = shapley_logits(&head, &batch.features).unwrap();
            let losses = losses(&values, &batch.features, &batch.targets);
            let k = agm.coefficients(&losses, &Tensor::zeros([3], &device));
            let mut largest = 0.0_f64;
            for ((plain, scaled), k) in plain.iter().zip(&scaled).zip(k) {
                let k = host(k.unwrap())[0];
                largest = largest.max((k - 1.0).abs());
                for (plain, scaled) in plain.iter().zip(scaled) {
                    assert!((k * plain - scaled).abs() < 1e-6, "{k}, {plain}, {scaled}");
                }
            }
            assert!(largest > 0.1, "{largest}");
        }
    }
}

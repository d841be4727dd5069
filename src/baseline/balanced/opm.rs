//! OPM: features of the modality that is ahead are dropped in the forward pass.

use burn::config::Config;
use burn::module::{Module, ParamId};
use burn::tensor::{DType, Distribution, Tensor};

use crate::baseline::balanced::steps::Steps;
use crate::baseline::joint::{ratio_to_others, unimodal_scores};
use crate::baseline::{JointHead, JointLoss, JointSamples, ModalityFeatures};
use crate::error::{MlaError, Result, not_negative, share};
use crate::modality::Presence;

/// Configuration of [`Opm`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `base_rate` | 0.5 | drop rate `q_base` of a modality that is barely ahead | `[0, 1]` |
/// | `slope` | 0.5 | increase `lambda` of the rate with the lead | `[0, inf)` |
/// | `batch_rate` | 0.7 | probability that a batch is modulated | `[0, 1]` |
/// | `first_step` | 0 | the update at which modulation starts | |
/// | `end_step` | none | the first update at which it has ended | above `first_step` |
///
/// The defaults are those of the published code, which starts after a warm-up of 6 epochs.
#[derive(Config, Debug)]
pub struct OpmConfig {
    /// Drop rate of a modality that is barely ahead.
    #[config(default = 0.5)]
    pub base_rate: f64,
    /// Increase of the rate with the lead.
    #[config(default = 0.5)]
    pub slope: f64,
    /// Probability that a batch is modulated.
    #[config(default = 0.7)]
    pub batch_rate: f64,
    /// The update at which modulation starts.
    #[config(default = 0)]
    pub first_step: u64,
    /// The first update at which it has ended.
    pub end_step: Option<u64>,
}

/// On-the-fly prediction modulation (Wei et al., "On-the-fly Modulation for Balanced Multimodal Learning",
/// TPAMI 2024) of a joint head `H`.
///
/// ```text
/// s_m, rho_m   as in OGM: score of the true class, divided by the mean score of the others
/// q_m   = min(1, q_base (1 + lambda tanh(rho_m - 1))) if rho_m > 1, else 0
/// theta = sum_m d_m q_m / sum_m d_m
/// h_m   <- u h_m / (1 - theta),   u ~ Bernoulli(1 - q_m) for each sample
/// ```
///
/// over the modalities that the batch has, where `d_m` is the width of `h_m`. A dropped modality is missing
/// for the head, which then computes its own loss. A sample whose modalities would all be dropped keeps them. A head
/// that trains on hidden inputs is refused: they would stay where the modality is dropped.
///
/// Random numbers come from the device. A step reads the drawn mask back once.
#[derive(Module, Debug)]
pub struct Opm<H: Module> {
    inner: H,
    base_rate: f64,
    slope: f64,
    batch_rate: f64,
    steps: Steps,
}

impl OpmConfig {
    /// Modulates a head.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`] for a value outside of the ranges above, and [`MlaError::WrappedHead`] for a
    /// head that [uses](JointHead::uses_hidden) hidden inputs.
    pub fn init<H: JointHead>(&self, inner: H) -> Result<Opm<H>> {
        if inner.uses_hidden() {
            return Err(MlaError::WrappedHead {
                method: "OPM",
                head: inner.describe(),
                problem: "trains on hidden inputs, which OPM does not drop",
            });
        }
        share("base_rate", self.base_rate)?;
        share("batch_rate", self.batch_rate)?;
        Ok(Opm {
            inner,
            base_rate: self.base_rate,
            slope: not_negative("slope", self.slope)?,
            batch_rate: self.batch_rate,
            steps: Steps::new(self.first_step, self.end_step)?,
        })
    }
}

impl<H: JointHead> Opm<H> {
    /// The drop rate of each modality, `[1]`, 0 for one that is not ahead.
    fn rates(&self, samples: &JointSamples) -> Result<Vec<Tensor<1>>> {
        let plain = samples.features.without_autodiff();
        let scores = unimodal_scores(&self.inner.valid(), &plain, samples.targets)?;
        let zero = || Tensor::zeros([1], (&plain.device(), DType::F32));
        let rate = |modality| {
            let Some(ratio) = ratio_to_others(&scores, modality) else {
                return zero();
            };
            let lead = (ratio.clone() - 1.0).tanh();
            let rate = (lead * self.slope + 1.0) * self.base_rate;
            let not_ahead = ratio.lower_equal_elem(1.0);
            rate.clamp_max(1.0).mask_fill(not_ahead, 0.0)
        };
        Ok((0..scores.len()).map(rate).collect())
    }

    /// The features after a random drop.
    fn drop_from(
        &self,
        features: &ModalityFeatures,
        rates: Vec<Tensor<1>>,
    ) -> Result<ModalityFeatures> {
        let (n_samples, n_modalities) = (features.n_samples(), features.n_modalities());
        let options = (&rates[0].device(), DType::F32);
        let uniform = Distribution::Uniform(0.0, 1.0);
        let drawn = Tensor::<1>::random([1 + n_samples * n_modalities], uniform, options);
        let numbers = rates.into_iter().chain([drawn]).collect();
        let numbers: Vec<f64> = Tensor::cat(numbers, 0)
            .try_into_vec_as()
            .map_err(MlaError::read("the drop rates"))?;
        let (rates, drawn) = numbers.split_at(n_modalities);
        if drawn[0] >= self.batch_rate {
            return Ok(features.clone());
        }
        let mask = kept(features.presence(), rates, &drawn[1..]);
        let kept = features.with_presence(&Presence::from_mask(mask, n_modalities)?)?;
        // One modality of those that the batch has is not ahead: the scale is finite.
        let scale = 1.0 / (1.0 - dropped_share(features, rates));
        let scaled = kept.all().iter();
        let scaled = scaled.map(|features| features.clone() * scale).collect();
        ModalityFeatures::new(scaled, kept.presence().clone())
    }
}

/// Which entries of the modality mask stay, of samples that keep at least one.
fn kept(presence: &Presence, rates: &[f64], drawn: &[f64]) -> Vec<bool> {
    let n_modalities = rates.len();
    let mut mask = Vec::with_capacity(drawn.len());
    for (sample, drawn) in drawn.chunks_exact(n_modalities).enumerate() {
        let stays = |m: usize| presence.is_present(sample, m) && drawn[m] >= rates[m];
        let any = (0..n_modalities).any(stays);
        mask.extend((0..n_modalities).map(|m| stays(m) || !any));
    }
    mask
}

/// The expected share of features that are dropped, of the modalities that the batch has.
fn dropped_share(features: &ModalityFeatures, rates: &[f64]) -> f64 {
    let (mut dropped, mut all) = (0.0, 0.0);
    for (modality, rate) in rates.iter().enumerate() {
        if !features.presence().rows(modality).is_empty() {
            let width = features.all()[modality].dims()[1] as f64;
            dropped += rate * width;
            all += width;
        }
    }
    dropped / all
}

impl<H: JointHead> JointHead for Opm<H> {
    super::predict_as_inner!();
    super::train_as_inner!();

    fn unimodal(&self, features: &ModalityFeatures, modality: usize) -> Tensor<2> {
        self.inner.unimodal(features, modality)
    }

    fn loss(&self, samples: &JointSamples) -> Result<JointLoss> {
        samples.targets.check_single("OPM")?;
        if !self.steps.contain(samples.step) {
            return self.inner.loss(samples);
        }
        let rates = self.rates(samples)?;
        self.inner.loss(&JointSamples {
            features: self.drop_from(&samples.features, rates)?,
            ..samples.clone()
        })
    }

    fn after_update(&mut self, n_updates: u64) {
        self.inner.after_update(n_updates);
    }

    fn networks(&self) -> Vec<Vec<ParamId>> {
        self.inner.networks()
    }

    fn check(&self, d_features: &[usize]) -> Result<()> {
        self.inner.check(d_features)
    }

    fn describe(&self) -> String {
        format!("Opm, {}", self.inner.describe())
    }

    fn training_only(&self) -> Vec<ParamId> {
        self.inner.training_only()
    }
}

#[cfg(all(test, feature = "train"))]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::baseline::balanced::testing::{Echo, echoed, host};
    use crate::baseline::{AeConfig, ImputeConfig, ImputeTarget};
    use crate::test_devices;

    #[test]
    fn rates_grow_with_the_lead() {
        for device in test_devices() {
            let head = OpmConfig::new().init(Echo::new(2)).unwrap();
            // Leads of 4 and of 0.6 / 0.5 and 0.8 / 0.4.
            for (scores, leads) in [
                (vec![0.8, 0.2], vec![4.0, 0.25]),
                (vec![0.6, 0.2, 0.8], vec![1.2, 0.2 / 0.7, 2.0]),
                (vec![0.7], vec![0.0]),
            ] {
                let batch = echoed(&scores, &device);
                let found = head.rates(&batch.samples(0)).unwrap();
                for (found, lead) in found.into_iter().zip(leads) {
                    let rate = 0.5 * (1.0 + 0.5 * (lead - 1.0_f64).tanh());
                    let expected = if lead > 1.0 { rate } else { 0.0 };
                    assert!((host(found)[0] - expected).abs() < 1e-6, "{scores:?}");
                }
            }
        }
    }

    #[test]
    fn a_sample_keeps_a_modality() {
        let presence = Presence::from_mask(vec![true, true, true, false, false, true], 2).unwrap();
        // The second sample has the first modality only, which is dropped.
        let found = kept(&presence, &[0.5, 0.0], &[0.4, 0.0, 0.4, 0.0, 0.4, 0.0]);
        assert_eq!(found, [false, true, true, true, false, true]);
        let found = kept(&presence, &[0.5, 0.0], &[0.5; 6]);
        assert_eq!(found, [true, true, true, false, false, true]);
    }

    /// A feature is dropped with its rate, and what stays makes up for it.
    #[test]
    fn features_are_dropped_with_their_rates() {
        for device in test_devices() {
            let ones = |width| Tensor::<2>::ones([2000, width], &device);
            let features = ModalityFeatures::complete(vec![ones(3), ones(1)]).unwrap();
            let config = OpmConfig::new().with_batch_rate(1.0);
            let head = config.init(Echo::new(2)).unwrap();
            let rates = [0.4_f64, 0.0].map(|q| Tensor::full([1], q, (&device, DType::F32)));
            device.seed(3);
            let found = head.drop_from(&features, rates.to_vec()).unwrap();
            let share = found.presence().missing_share(0);
            assert!((share - 0.4).abs() < 0.05, "{share}");
            assert_eq!(found.presence().missing_share(1), 0.0);
            let scale = 1.0 / (1.0 - 0.3);
            for (row, values) in host(found.modality(0)).chunks(3).enumerate() {
                let there = f64::from(found.presence().is_present(row, 0));
                assert!(values.iter().all(|x| (x - there * scale).abs() < 1e-6));
            }
            let batches = OpmConfig::new().with_batch_rate(0.0);
            let head = batches.init(Echo::new(2)).unwrap();
            let found = head.drop_from(&features, rates.to_vec()).unwrap();
            assert!(found.presence().is_complete());
        }
    }

    /// With a rate of 1 for the modality that is ahead, every sample loses it, and the other one counts twice.
    #[test]
    fn the_loss_is_modulated_in_its_steps() {
        for device in test_devices() {
            let config = OpmConfig::new().with_base_rate(1.0).with_slope(0.0);
            let config = config.with_batch_rate(1.0).with_first_step(2);
            let head = config.with_end_step(Some(4)).init(Echo::new(2)).unwrap();
            let batch = echoed(&[0.8, 0.2], &device);
            for step in 0..6 {
                let found = head.loss(&batch.samples(step)).unwrap();
                // Logits of ln 4 and -ln 4 for class 1, of which the sum is 0.
                let expected = if (2..4).contains(&step) {
                    17.0_f64.ln()
                } else {
                    2.0_f64.ln()
                };
                let found = host(found.loss)[0];
                assert!((found - expected).abs() < 1e-5, "{step}: {found}");
            }
        }
    }

    #[test]
    fn a_head_that_trains_on_hidden_inputs_is_refused() {
        let device = Device::flex();
        let impute = ImputeConfig::new().with_target(ImputeTarget::Oracle);
        let oracle = AeConfig::new(vec![3, 4], 2).with_impute(impute);
        let refused = OpmConfig::new().init(oracle.init(&device).unwrap());
        assert!(matches!(
            refused.map(|_| ()),
            Err(MlaError::WrappedHead { method: "OPM", .. })
        ));
    }

    #[test]
    fn values_outside_of_their_ranges_are_refused() {
        let refused = |config: OpmConfig| config.init(Echo::new(2)).unwrap_err().to_string();
        assert!(refused(OpmConfig::new().with_base_rate(1.5)).contains("base_rate"));
        assert!(refused(OpmConfig::new().with_slope(-1.0)).contains("slope"));
        assert!(refused(OpmConfig::new().with_batch_rate(f64::NAN)).contains("batch_rate"));
        assert!(refused(OpmConfig::new().with_end_step(Some(0))).contains("end_step"));
    }
}

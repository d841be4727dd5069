//! Late fusion: the mean of unimodal logits, trained on the mean or as an ensemble.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::baseline::joint::heads::{Heads, masked, mean_of_present};
use crate::baseline::{JointHead, JointLogits, JointLoss, JointSamples, ModalityFeatures};
use crate::error::{MlaError, Result};
use crate::fusion::temperatures;
use crate::modality::SelectRows;
use crate::module::Buffer;

/// Configuration of [`LateFusion`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `d_features` | required | feature width of each modality | each >= 1 |
/// | `n_classes` | required | number of classes | >= 1 |
/// | `unimodal_losses` | false | trains each head on its own prediction instead of on their mean | |
#[derive(Config, Debug)]
pub struct LateFusionConfig {
    /// Feature width of each modality.
    pub d_features: Vec<usize>,
    /// Number of classes.
    pub n_classes: usize,
    /// Whether each head is trained on its own prediction.
    #[config(default = false)]
    pub unimodal_losses: bool,
}

/// Late fusion: one head per modality. The prediction is the mean of their logits over the modalities
/// present.
///
/// The loss is that of that mean. With
/// [`unimodal_losses`](LateFusionConfig::unimodal_losses) it is the sum of the losses of the heads, each over the samples that have its modality. The encoders then train independently, and
/// the model is an ensemble of unimodal models.
///
/// The unimodal prediction is the output of the modality's head.
///
/// [`calibrate`](crate::evaluation::calibrate) and `fit` find one temperature per modality. They divide
/// the logits before the mean is taken.
#[derive(Module, Debug)]
pub struct LateFusion {
    heads: Heads,
    calibration: Buffer<1>,
    unimodal_losses: bool,
}

impl LateFusionConfig {
    /// Initializes the head on `device`.
    ///
    /// # Errors
    ///
    /// [`MlaError`](crate::MlaError) for a value outside of the ranges above, or no modality.
    pub fn init(&self, device: &Device) -> Result<LateFusion> {
        Ok(LateFusion {
            heads: Heads::init(&self.d_features, self.n_classes, device)?,
            calibration: temperatures::uncalibrated(self.d_features.len(), device)?,
            unimodal_losses: self.unimodal_losses,
        })
    }
}

impl JointHead for LateFusion {
    fn fuse(&self, features: &ModalityFeatures) -> JointLogits {
        let each = self.heads.each(features).into_iter().enumerate();
        let each = each.map(|(m, logits)| temperatures::divide(&self.calibration, m, logits));
        let each = masked(each.collect(), features);
        JointLogits::unweighted(mean_of_present(each, features))
    }

    fn unimodal(&self, features: &ModalityFeatures, modality: usize) -> Tensor<2> {
        self.heads.of(modality, features)
    }

    fn loss(&self, samples: &JointSamples) -> Result<JointLoss> {
        let features = &samples.features;
        let each = self.heads.each(features);
        let logits = mean_of_present(masked(each.clone(), features), features);
        let loss = if self.unimodal_losses {
            unimodal_losses(&each, samples)?
        } else {
            samples.loss(logits.clone(), samples.targets)?
        };
        Ok(JointLoss {
            loss,
            logits,
            observed: None,
        })
    }

    fn set_temperatures(&mut self, temperatures: &[f64]) -> Result<bool> {
        let [expected] = self.calibration.dims();
        if temperatures.len() != expected {
            return Err(MlaError::ModalityCount {
                what: "a late fusion",
                expected,
                got: temperatures.len(),
            });
        }
        temperatures::replace(&mut self.calibration, temperatures)?;
        Ok(true)
    }

    /// Without unimodal losses, which are means over the samples that have a modality.
    fn is_divisible(&self) -> bool {
        !self.unimodal_losses
    }

    fn n_classes(&self) -> usize {
        self.heads.n_outputs()
    }

    fn check(&self, d_features: &[usize]) -> Result<()> {
        self.heads.check(d_features)
    }
}

/// Sum of the mean losses of the modalities, each over the samples that have the modality.
pub(in crate::baseline) fn unimodal_losses(
    each: &[Tensor<2>],
    samples: &JointSamples,
) -> Result<Tensor<1>> {
    let presence = samples.features.presence();
    let mut sum: Option<Tensor<1>> = None;
    for (modality, logits) in each.iter().enumerate() {
        let rows = presence.rows(modality);
        let loss = match rows.len() {
            0 => continue,
            n if n == presence.n_samples() => samples.loss(logits.clone(), samples.targets)?,
            _ => {
                let logits = logits.clone().select_rows(&rows)?;
                samples.loss(logits, &samples.targets.select(&rows))?
            }
        };
        sum = Some(match sum {
            None => loss,
            Some(sum) => sum + loss,
        });
    }
    Ok(sum.expect("every sample has a modality"))
}

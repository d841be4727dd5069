//! A joint head with a classifier per modality beside it, trained on the sum of all losses.

use burn::config::Config;
use burn::module::{Module, ParamId};
use burn::tensor::Tensor;

use crate::baseline::joint::{Heads, unimodal_losses};
use crate::baseline::{JointHead, JointLoss, JointSamples, ModalityFeatures};
use crate::error::Result;
use crate::module::param_ids;

/// Configuration of [`Assisted`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `d_features` | required | feature width of each modality | each >= 1 |
#[derive(Config, Debug)]
pub struct AssistedConfig {
    /// Feature width of each modality.
    pub d_features: Vec<usize>,
}

/// A joint head with unimodal assistance: a linear classifier per modality, which only trains the
/// encoders.
///
/// ```text
/// loss = L_H + sum_m CE(h_m W_m + b_m)
/// ```
///
/// with the loss `L_H` of the head `H`, and each term over the samples that have the modality. In a
/// [`Joint`](crate::baseline::Joint) it is the uniform baseline of the MMPareto paper (Wei and Hu, ICML
/// 2024); [`MmPareto`](crate::baseline::MmPareto) combines the gradients of the same losses.
///
/// The fused prediction is that of `H`. The unimodal prediction is the output of the modality's classifier.
#[derive(Module, Debug)]
pub struct Assisted<H: Module> {
    pub(super) inner: H,
    classifiers: Heads,
}

impl AssistedConfig {
    /// Adds classifiers to a head, on its device.
    ///
    /// # Errors
    ///
    /// [`MlaError`](crate::MlaError) for feature widths outside of the ranges above, or that `inner` does
    /// not fit.
    pub fn init<H: JointHead>(&self, inner: H) -> Result<Assisted<H>> {
        inner.check(&self.d_features)?;
        let device = inner.devices().into_iter().next().unwrap_or_default();
        let classifiers = Heads::init(&self.d_features, inner.n_classes(), &device)?;
        Ok(Assisted { inner, classifiers })
    }
}

impl<H: JointHead> Assisted<H> {
    /// The sum of the losses of the classifiers.
    pub(super) fn unimodal_loss(&self, samples: &JointSamples) -> Result<Tensor<1>> {
        unimodal_losses(&self.classifiers.each(&samples.features), samples)
    }
}

impl<H: JointHead> JointHead for Assisted<H> {
    super::predict_as_inner!();
    super::train_as_inner!();

    fn unimodal(&self, features: &ModalityFeatures, modality: usize) -> Tensor<2> {
        self.classifiers.of(modality, features)
    }

    fn loss(&self, samples: &JointSamples) -> Result<JointLoss> {
        let found = self.inner.loss(samples)?;
        let loss = found.loss + self.unimodal_loss(samples)?;
        Ok(JointLoss { loss, ..found })
    }

    fn after_update(&mut self, n_updates: u64) {
        self.inner.after_update(n_updates);
    }

    /// Those of the head, and the classifiers.
    fn networks(&self) -> Vec<Vec<ParamId>> {
        let mut networks = self.inner.networks();
        networks.push(param_ids(&self.classifiers));
        networks
    }

    fn check(&self, d_features: &[usize]) -> Result<()> {
        self.classifiers.check(d_features)?;
        self.inner.check(d_features)
    }

    fn describe(&self) -> String {
        format!("Assisted, {}", self.inner.describe())
    }

    fn training_only(&self) -> Vec<ParamId> {
        self.inner.training_only()
    }
}

//! The two losses of a step, as heads of two models with the same parameters.

use burn::module::{Module, ParamId};
use burn::tensor::{DType, Int, Tensor};

use crate::baseline::{
    Assisted, JointHead, JointLogits, JointLoss, JointSamples, ModalityFeatures,
};
use crate::error::Result;
use crate::module::Buffer;

/// An assisted head that is trained on one part of its loss.
#[derive(Module, Debug)]
pub(super) struct Objective<H: Module> {
    head: Assisted<H>,
    is_fused: bool,
}

impl<H: JointHead> Objective<H> {
    pub(super) fn fused(head: Assisted<H>) -> Self {
        let is_fused = true;
        Self { head, is_fused }
    }

    pub(super) fn unimodal(head: Assisted<H>) -> Self {
        let is_fused = false;
        Self { head, is_fused }
    }
}

impl<H: JointHead> JointHead for Objective<H> {
    fn fuse(&self, features: &ModalityFeatures) -> JointLogits {
        self.head.fuse(features)
    }

    fn unimodal(&self, features: &ModalityFeatures, modality: usize) -> Tensor<2> {
        self.head.unimodal(features, modality)
    }

    fn loss(&self, samples: &JointSamples) -> Result<JointLoss> {
        if self.is_fused {
            return self.head.inner.loss(samples);
        }
        let shape = [samples.targets.len(), self.n_classes()];
        let device = samples.features.device();
        Ok(JointLoss {
            loss: self.head.unimodal_loss(samples)?,
            // Those of the step come from the fused loss.
            logits: Tensor::zeros(shape, (&device, DType::F32)),
            observed: None,
        })
    }

    fn uses_hidden(&self) -> bool {
        self.is_fused && self.head.uses_hidden()
    }

    fn n_classes(&self) -> usize {
        self.head.n_classes()
    }

    fn networks(&self) -> Vec<Vec<ParamId>> {
        self.head.networks()
    }

    fn check(&self, d_features: &[usize]) -> Result<()> {
        self.head.check(d_features)
    }

    fn memory(&self) -> Option<&Buffer<2>> {
        self.head.memory().filter(|_| self.is_fused)
    }

    fn remember(&mut self, at: Tensor<1, Int>, observed: Tensor<2>) {
        self.head.remember(at, observed);
    }
}

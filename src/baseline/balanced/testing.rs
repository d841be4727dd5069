//! A head without parameters, and batches for the tests of this room.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::baseline::{JointHead, JointLogits, JointSamples, ModalityFeatures};
use crate::error::Result;
use crate::loss::{CrossEntropy, CrossEntropyConfig};
use crate::modality::Targets;

/// A head that returns the sum of features as logits.
#[derive(Module, Debug)]
pub(super) struct Echo {
    n_classes: usize,
}

impl Echo {
    pub(super) fn new(n_classes: usize) -> Self {
        Self { n_classes }
    }
}

impl JointHead for Echo {
    fn fuse(&self, features: &ModalityFeatures) -> JointLogits {
        let logits = features.all().iter().cloned().reduce(|a, b| a + b);
        JointLogits::unweighted(logits.unwrap())
    }

    fn n_classes(&self) -> usize {
        self.n_classes
    }

    fn check(&self, _: &[usize]) -> Result<()> {
        Ok(())
    }
}

/// Features, labels and the cross-entropy.
pub(super) struct Labelled {
    pub(super) features: ModalityFeatures,
    pub(super) targets: Targets,
    pub(super) loss: CrossEntropy,
}

impl Labelled {
    pub(super) fn new(features: ModalityFeatures, labels: &[usize], device: &Device) -> Self {
        Self {
            features,
            targets: Targets::new(labels.iter().copied(), device),
            loss: CrossEntropyConfig::new().init().unwrap(),
        }
    }

    pub(super) fn samples(&self, step: u64) -> JointSamples<'_> {
        JointSamples {
            features: self.features.clone(),
            targets: &self.targets,
            samples: None,
            training_loss: &self.loss,
            held: None,
            step,
        }
    }
}

/// Two samples of class 1, to which each modality alone gives a probability through [`Echo`].
pub(super) fn echoed(probabilities: &[f64], device: &Device) -> Labelled {
    let features = probabilities.iter().map(|p| {
        let z = (p / (1.0 - p)).ln() as f32;
        Tensor::from_floats([[0.0, z], [0.0, z]], device)
    });
    let features = ModalityFeatures::complete(features.collect()).unwrap();
    Labelled::new(features, &[1, 1], device)
}

pub(super) fn host<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().iter().collect()
}

/// Numbers in `[-1, 1]` without a structure.
pub(super) fn numbers(n: usize, seed: f64) -> Vec<f64> {
    (0..n).map(|i| (i as f64 * 1.7 + seed).sin()).collect()
}

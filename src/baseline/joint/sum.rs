//! Joint fusion by the sum of unimodal logits.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::baseline::joint::heads::{Heads, masked, sum_of};
use crate::baseline::{JointHead, JointLogits, ModalityFeatures};
use crate::error::Result;

/// Configuration of [`Sum`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `d_features` | required | feature width of each modality | each >= 1 |
/// | `n_classes` | required | number of classes | >= 1 |
#[derive(Config, Debug)]
pub struct SumConfig {
    /// Feature width of each modality.
    pub d_features: Vec<usize>,
    /// Number of classes.
    pub n_classes: usize,
}

/// Joint fusion by summation: one linear layer per modality, whose logits are added.
///
/// The unimodal prediction is the output of the modality's layer. A missing modality adds nothing,
/// not even its bias.
///
/// It is the same function as [`Concat`](crate::baseline::Concat) except for the number of biases and
/// the initialization.
#[derive(Module, Debug)]
pub struct Sum {
    heads: Heads,
}

impl SumConfig {
    /// Initializes the head on `device`.
    ///
    /// # Errors
    ///
    /// [`MlaError`](crate::MlaError) for a value outside of the ranges above, or no modality.
    pub fn init(&self, device: &Device) -> Result<Sum> {
        Ok(Sum {
            heads: Heads::init(&self.d_features, self.n_classes, device)?,
        })
    }
}

impl JointHead for Sum {
    fn fuse(&self, features: &ModalityFeatures) -> JointLogits {
        let each = masked(self.heads.each(features), features);
        JointLogits::unweighted(sum_of(each))
    }

    fn unimodal(&self, features: &ModalityFeatures, modality: usize) -> Tensor<2> {
        self.heads.of(modality, features)
    }

    fn is_divisible(&self) -> bool {
        true
    }

    fn n_classes(&self) -> usize {
        self.heads.n_outputs()
    }

    fn check(&self, d_features: &[usize]) -> Result<()> {
        self.heads.check(d_features)
    }
}

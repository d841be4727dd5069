//! Joint fusion by concatenated features, split by modality for unimodal predictions.

use burn::config::Config;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

use crate::baseline::joint::heads::{check_sizes, check_widths};
use crate::baseline::{JointHead, JointLogits, ModalityFeatures};
use crate::error::Result;
use crate::layer::linear;
use crate::module::draw_parameters;

/// Configuration of [`Concat`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `d_features` | required | feature width of each modality | each >= 1 |
/// | `n_classes` | required | number of classes | >= 1 |
#[derive(Config, Debug)]
pub struct ConcatConfig {
    /// Feature width of each modality.
    pub d_features: Vec<usize>,
    /// Number of classes.
    pub n_classes: usize,
}

/// Joint fusion by concatenation: one linear layer on the concatenated features of all modalities.
/// The paper measures modality laziness on it.
///
/// The unimodal prediction is the paper's: the layer's weight is split by modality,
/// `logits_m = h_m W_m + b / M`, and the unimodal logits add up to the joint logits. Features of a
/// missing modality are zeros.
#[derive(Module, Debug)]
pub struct Concat {
    linear: Linear,
    d_features: Vec<usize>,
}

impl ConcatConfig {
    /// Initializes the head on `device`.
    ///
    /// # Errors
    ///
    /// [`MlaError`](crate::MlaError) for a value outside of the ranges above, or no modality.
    pub fn init(&self, device: &Device) -> Result<Concat> {
        check_sizes(&self.d_features, self.n_classes)?;
        let width = self.d_features.iter().sum();
        Ok(draw_parameters(Concat {
            linear: LinearConfig::new(width, self.n_classes).init(device),
            d_features: self.d_features.clone(),
        }))
    }
}

impl JointHead for Concat {
    fn fuse(&self, features: &ModalityFeatures) -> JointLogits {
        let features = Tensor::cat(features.all().to_vec(), 1);
        JointLogits::unweighted(linear(&self.linear, features))
    }

    fn unimodal(&self, features: &ModalityFeatures, modality: usize) -> Tensor<2> {
        let start: usize = self.d_features[..modality].iter().sum();
        let rows = start..start + self.d_features[modality];
        let weight = self.linear.weight.val();
        let n_classes = weight.dims()[1];
        let logits = features
            .modality(modality)
            .matmul(weight.slice([rows, 0..n_classes]));
        match &self.linear.bias {
            Some(bias) => logits + bias.val().unsqueeze_dim::<2>(0) / self.d_features.len() as f32,
            None => logits,
        }
    }

    fn is_divisible(&self) -> bool {
        true
    }

    fn n_classes(&self) -> usize {
        self.linear.weight.lazy_shape()[1]
    }

    fn check(&self, d_features: &[usize]) -> Result<()> {
        check_widths(&self.d_features, d_features)
    }
}

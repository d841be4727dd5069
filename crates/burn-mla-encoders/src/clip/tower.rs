//! What the two towers of CLIP share.

use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use burn_mla::Result;
use burn_mla::layer::linear;

use crate::vit::check::{at_least_one, fraction, multiple, positive};
use crate::vit::{Activation, BlockConfig, BlockInitializers, normal};

/// The sizes and options of a tower's blocks and of its projection.
pub(super) struct Sizes {
    pub(super) d_model: usize,
    pub(super) depth: usize,
    pub(super) n_heads: usize,
    pub(super) d_hidden: usize,
    pub(super) d_feature: usize,
    pub(super) activation: Activation,
    pub(super) epsilon: f64,
    pub(super) attention_dropout: f64,
}

impl Sizes {
    /// The configuration of the blocks, for values in their ranges.
    pub(super) fn blocks(&self) -> Result<BlockConfig> {
        let requirement = "a multiple of n_heads";
        at_least_one("n_heads", self.n_heads)?;
        multiple("d_model", requirement, self.d_model, self.n_heads)?;
        at_least_one("depth", self.depth)?;
        at_least_one("d_hidden", self.d_hidden)?;
        at_least_one("d_feature", self.d_feature)?;
        positive("epsilon", self.epsilon)?;
        fraction("attention_dropout", self.attention_dropout)?;
        Ok(BlockConfig {
            d_model: self.d_model,
            n_heads: self.n_heads,
            d_hidden: self.d_hidden,
            activation: self.activation,
            epsilon: self.epsilon,
            attention_dropout: self.attention_dropout,
            dropout: 0.0,
            drop_path: 0.0,
            initializers: BlockInitializers::clip(self.d_model, self.depth),
        })
    }

    /// Normal values for what is as wide as a token.
    pub(super) fn scale(&self) -> Initializer {
        normal((self.d_model as f64).powf(-0.5))
    }

    /// The layer from a pooled token to the feature.
    pub(super) fn projection(&self, device: &Device) -> Linear {
        LinearConfig::new(self.d_model, self.d_feature)
            .with_bias(false)
            .with_initializer(self.scale())
            .init(device)
    }
}

/// Projects pooled tokens, `[batch, d_model]`, and divides each feature by its L2 norm if `normalized`.
pub(super) fn feature(projection: &Linear, pooled: Tensor<2>, normalized: bool) -> Tensor<2> {
    let features = linear(projection, pooled);
    if !normalized {
        return features;
    }
    let norm = (features.clone() * features.clone()).sum_dim(1).sqrt();
    features / norm
}

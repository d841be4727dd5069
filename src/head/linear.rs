//! The linear head, which the paper uses.

use burn::config::Config;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

use crate::error::{Result, at_least_one};
use crate::head::{HeadOutput, ProtectedLayer, SharedHead};
use crate::layer::linear;
use crate::module::draw_parameters;

/// Configuration of a [`LinearHead`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `d_feature` | required | width of the features | >= 1 |
/// | `n_classes` | required | number of classes | >= 1 |
/// | `bias` | true | whether the layer has a bias | |
#[derive(Config, Debug)]
pub struct LinearHeadConfig {
    /// Width of the features.
    pub d_feature: usize,
    /// Number of classes.
    pub n_classes: usize,
    /// Whether the layer has a bias.
    #[config(default = true)]
    pub bias: bool,
}

/// A head of one linear layer, as in the paper.
#[derive(Module, Debug)]
pub struct LinearHead {
    linear: Linear,
}

impl LinearHeadConfig {
    /// Initializes the head on `device`.
    ///
    /// Its parameters are drawn here, the weight, then the bias.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`](crate::MlaError::HyperParameter) for a width of 0.
    pub fn init(&self, device: &Device) -> Result<LinearHead> {
        at_least_one("d_feature", self.d_feature)?;
        at_least_one("n_classes", self.n_classes)?;
        let linear = LinearConfig::new(self.d_feature, self.n_classes)
            .with_bias(self.bias)
            .init(device);
        Ok(draw_parameters(LinearHead { linear }))
    }
}

impl LinearHead {
    /// The layer.
    pub fn linear(&self) -> &Linear {
        &self.linear
    }
}

impl From<Linear> for LinearHead {
    /// Creates a head from a layer with Burn's default layout, `[d_feature, n_classes]`.
    fn from(linear: Linear) -> Self {
        Self { linear }
    }
}

impl SharedHead for LinearHead {
    fn forward(&self, features: Tensor<2>) -> HeadOutput {
        HeadOutput {
            logits: linear(&self.linear, features.clone()),
            inputs: vec![features],
        }
    }

    fn protected(&self) -> Vec<ProtectedLayer> {
        vec![ProtectedLayer::linear(&self.linear).with_output()]
    }

    fn d_feature(&self) -> usize {
        self.linear.weight.lazy_shape()[0]
    }

    fn n_classes(&self) -> usize {
        self.linear.weight.lazy_shape()[1]
    }
}

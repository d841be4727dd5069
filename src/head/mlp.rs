//! A head of several layers, each of them protected.

use burn::config::Config;
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor, activation::relu};

use crate::error::{Result, at_least_one, fraction};
use crate::head::{HeadOutput, ProtectedLayer, SharedHead};
use crate::layer::{dropout, linear};
use crate::module::draw_parameters;

/// Configuration of an [`MlpHead`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `d_feature` | required | width of the features | >= 1 |
/// | `n_classes` | required | number of classes | >= 1 |
/// | `hidden` | `[]` | widths of the hidden layers, in order | each >= 1 |
/// | `dropout` | 0 | dropout before each layer but the first | `[0, 1)` |
#[derive(Config, Debug)]
pub struct MlpHeadConfig {
    /// Width of the features.
    pub d_feature: usize,
    /// Number of classes.
    pub n_classes: usize,
    /// Widths of the hidden layers, in order.
    #[config(default = "vec![]")]
    pub hidden: Vec<usize>,
    /// Probability of dropping an input of a layer after the first.
    #[config(default = 0.0)]
    pub dropout: f64,
}

/// A multilayer perceptron with ReLU between its layers. Every layer has its own projector, which
/// is updated by the input of that layer.
#[derive(Module, Debug)]
pub struct MlpHead {
    layers: Vec<Linear>,
    dropout: Dropout,
}

impl MlpHeadConfig {
    /// Initializes the head on `device`.
    ///
    /// Its parameters are drawn here, layer after layer.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`](crate::MlaError::HyperParameter) for a value outside the
    /// ranges above.
    pub fn init(&self, device: &Device) -> Result<MlpHead> {
        at_least_one("d_feature", self.d_feature)?;
        at_least_one("n_classes", self.n_classes)?;
        for &width in &self.hidden {
            at_least_one("hidden", width)?;
        }
        fraction("dropout", self.dropout)?;
        let inputs = [self.d_feature]
            .into_iter()
            .chain(self.hidden.iter().copied());
        let outputs = self.hidden.iter().copied().chain([self.n_classes]);
        Ok(draw_parameters(MlpHead {
            layers: inputs
                .zip(outputs)
                .map(|(d_input, d_output)| LinearConfig::new(d_input, d_output).init(device))
                .collect(),
            dropout: DropoutConfig::new(self.dropout).init(),
        }))
    }
}

impl SharedHead for MlpHead {
    fn forward(&self, features: Tensor<2>) -> HeadOutput {
        let mut inputs = Vec::with_capacity(self.layers.len());
        let mut x = features;
        for (i, layer) in self.layers.iter().enumerate() {
            if i > 0 {
                x = dropout(&self.dropout, relu(x));
            }
            inputs.push(x.clone());
            x = linear(layer, x);
        }
        HeadOutput { logits: x, inputs }
    }

    fn protected(&self) -> Vec<ProtectedLayer> {
        let mut protected: Vec<_> = self.layers.iter().map(ProtectedLayer::linear).collect();
        let last = protected.pop().map(ProtectedLayer::with_output);
        protected.extend(last);
        protected
    }

    fn d_feature(&self) -> usize {
        self.layers[0].weight.lazy_shape()[0]
    }

    fn n_classes(&self) -> usize {
        self.layers[self.layers.len() - 1].weight.lazy_shape()[1]
    }
}

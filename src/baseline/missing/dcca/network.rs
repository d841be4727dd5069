//! The networks of DCCA and DCCAE.

use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

use crate::layer::linear;

/// Linear, batch normalization and ReLU for each hidden layer, then a linear layer.
#[derive(Module, Debug)]
pub(in crate::baseline::missing) struct Network {
    layers: Vec<Linear>,
    norms: Vec<BatchNorm>,
}

impl Network {
    /// A network of layers of the given widths, from the input to the output. There are at least two.
    pub(in crate::baseline::missing) fn new(widths: &[usize], device: &Device) -> Self {
        let layers = widths.windows(2);
        let layers = layers.map(|pair| LinearConfig::new(pair[0], pair[1]).init(device));
        let hidden = widths[1..widths.len() - 1].iter();
        Self {
            layers: layers.collect(),
            norms: hidden
                .map(|&width| BatchNormConfig::new(width).init(device))
                .collect(),
        }
    }

    /// `[n_samples, d_input]` to `[n_samples, d_output]`.
    pub(in crate::baseline::missing) fn forward(&self, mut x: Tensor<2>) -> Tensor<2> {
        for (layer, norm) in self.layers.iter().zip(&self.norms) {
            x = relu(norm.forward(linear(layer, x)));
        }
        match self.layers.last() {
            None => x,
            Some(last) => linear(last, x),
        }
    }
}

#[cfg(all(test, feature = "train"))]
impl Network {
    /// The gradient of the first weight.
    pub(in crate::baseline::missing) fn weight_gradient(
        &self,
        gradients: &burn::tensor::Gradients,
    ) -> Option<Tensor<2>> {
        self.layers[0].weight.val().grad(gradients)
    }
}

//! The networks of CPM-Net, from latent vectors to features.

use burn::module::Module;
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

use crate::error::Result;
use crate::layer::linear;
use crate::numeric::{Matrix, read_columns};

/// Layers from latent vectors to the features of a modality.
#[derive(Module, Debug)]
pub(super) struct Decoder {
    layers: Vec<Linear>,
    relu: bool,
}

impl Decoder {
    /// A decoder of layers of the given widths, at least two, with ReLU between them if `relu`. Weights
    /// are Xavier uniform, biases 0.
    pub(super) fn new(widths: &[usize], relu: bool, device: &Device) -> Self {
        let layer = |pair: &[usize]| {
            let mut layer = LinearConfig::new(pair[0], pair[1])
                .with_initializer(Initializer::XavierUniform { gain: 1.0 })
                .init(device);
            layer.bias = Some(Initializer::Zeros.init([pair[1]], device));
            layer
        };
        Self {
            layers: widths.windows(2).map(layer).collect(),
            relu,
        }
    }

    /// `[n_samples, d_latent]` to `[n_samples, d_m]`.
    pub(super) fn forward(&self, latents: Tensor<2>) -> Tensor<2> {
        let mut x = latents;
        for (at, layer) in self.layers.iter().enumerate() {
            if at > 0 && self.relu {
                x = relu(x);
            }
            x = linear(layer, x);
        }
        x
    }

    /// The gradient of latent vectors from that of their features, both without autodiff.
    pub(super) fn backward(&self, latents: Tensor<2>, gradient: Tensor<2>) -> Tensor<2> {
        let mut x = latents;
        let mut inputs = vec![];
        for (at, layer) in self.layers.iter().enumerate() {
            if at > 0 && self.relu {
                x = relu(x);
            }
            inputs.push(x.clone());
            x = linear(layer, x);
        }
        let mut gradient = gradient;
        for (at, (layer, input)) in self.layers.iter().zip(inputs).enumerate().rev() {
            gradient = gradient.matmul(layer.weight.val().transpose());
            if at > 0 && self.relu {
                gradient = gradient.mask_fill(input.equal_elem(0.0), 0.0);
            }
        }
        gradient
    }

    /// The affine map of a decoder without ReLU on the host: its matrix, `[d_m, d_latent]`, and its
    /// shift, `[d_m, 1]`.
    pub(super) fn affine(&self, d_latent: usize) -> Result<(Matrix, Matrix)> {
        let mut map = Matrix::identity(d_latent, d_latent);
        let mut shift = Matrix::zeros(d_latent, 1);
        for layer in &self.layers {
            let weight = read_columns(layer.weight.val(), "the weights of a decoder")?;
            map = &weight * map;
            shift = weight * shift;
            if let Some(bias) = &layer.bias {
                let bias = bias.val().unsqueeze_dim::<2>(0);
                shift += read_columns(bias, "the biases of a decoder")?;
            }
        }
        Ok((map, shift))
    }
}

#[cfg(all(test, feature = "train"))]
impl Decoder {
    pub(super) fn layers(&self) -> &[Linear] {
        &self.layers
    }

    /// The decoder of latent vectors that were multiplied by an orthogonal matrix.
    pub(super) fn turned(&self, orthogonal: &Tensor<2>) -> Self {
        let mut turned = self.clone();
        let first = &mut turned.layers[0].weight;
        *first = first
            .clone()
            .map(|weight| orthogonal.clone().transpose().matmul(weight));
        turned
    }
}

//! Layers with the initial values of the originals.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use burn_mla::layer;

/// Initial values of the matrices of a block. Their biases start at 0.
pub(crate) struct BlockInitializers {
    pub qkv: Initializer,
    pub output: Initializer,
    pub hidden: Initializer,
    pub mlp_output: Initializer,
}

impl BlockInitializers {
    /// Xavier's uniform values, as M3AE and CAV-MAE have them.
    pub(crate) fn xavier() -> Self {
        let xavier = Initializer::XavierUniform { gain: 1.0 };
        Self {
            qkv: xavier.clone(),
            output: xavier.clone(),
            hidden: xavier.clone(),
            mlp_output: xavier,
        }
    }

    /// Normal values, as the text tower of OpenAI's CLIP has them.
    pub(crate) fn clip(d_model: usize, depth: usize) -> Self {
        let (width, depth) = (d_model as f64, depth as f64);
        let residual = normal((2.0 * width * depth).powf(-0.5));
        Self {
            qkv: normal(width.powf(-0.5)),
            output: residual.clone(),
            hidden: normal((2.0 * width).powf(-0.5)),
            mlp_output: residual,
        }
    }
}

/// Normal values with mean 0.
pub(crate) fn normal(std: f64) -> Initializer {
    Initializer::Normal { mean: 0.0, std }
}

/// Initializes a linear layer with a bias of 0.
pub(crate) fn linear(
    d_input: usize,
    d_output: usize,
    weight: &Initializer,
    device: &Device,
) -> Linear {
    let config = LinearConfig::new(d_input, d_output).with_bias(false);
    Linear {
        bias: Some(Initializer::Zeros.init([d_output], device)),
        ..config.with_initializer(weight.clone()).init(device)
    }
}

/// Applies a linear layer to the tokens of all samples as the rows of one matrix.
///
/// Burn's layer multiplies per sample where the length is a multiple of 32, and its backward pass then makes
/// a gradient of the weights per sample.
///
/// # Shapes
///
/// - input: `[batch, length, d_input]`
/// - output: `[batch, length, d_output]`
pub(crate) fn per_token(layer: &Linear, x: Tensor<3>) -> Tensor<3> {
    let [batch, length, d_input] = x.dims();
    let rows = layer::linear(layer, x.reshape([batch * length, d_input]));
    let d_output = rows.dims()[1];
    rows.reshape([batch, length, d_output])
}

/// A convolution whose stride is its kernel: one token per patch.
#[derive(Module, Debug)]
pub(crate) struct PatchConvolution {
    proj: Conv2d,
}

impl PatchConvolution {
    pub(crate) fn init(channels: [usize; 2], patch: usize, bias: bool, device: &Device) -> Self {
        let config = Conv2dConfig::new(channels, [patch, patch]);
        Self {
            proj: config
                .with_stride([patch, patch])
                .with_bias(bias)
                .init(device),
        }
    }

    /// Draws the kernel by Xavier's rule for a linear layer of a patch.
    pub(crate) fn with_xavier(mut self, device: &Device) -> Self {
        let shape: [usize; 4] = self.proj.weight.lazy_shape().dims();
        let d_patch = shape[1] * shape[2] * shape[3];
        let xavier = Initializer::XavierUniform { gain: 1.0 };
        self.proj.weight = xavier.init_with(shape, Some(d_patch), Some(shape[0]), device);
        self
    }

    /// Channels of an image.
    pub(crate) fn channels(&self) -> usize {
        self.proj.weight.lazy_shape()[1]
    }

    /// # Shapes
    ///
    /// - input: `[batch, channels, height, width]`
    /// - output: `[batch, patches, d_model]`, patches row by row
    pub(crate) fn forward(&self, images: Tensor<4>) -> Tensor<3> {
        layer::conv2d(&self.proj, images)
            .flatten::<3>(2, 3)
            .swap_dims(1, 2)
    }
}

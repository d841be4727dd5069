//! A small convolutional encoder for images.

use burn::config::Config;
use burn::module::Module;
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Dropout, DropoutConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor, activation::relu, assert_shape};

use crate::encoder::Encoder;
use crate::error::{MlaError, Result, at_least_one, fraction};
use crate::layer::{conv2d, dropout, linear, max_pool2d};
use crate::module::draw_parameters;

/// Configuration of a [`CnnEncoder`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `channels` | required | channels of the image: 3 for RGB, 1 for grey | >= 1 |
/// | `d_feature` | required | width of the features | >= 1 |
/// | `stages` | `[32, 64, 128]` | channels of each stage; every stage halves the image | 1 to 31 stages, each >= 1 |
/// | `dropout` | 0 | dropout of the pooled channels | `[0, 1)` |
#[derive(Config, Debug)]
pub struct CnnEncoderConfig {
    /// Channels of the image.
    pub channels: usize,
    /// Width of the features.
    pub d_feature: usize,
    /// Output channels of each stage.
    #[config(default = "vec![32, 64, 128]")]
    pub stages: Vec<usize>,
    /// Probability of dropping a pooled channel.
    #[config(default = 0.0)]
    pub dropout: f64,
}

/// A small convolutional network for images of about 32x32.
///
/// Each stage is a 3x3 convolution, a 2x2 maximum pooling, batch normalization and ReLU; the
/// mean and the maximum of the last stage over space go through a linear layer with ReLU.
///
/// Input: `Tensor<4>`, `[batch, channels, height, width]`, height and width at least
/// `2^stages`.
#[derive(Module, Debug)]
pub struct CnnEncoder {
    stages: Vec<Stage>,
    dropout: Dropout,
    output: Linear,
}

#[derive(Module, Debug)]
struct Stage {
    conv: Conv2d,
    norm: BatchNorm,
    pool: MaxPool2d,
}

impl Stage {
    fn init(d_input: usize, d_output: usize, device: &Device) -> Self {
        Self {
            conv: Conv2dConfig::new([d_input, d_output], [3, 3])
                .with_padding(PaddingConfig2d::Same)
                .with_bias(false)
                .init(device),
            norm: BatchNormConfig::new(d_output).init(device),
            pool: MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init(),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        // Pooling before normalization reduces the work of normalization to a quarter.
        let x = max_pool2d(&self.pool, conv2d(&self.conv, x));
        relu(self.norm.forward(x))
    }
}

impl CnnEncoderConfig {
    /// Initializes the encoder on `device`.
    ///
    /// Its parameters are drawn here, stage after stage, then the output layer.
    ///
    /// # Errors
    ///
    /// [`MlaError`] for a value outside of the ranges above.
    pub fn init(&self, device: &Device) -> Result<CnnEncoder> {
        at_least_one("channels", self.channels)?;
        at_least_one("d_feature", self.d_feature)?;
        number_of_stages(self.stages.len())?;
        for &width in &self.stages {
            at_least_one("stages", width)?;
        }
        fraction("dropout", self.dropout)?;

        let inputs = [self.channels]
            .into_iter()
            .chain(self.stages.iter().copied());
        let last = self.stages[self.stages.len() - 1];
        Ok(draw_parameters(CnnEncoder {
            stages: inputs
                .zip(&self.stages)
                .map(|(d_input, &d_output)| Stage::init(d_input, d_output, device))
                .collect(),
            dropout: DropoutConfig::new(self.dropout).init(),
            output: LinearConfig::new(2 * last, self.d_feature).init(device),
        }))
    }
}

/// Checks that an image can be halved once per stage.
fn number_of_stages(n_stages: usize) -> Result<()> {
    if (1..=31).contains(&n_stages) {
        return Ok(());
    }
    Err(MlaError::HyperParameter {
        name: "number of stages",
        requirement: "from 1 to 31",
        value: n_stages as f64,
    })
}

impl CnnEncoder {
    fn channels(&self) -> usize {
        self.stages[0].conv.weight.lazy_shape()[1]
    }

    /// Smallest height and width of an image.
    fn smallest(&self) -> usize {
        1 << self.stages.len()
    }
}

impl Encoder for CnnEncoder {
    type Input = Tensor<4>;

    /// # Errors
    ///
    /// [`MlaError::InputShape`] if the input is not `[batch, channels, height, width]`, or smaller
    /// than `2^stages`.
    fn check(&self, images: &Tensor<4>) -> Result<()> {
        let found = images.dims();
        let (channels, smallest) = (self.channels(), self.smallest());
        if found[1] == channels && found[2].min(found[3]) >= smallest {
            return Ok(());
        }
        let expected = format!(
            "[batch, {channels}, height, width] with height and width of at least {smallest}"
        );
        Err(MlaError::input_shape(found, expected))
    }

    /// # Panics
    ///
    /// If the input is not `[batch, channels, height, width]`, or smaller than `2^stages`.
    fn encode(&self, input: Tensor<4>) -> Tensor<2> {
        let channels = self.channels();
        assert_shape!(input, [_, channels, _, _]);
        let [_, _, height, width] = input.dims();
        let smallest = self.smallest();
        assert!(
            height >= smallest && width >= smallest,
            "an image of {height}x{width} is too small: {} stages need {smallest}x{smallest}",
            self.stages.len()
        );

        let x = self.stages.iter().fold(input, |x, stage| stage.forward(x));
        let [batch, channels, height, width] = x.dims();
        let x = x.reshape([batch, channels, height * width]);
        let pooled = Tensor::cat(vec![x.clone().mean_dim(2), x.max_dim(2)], 1);
        let pooled = pooled.reshape([batch, 2 * channels]);
        relu(linear(&self.output, dropout(&self.dropout, pooled)))
    }

    fn d_feature(&self) -> usize {
        self.output.weight.lazy_shape()[1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_become_features() {
        let device = Device::flex();
        let encoder = CnnEncoderConfig::new(3, 16)
            .with_stages(vec![4, 8])
            .init(&device)
            .unwrap();
        let features = encoder.encode(Tensor::ones([2, 3, 9, 8], &device));
        assert_eq!(features.dims(), [2, encoder.d_feature()]);
    }

    #[test]
    fn no_stage_is_refused() {
        let config = CnnEncoderConfig::new(3, 16).with_stages(vec![]);
        assert!(config.clone().init(&Device::flex()).is_err());
        let config = config.with_stages(vec![1; 64]);
        assert!(config.init(&Device::flex()).is_err());
    }

    #[test]
    #[should_panic(expected = "too small: 3 stages need 8x8")]
    fn a_tiny_image_panics() {
        let device = Device::flex();
        let encoder = CnnEncoderConfig::new(1, 4).init(&device).unwrap();
        encoder.encode(Tensor::ones([1, 1, 4, 9], &device));
    }
}

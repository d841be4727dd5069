//! Residual blocks: two 3x3 convolutions, or a bottleneck.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Initializer, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use burn_mla::layer::conv2d;

use super::config::ResNetConfig;

/// Output channels of a bottleneck per channel of its middle.
pub(super) const EXPANSION: usize = 4;

/// A residual block: basic (two 3x3 convolutions) or bottleneck (1x1, 3x3, 1x1).
///
/// Fields have torchvision's names. A bottleneck has its stride in the 3x3 convolution, as
/// torchvision's.
#[derive(Module, Debug)]
pub struct ResidualBlock {
    conv1: Conv2d,
    bn1: BatchNorm,
    conv2: Conv2d,
    bn2: BatchNorm,
    conv3: Option<Conv2d>,
    bn3: Option<BatchNorm>,
    downsample: Option<(Conv2d, BatchNorm)>,
}

impl ResidualBlock {
    /// Initializes the blocks of a stage, whose first changes the channels from `d_input` and has
    /// the stride.
    pub(super) fn stage(
        config: &ResNetConfig,
        stage: usize,
        d_input: usize,
        device: &Device,
    ) -> Vec<Self> {
        let stride = if stage == 0 { 1 } else { 2 };
        (0..config.depths[stage])
            .map(|block| {
                if block == 0 {
                    Self::init(config, stage, d_input, stride, device)
                } else {
                    Self::init(config, stage, config.d_stage(stage), 1, device)
                }
            })
            .collect()
    }

    fn init(
        config: &ResNetConfig,
        stage: usize,
        d_input: usize,
        stride: usize,
        device: &Device,
    ) -> Self {
        let (width, d_output) = (config.widths[stage], config.d_stage(stage));
        let norm = |channels| BatchNormConfig::new(channels).init(device);
        let (first, second) = if config.bottleneck {
            (
                conv([d_input, width], 1, 1),
                conv([width, width], 3, stride),
            )
        } else {
            (
                conv([d_input, width], 3, stride),
                conv([width, width], 3, 1),
            )
        };
        let third = config.bottleneck.then(|| conv([width, d_output], 1, 1));
        let shortcut =
            (stride != 1 || d_input != d_output).then(|| conv([d_input, d_output], 1, stride));
        Self {
            conv1: first.init(device),
            bn1: norm(width),
            conv2: second.init(device),
            bn2: norm(width),
            bn3: third.as_ref().map(|_| norm(d_output)),
            conv3: third.map(|conv| conv.init(device)),
            downsample: shortcut.map(|conv| (conv.init(device), norm(d_output))),
        }
    }

    pub(super) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let residual = relu(self.bn1.forward(conv2d(&self.conv1, x.clone())));
        let mut residual = self.bn2.forward(conv2d(&self.conv2, residual));
        if let (Some(conv), Some(norm)) = (&self.conv3, &self.bn3) {
            residual = norm.forward(conv2d(conv, relu(residual)));
        }
        let shortcut = match &self.downsample {
            Some((conv, norm)) => norm.forward(conv2d(conv, x)),
            None => x,
        };
        relu(residual + shortcut)
    }
}

/// A convolution without bias that keeps height and width up to its stride.
///
/// Its weights are drawn as OGM-GE's `weight_init` and torchvision do: Kaiming's normal distribution
/// of the fan-out, for ReLU.
pub(super) fn conv(channels: [usize; 2], kernel: usize, stride: usize) -> Conv2dConfig {
    let padding = kernel / 2;
    Conv2dConfig::new(channels, [kernel, kernel])
        .with_stride([stride, stride])
        .with_padding(PaddingConfig2d::Explicit(
            padding, padding, padding, padding,
        ))
        .with_bias(false)
        .with_initializer(Initializer::KaimingNormal {
            gain: std::f64::consts::SQRT_2,
            fan_out_only: true,
        })
}

//! Configuration of ResNet encoders.

use std::marker::PhantomData;

use burn::config::Config;
use burn::nn::pool::MaxPool2dConfig;
use burn::nn::{BatchNormConfig, PaddingConfig2d};
use burn::tensor::Device;
use burn_mla::module::draw_parameters;
use burn_mla::{MlaError, Result};

use super::block::{EXPANSION, ResidualBlock, conv};
use super::encoder::ResNetEncoder;
use super::input::ResNetInput;

/// Configuration of a [`ResNetEncoder`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `depths` | required | residual blocks of each stage | each >= 1 |
/// | `widths` | `[64, 128, 256, 512]` | channels of each stage | each >= 1 |
/// | `bottleneck` | false | blocks of three convolutions, with four times the channels behind each | |
/// | `channels` | 3 | channels of images and videos; filter banks have one | >= 1 |
///
/// The features are those of the last stage: 512 for [`resnet18`](Self::resnet18) and
/// [`resnet34`](Self::resnet34), 2048 for [`resnet50`](Self::resnet50).
///
/// ```
/// use burn::tensor::Device;
/// use burn_mla::encoder::Encoder;
/// use burn_mla::modality::{FbankBatch, VideoBatch};
/// use burn_mla_encoders::resnet::ResNetConfig;
///
/// let config = ResNetConfig::resnet18();
/// let audio = config.init::<FbankBatch>(&Device::flex())?;
/// let visual = config.init::<VideoBatch>(&Device::flex())?;
/// assert_eq!([audio.d_feature(), visual.d_feature()], [512, 512]);
/// # Ok::<(), burn_mla::MlaError>(())
/// ```
#[derive(Config, Debug)]
pub struct ResNetConfig {
    /// Residual blocks of each stage.
    pub depths: [usize; 4],
    /// Channels of each stage.
    #[config(default = "[64, 128, 256, 512]")]
    pub widths: [usize; 4],
    /// Whether the blocks are bottlenecks.
    #[config(default = false)]
    pub bottleneck: bool,
    /// Channels of images and videos.
    #[config(default = 3)]
    pub channels: usize,
}

impl ResNetConfig {
    /// ResNet-18, 11.2 million parameters.
    pub fn resnet18() -> Self {
        Self::new([2, 2, 2, 2])
    }

    /// ResNet-34, 21.3 million parameters.
    pub fn resnet34() -> Self {
        Self::new([3, 4, 6, 3])
    }

    /// ResNet-50, 23.5 million parameters.
    pub fn resnet50() -> Self {
        Self::new([3, 4, 6, 3]).with_bottleneck(true)
    }

    /// Initializes the encoder on `device`, as OGM-GE, MLA and torchvision: convolutions by Kaiming's
    /// normal distribution of the fan-out, batch normalizations at 1 and 0.
    ///
    /// Its parameters are drawn here, stage after stage.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`] for a value outside of the ranges above.
    pub fn init<I: ResNetInput>(&self, device: &Device) -> Result<ResNetEncoder<I>> {
        self.init_lazy(device).map(draw_parameters)
    }

    /// As [`init`](Self::init), without drawing the parameters. Weights that are loaded next replace
    /// them, which saves the time of drawing; others are drawn at their first use.
    ///
    /// # Errors
    ///
    /// As [`init`](Self::init).
    pub fn init_lazy<I: ResNetInput>(&self, device: &Device) -> Result<ResNetEncoder<I>> {
        at_least_one("depths", self.depths.iter())?;
        at_least_one("widths", self.widths.iter())?;
        at_least_one("channels", [self.channels].iter())?;
        let stage = |stage: usize| {
            let d_input = match stage {
                0 => self.widths[0],
                _ => self.d_stage(stage - 1),
            };
            ResidualBlock::stage(self, stage, d_input, device)
        };
        let channels = I::CHANNELS.unwrap_or(self.channels);
        Ok(ResNetEncoder {
            conv1: conv([channels, self.widths[0]], 7, 2).init(device),
            bn1: BatchNormConfig::new(self.widths[0]).init(device),
            maxpool: MaxPool2dConfig::new([3, 3])
                .with_strides([2, 2])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .init(),
            layer1: stage(0),
            layer2: stage(1),
            layer3: stage(2),
            layer4: stage(3),
            d_feature: self.d_stage(3),
            input: PhantomData,
        })
    }

    /// Channels behind a stage.
    pub(super) fn d_stage(&self, stage: usize) -> usize {
        let expansion = if self.bottleneck { EXPANSION } else { 1 };
        self.widths[stage] * expansion
    }
}

fn at_least_one<'a>(name: &'static str, mut values: impl Iterator<Item = &'a usize>) -> Result<()> {
    match values.find(|&&value| value == 0) {
        None => Ok(()),
        Some(&value) => Err(MlaError::HyperParameter {
            name,
            requirement: "at least 1",
            value: value as f64,
        }),
    }
}

//! The ResNet encoder.

use std::marker::PhantomData;
use std::path::PathBuf;

use burn::module::Module;
use burn::nn::BatchNorm;
use burn::nn::conv::Conv2d;
use burn::nn::pool::MaxPool2d;
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use burn_mla::Result;
use burn_mla::encoder::Encoder;
use burn_mla::layer::{conv2d, max_pool2d};

use super::block::ResidualBlock;
use super::input::ResNetInput;
use crate::blocks::{Blocks, in_order};
use crate::weights::{WeightFile, WeightsError};

/// ResNet (He et al., CVPR 2016) without classifier. The feature is the mean of the last stage over
/// height, width and frames, as in OGM-GE and MLA.
///
/// | Input | Shape | As in |
/// |---|---|---|
/// | [`FbankBatch`](burn_mla::modality::FbankBatch) | `[batch, frames, bins]`, an image of one channel | the audio network of OGM-GE and MLA |
/// | [`VideoBatch`](burn_mla::modality::VideoBatch) | `[batch, channels, frames, height, width]` | their visual network |
/// | [`ImageBatch`](burn_mla::modality::ImageBatch) | `[batch, channels, height, width]` | torchvision |
///
/// Any size of at least one pixel is accepted; a feature needs 32 x 32 pixels to see more than
/// padding and a corner. Modules have torchvision's names: `conv1`, `bn1`, `layer1` to `layer4`.
///
/// Batch normalization trains on the statistics of a batch, frames included. Its running variance is
/// that of the batch with divisor `n`, as Burn computes it; PyTorch's has `n - 1`.
#[derive(Module, Debug)]
pub struct ResNetEncoder<I: ResNetInput> {
    pub(super) conv1: Conv2d,
    pub(super) bn1: BatchNorm,
    pub(super) maxpool: MaxPool2d,
    pub(super) layer1: Vec<ResidualBlock>,
    pub(super) layer2: Vec<ResidualBlock>,
    pub(super) layer3: Vec<ResidualBlock>,
    pub(super) layer4: Vec<ResidualBlock>,
    pub(super) d_feature: usize,
    #[module(skip)]
    pub(super) input: PhantomData<I>,
}

impl<I: ResNetInput> ResNetEncoder<I> {
    /// Returns the encoder with the weights of a file in torchvision's layout, which is also that of
    /// each network of OGM-GE's and MLA's checkpoints.
    ///
    /// The file holds the encoder and nothing else. For other files, name the differences:
    ///
    /// ```no_run
    /// use burn::tensor::Device;
    /// use burn_mla::modality::FbankBatch;
    /// use burn_mla_encoders::resnet::ResNetConfig;
    /// use burn_mla_encoders::weights::{Channels, WeightFile};
    ///
    /// let config = ResNetConfig::resnet18();
    /// // The audio network of a checkpoint of OGM-GE or MLA:
    /// let audio = WeightFile::new("best_model.pth")
    ///     .with_submodule("audio_net")
    ///     .load(config.init::<FbankBatch>(&Device::flex())?)?;
    /// // torchvision's weights of ImageNet, for one channel and without the classifier:
    /// let audio = WeightFile::new("resnet18-f37072fd.pth")
    ///     .with_ignored("fc")
    ///     .with_channels("conv1.weight", Channels::Sum)
    ///     .load(config.init::<FbankBatch>(&Device::flex())?)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`WeightFile::load`].
    pub fn load_pretrained(self, path: impl Into<PathBuf>) -> Result<Self, WeightsError> {
        WeightFile::new(path).load(self)
    }

    /// The convolution, normalization and pooling before the first stage.
    pub(super) fn stem(&self, images: Tensor<4>) -> Tensor<4> {
        let x = self.bn1.forward(conv2d(&self.conv1, images));
        max_pool2d(&self.maxpool, relu(x))
    }

    /// The stages, each of its blocks.
    pub(super) fn stages(&self) -> [&[ResidualBlock]; 4] {
        [&self.layer1, &self.layer2, &self.layer3, &self.layer4]
    }

    fn channels(&self) -> usize {
        self.conv1.weight.lazy_shape()[1]
    }
}

/// The output of one stage after another.
pub(super) fn forward(stage: &[ResidualBlock], x: Tensor<4>) -> Tensor<4> {
    stage.iter().fold(x, |x, block| block.forward(x))
}

impl<I: ResNetInput> Encoder for ResNetEncoder<I> {
    type Input = I;

    /// # Errors
    ///
    /// [`MlaError::InputShape`](burn_mla::MlaError::InputShape) for another number of channels, or
    /// without a pixel.
    fn check(&self, input: &I) -> Result<()> {
        input.check(self.channels())
    }

    /// # Panics
    ///
    /// For an input that `check` refuses.
    fn encode(&self, input: I) -> Tensor<2> {
        let (images, frames) = input.images();
        let stages = self.stages().into_iter();
        let x = stages.fold(self.stem(images), |x, stage| forward(stage, x));
        let [folded, channels, height, width] = x.dims();
        let x = x.reshape([folded, channels, height * width]).mean_dim(2);
        let x = x.reshape([folded / frames, frames, channels]).mean_dim(1);
        x.squeeze_dim(1)
    }

    fn d_feature(&self) -> usize {
        self.d_feature
    }
}

impl<I: ResNetInput> Blocks for ResNetEncoder<I> {
    fn blocks(&self) -> Vec<Vec<String>> {
        let [one, two, three, four] = self.stages().map(<[ResidualBlock]>::len);
        let stages = [
            ("layer1", one),
            ("layer2", two),
            ("layer3", three),
            ("layer4", four),
        ];
        in_order(&["conv1", "bn1"], &stages)
    }
}

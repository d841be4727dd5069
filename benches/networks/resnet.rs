//! ResNet-18 on audio (257x188) and video (3 frames of 224x224).

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use burn_mla::encoder::Encoder;
use burn_mla::modality::{FbankBatch, VideoBatch};
use burn_mla_encoders::resnet::{ResNetConfig, ResNetEncoder, ResNetInput};

use super::passes::{self, Side};
use crate::common::random;
use crate::turns::Turns;

const BATCH: usize = 8;
const FRAMES: usize = 3;
const WIDTHS: [usize; 4] = [64, 128, 256, 512];

/// A convolution without bias and its normalization.
#[derive(Module, Debug)]
struct Layer {
    conv: Conv2d,
    norm: BatchNorm,
}

/// The layers of the network, on images that are folded already.
#[derive(Module, Debug)]
struct Layers {
    stem: Layer,
    pool: MaxPool2d,
    blocks: Vec<(Layer, Layer, Option<Layer>)>,
}

impl Layer {
    fn new([from, to]: [usize; 2], size: usize, stride: usize, device: &Device) -> Self {
        let pad = size / 2;
        let config = Conv2dConfig::new([from, to], [size, size])
            .with_stride([stride, stride])
            .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad));
        Self {
            conv: config.with_bias(false).init(device),
            norm: BatchNormConfig::new(to).init(device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.norm.forward(self.conv.forward(x))
    }
}

impl Layers {
    fn new(channels: usize, device: &Device) -> Self {
        let block = |i: usize| {
            let width = WIDTHS[i / 2];
            let first = i > 0 && i.is_multiple_of(2);
            let (from, stride) = if first {
                (WIDTHS[i / 2 - 1], 2)
            } else {
                (width, 1)
            };
            (
                Layer::new([from, width], 3, stride, device),
                Layer::new([width, width], 3, 1, device),
                first.then(|| Layer::new([from, width], 1, stride, device)),
            )
        };
        Self {
            stem: Layer::new([channels, WIDTHS[0]], 7, 2, device),
            pool: MaxPool2dConfig::new([3, 3])
                .with_strides([2, 2])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .init(),
            blocks: (0..8).map(block).collect(),
        }
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let x = self.pool.forward(relu(self.stem.forward(images)));
        let x = self.blocks.iter().fold(x, |x, (one, two, shortcut)| {
            let residual = two.forward(relu(one.forward(x.clone())));
            let x = match shortcut {
                Some(shortcut) => shortcut.forward(x),
                None => x,
            };
            relu(residual + x)
        });
        x.flatten::<3>(2, 3).mean_dim(2).squeeze_dim(2)
    }
}

fn encoder<I: ResNetInput>(device: &Device) -> ResNetEncoder<I> {
    let config = ResNetConfig::resnet18();
    config.init(device).expect("the sizes are valid")
}

pub fn run(turns: &Turns, device_name: &str, device: &Device) {
    passes::time(turns, "resnet18/audio", (device_name, device), |device| {
        let audio = random([BATCH, 257, 188], device);
        let input = FbankBatch(audio.clone());
        let (encoder, layers) = (encoder::<FbankBatch>(device), Layers::new(1, device));
        [
            Side::new("encoder", encoder, input, Encoder::encode),
            Side::new("layers", layers, audio.unsqueeze_dim(1), Layers::forward),
        ]
    });
    passes::time(turns, "resnet18/video", (device_name, device), |device| {
        let video = random([BATCH, 3, FRAMES, 224, 224], device);
        let frames = random([BATCH * FRAMES, 3, 224, 224], device);
        let (encoder, layers) = (encoder::<VideoBatch>(device), Layers::new(3, device));
        [
            Side::new("encoder", encoder, VideoBatch(video), Encoder::encode),
            Side::new("layers", layers, frames, Layers::forward),
        ]
    });
}

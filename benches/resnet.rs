//! ResNet-18 at batch 8 on audio (257x188) and video (3 frames of 224x224), forward, and forward and
//! backward: by the encoder, and by a chain of Burn's layers of the same sizes. `resnet.py` times the
//! same network in PyTorch.
//!
//! ```sh
//! cargo bench --bench resnet
//! ```

mod common;

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use burn_mla::encoder::Encoder;
use burn_mla::modality::{FbankBatch, VideoBatch};
use burn_mla_encoders::resnet::{ResNetConfig, ResNetEncoder, ResNetInput};
use common::{devices, random, sync};
use criterion::{Criterion, criterion_group, criterion_main};

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
            let first = i % 2 == 0 && i > 0;
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

/// Times a forward pass on `device`, and a training step's forward and backward pass.
fn passes<M: Module, X: Clone>(
    c: &mut Criterion,
    name: &str,
    (device_name, device): (&str, Device),
    init: impl Fn(&Device) -> M,
    input: impl Fn(&Device) -> X,
    forward: impl Fn(&M, X) -> Tensor<2>,
) {
    c.bench_function(&format!("resnet18/forward/{name}/{device_name}"), |b| {
        let (module, input) = (init(&device), input(&device));
        b.iter(|| {
            let features = forward(&module, input.clone());
            sync(&device);
            features
        });
    });
    let device = device.autodiff();
    c.bench_function(&format!("resnet18/backward/{name}/{device_name}"), |b| {
        let (module, input) = (init(&device), input(&device));
        b.iter(|| {
            let gradients = forward(&module, input.clone()).sum().backward();
            sync(&device);
            gradients
        });
    });
}

fn encoder<I: ResNetInput>(device: &Device) -> ResNetEncoder<I> {
    let config = ResNetConfig::resnet18();
    config.init(device).expect("the sizes are valid")
}

fn resnet(c: &mut Criterion) {
    for device in devices() {
        passes(
            c,
            "audio/encoder",
            device.clone(),
            encoder::<FbankBatch>,
            |device| FbankBatch(random([BATCH, 257, 188], device)),
            Encoder::encode,
        );
        passes(
            c,
            "audio/layers",
            device.clone(),
            |device| Layers::new(1, device),
            |device| random([BATCH, 1, 257, 188], device),
            Layers::forward,
        );
        passes(
            c,
            "video/encoder",
            device.clone(),
            encoder::<VideoBatch>,
            |device| VideoBatch(random([BATCH, 3, FRAMES, 224, 224], device)),
            Encoder::encode,
        );
        passes(
            c,
            "video/layers",
            device,
            |device| Layers::new(3, device),
            |device| random([BATCH * FRAMES, 3, 224, 224], device),
            Layers::forward,
        );
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = resnet
}
criterion_main!(benches);

//! A ViT-B/32 image tower at batch 8, forward, and forward and backward: by the encoder, and by a
//! chain of Burn's layers of the same sizes. `vit.py` times the same network in PyTorch.
//!
//! ```sh
//! cargo bench --bench vit
//! ```

mod common;

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::activation::sigmoid;
use burn::tensor::module::attention;
use burn::tensor::{Device, Tensor};
use burn_mla::encoder::Encoder;
use burn_mla::modality::ImageBatch;
use burn_mla_encoders::clip::ClipImageEncoderConfig;
use common::{devices, random, sync};
use criterion::{Criterion, criterion_group, criterion_main};

const BATCH: usize = 8;
const WIDTH: usize = 768;
const HEADS: usize = 12;
const DEPTH: usize = 12;
const LENGTH: usize = 50;

/// The layers of the tower, without the class token, positions and the projection.
#[derive(Module, Debug)]
struct Layers {
    patches: Conv2d,
    blocks: Vec<Block>,
}

#[derive(Module, Debug)]
struct Block {
    norms: [LayerNorm; 2],
    qkv: Linear,
    output: Linear,
    hidden: Linear,
    mlp_output: Linear,
}

impl Layers {
    fn new(device: &Device) -> Self {
        let linear = |from, to| LinearConfig::new(from, to).init(device);
        let norm = || LayerNormConfig::new(WIDTH).init(device);
        let block = |_| Block {
            norms: [norm(), norm()],
            qkv: linear(WIDTH, 3 * WIDTH),
            output: linear(WIDTH, WIDTH),
            hidden: linear(WIDTH, 4 * WIDTH),
            mlp_output: linear(4 * WIDTH, WIDTH),
        };
        let patches = Conv2dConfig::new([3, WIDTH], [32, 32]).with_stride([32, 32]);
        Self {
            patches: patches.with_bias(false).init(device),
            blocks: (0..DEPTH).map(block).collect(),
        }
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let patches = self.patches.forward(images);
        let patches = patches.flatten::<3>(2, 3).swap_dims(1, 2);
        let class = patches.clone().slice_dim(1, 0..1);
        let x = Tensor::cat(vec![class, patches], 1);
        let x = self.blocks.iter().fold(x, |x, block| block.forward(x));
        x.slice_dim(1, 0..1).squeeze_dim(1)
    }
}

impl Block {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let qkv = self.qkv.forward(self.norms[0].forward(x.clone()));
        let qkv = qkv.reshape([BATCH, LENGTH, 3, HEADS, WIDTH / HEADS]);
        let qkv = qkv.permute([2, 0, 3, 1, 4]);
        let [query, key, value] =
            [0, 1, 2].map(|i| qkv.clone().slice_dim(0, i..i + 1).squeeze_dim::<4>(0));
        let attended = attention(query, key, value, None, None, Default::default());
        let attended = attended.swap_dims(1, 2).reshape([BATCH, LENGTH, WIDTH]);
        let x = x + self.output.forward(attended);
        let hidden = self.hidden.forward(self.norms[1].forward(x.clone()));
        let hidden = sigmoid(hidden.clone() * 1.702) * hidden;
        x + self.mlp_output.forward(hidden)
    }
}

/// Times a forward pass on `device`, and a training step's forward and backward pass.
fn passes<M: Module>(
    c: &mut Criterion,
    name: &str,
    (device_name, device): (&str, Device),
    init: impl Fn(&Device) -> M,
    forward: impl Fn(&M, Tensor<4>) -> Tensor<2>,
) {
    let images = |device: &Device| random([BATCH, 3, 224, 224], device);
    c.bench_function(&format!("vit-b-32/forward/{name}/{device_name}"), |b| {
        let (module, images) = (init(&device), images(&device));
        b.iter(|| {
            let features = forward(&module, images.clone());
            sync(&device);
            features
        });
    });
    let checkpointed = device.clone().autodiff().gradient_checkpointing();
    for (pass, device) in [
        ("backward", device.autodiff()),
        ("backward-checkpointed", checkpointed),
    ] {
        c.bench_function(&format!("vit-b-32/{pass}/{name}/{device_name}"), |b| {
            let (module, images) = (init(&device), images(&device));
            b.iter(|| {
                let gradients = forward(&module, images.clone()).sum().backward();
                sync(&device);
                gradients
            });
        });
    }
}

fn vit(c: &mut Criterion) {
    for device in devices() {
        let tower = |device: &Device| {
            let config = ClipImageEncoderConfig::vit_b_32();
            config.init(device).expect("the sizes are valid")
        };
        let encode = |tower: &_, images| Encoder::encode(tower, ImageBatch(images));
        passes(c, "encoder", device.clone(), tower, encode);
        passes(c, "layers", device, Layers::new, Layers::forward);
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = vit
}
criterion_main!(benches);

//! The image tower of CLIP ViT-B/32.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::activation::sigmoid;
use burn::tensor::module::attention;
use burn::tensor::{Device, Tensor};
use burn_mla::encoder::Encoder;
use burn_mla::modality::ImageBatch;
use burn_mla_encoders::clip::ClipImageEncoderConfig;

use super::passes::{self, Side};
use crate::common::random;
use crate::turns::Turns;

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

pub fn run(turns: &Turns, device_name: &str, device: &Device) {
    passes::time(turns, "vit-b-32", (device_name, device), |device| {
        let images = random([BATCH, 3, 224, 224], device);
        let tower = ClipImageEncoderConfig::vit_b_32().init(device);
        let tower = tower.expect("the sizes are valid");
        let input = ImageBatch(images.clone());
        [
            Side::new("encoder", tower, input, Encoder::encode),
            Side::new("layers", Layers::new(device), images, Layers::forward),
        ]
    });
}

//! Against the original's numbers, at the edges, in a model, and with wrong files.

mod joint;
mod numbers;
mod shapes;
mod training;
mod weights;

use burn::tensor::{Device, Tensor};
use burn_mla::modality::{ImageBatch, TokenBatch};

use super::*;
use crate::vit::fixture::Fixture;

fn fixture() -> Fixture {
    Fixture::new("m3ae")
}

fn config() -> M3aeConfig {
    M3aeConfig::new()
        .with_d_model(32)
        .with_depth(2)
        .with_n_heads(4)
        .with_vocabulary(64)
        .with_text_length(12)
        .with_image_size(32)
}

fn text(config: &M3aeConfig, device: &Device) -> M3aeTextEncoder {
    let encoder = config.init_text(device).unwrap();
    let weights = fixture().path("weights.safetensors");
    encoder.load_pretrained(weights).unwrap()
}

fn image(config: &M3aeConfig, device: &Device) -> M3aeImageEncoder {
    let encoder = config.init_image(device).unwrap();
    let weights = fixture().path("weights.safetensors");
    encoder.load_pretrained(weights).unwrap()
}

/// The file's mask is 1 for padding.
fn texts(device: &Device) -> TokenBatch {
    let fixture = fixture();
    let padding: Tensor<2> = fixture.input::<3>("padding_mask", device).squeeze_dim(1);
    let ids = fixture.ids::<3>("token", device).squeeze_dim(1);
    TokenBatch::new(ids, padding.equal_elem(0.0))
}

fn images(device: &Device) -> ImageBatch {
    ImageBatch(fixture().input("image", device))
}

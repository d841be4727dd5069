//! Shapes and values that are refused, and named configurations.

use burn::tensor::{Device, Tensor};
use burn_mla::encoder::Encoder;
use burn_mla::modality::{ImageBatch, TokenBatch};

use super::*;
use crate::blocks::{Blocks, freeze};
use crate::vit::{Activation, PatchOrder};

#[test]
fn wrong_shapes_are_refused() {
    let device = Device::flex();
    let images = config().init_image(&device).unwrap();
    for shape in [
        [2, 3, 24, 24],
        [2, 3, 48, 48],
        [2, 3, 16, 32],
        [2, 1, 32, 32],
        [2, 3, 0, 0],
    ] {
        let error = images
            .check(&ImageBatch(Tensor::zeros(shape, &device)))
            .unwrap_err();
        let expected = "[batch, 3, size, size] with a size that is a multiple of 16, up to 32";
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.to_string().contains(&format!("{shape:?}")), "{error}");
    }
    let texts = config().init_text(&device).unwrap();
    let tokens = |ids: [usize; 2], mask: [usize; 2]| {
        TokenBatch::new(Tensor::zeros(ids, &device), Tensor::zeros(mask, &device))
    };
    let error = texts.check(&tokens([2, 13], [2, 13])).unwrap_err();
    assert!(
        error.to_string().contains("a length from 1 to 12"),
        "{error}"
    );
    assert!(texts.check(&tokens([2, 0], [2, 0])).is_err());
    let error = texts.check(&tokens([2, 5], [2, 4])).unwrap_err();
    assert!(error.to_string().contains("a mask [2, 5]"), "{error}");
    assert!(texts.check(&tokens([0, 5], [0, 5])).is_ok());
    let (_, mask) = tokens([2, 2], [2, 2]).into_parts();
    let unknown = TokenBatch::new(Tensor::from_ints([[1, 63], [0, 64]], &device), mask);
    let error = texts.check(&unknown).unwrap_err().to_string();
    assert!(
        error.contains("token 64 of sample 1 is out of range"),
        "{error}"
    );
}

/// Each name is that of a module, and together they hold all but the last normalization.
#[test]
fn blocks_are_named_from_input_to_output() {
    let device = Device::flex();
    let text = config().init_text(&device).unwrap();
    let image = config().init_image(&device).unwrap();
    for blocks in [text.blocks(), image.blocks()] {
        assert_eq!(blocks.len(), 3);
        assert_eq!(blocks[2], ["transformer.blocks.1"]);
    }
    let names = text.blocks().concat();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    freeze(text, &names).unwrap();
    let names = image.blocks().concat();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    freeze(image, &names).unwrap();
}

#[test]
fn values_out_of_range_are_refused() {
    let device = Device::flex();
    for (config, message) in [
        (
            config().with_n_heads(5),
            "d_model must be a multiple of n_heads, got 32",
        ),
        (
            config().with_n_heads(0),
            "n_heads must be at least 1, got 0",
        ),
        (
            config().with_d_model(0),
            "d_model must be a multiple of n_heads, got 0",
        ),
        (
            config().with_d_model(6).with_n_heads(3),
            "d_model must be a multiple of 4, got 6",
        ),
        (
            config().with_image_size(40),
            "image_size must be a multiple of patch_size, got 40",
        ),
        (
            config().with_dropout(1.0),
            "dropout must be in [0, 1), got 1",
        ),
        (
            config().with_epsilon(0.0),
            "epsilon must be finite and > 0, got 0",
        ),
        (config().with_depth(0), "depth must be at least 1, got 0"),
    ] {
        let error = config.init_text(&device).unwrap_err();
        assert_eq!(error.to_string(), message);
        assert!(config.init_image(&device).is_err());
    }
}

#[test]
fn a_configuration_is_saved_and_loaded() {
    let config = M3aeConfig::jax_large().with_drop_path(0.1);
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<M3aeConfig>(&text).unwrap(), config);
}

#[test]
fn the_conventions_of_the_published_weights_are_selected_by_name() {
    let (base, jax) = (M3aeConfig::base(), M3aeConfig::jax_base());
    assert_eq!((base.d_model, base.depth, base.n_heads), (768, 12, 12));
    assert_eq!(jax.patch_order, PatchOrder::ChannelLast);
    assert_eq!(jax.activation, Activation::GeluTanh);
    assert_eq!(jax.epsilon, 1e-6);
    let large = M3aeConfig::jax_large();
    assert_eq!((large.d_model, large.depth, large.n_heads), (1024, 24, 16));
    assert_eq!(large.patch_order, jax.patch_order);
}

//! The fixture of MLA's port, and what must not change a feature.

use burn::tensor::{Device, Int, Tensor};
use burn_mla::encoder::Encoder;
use burn_mla::modality::{ImageBatch, SelectRows, TokenBatch};

use super::super::text::padding;
use super::*;
use crate::test_devices;
use crate::vit::fixture::assert_close;
use crate::vit::{Activation, Arithmetic, PatchOrder, cut, hide_keys, sin_cos, sin_cos_grid};

#[test]
fn a_text_is_encoded_as_by_the_original() {
    let fixture = fixture();
    for device in test_devices() {
        let (encoder, input) = (text(&config(), &device), texts(&device));
        encoder.check(&input).unwrap();
        let embedded = encoder.embed(&input);
        fixture.assert_output("text_embedded", embedded.clone());
        let hidden = hide_keys(padding(input.mask().clone()));
        let block = &encoder.transformer.blocks[0];
        fixture.assert_output("text_block0", block.forward(embedded, Some(&hidden)));
        fixture.assert_output("text_tokens", encoder.tokens(input.clone()));
        fixture.assert_output("text_feature", encoder.encode(input));
        assert_eq!(encoder.d_feature(), 32);
    }
}

#[test]
fn an_image_is_encoded_as_by_the_original() {
    let fixture = fixture();
    for device in test_devices() {
        let (encoder, input) = (image(&config(), &device), images(&device));
        encoder.check(&input).unwrap();
        let patches = cut(input.0.clone(), 16, PatchOrder::ChannelFirst);
        fixture.assert_output("patches", patches);
        let embedded = encoder.embed(input.0.clone());
        fixture.assert_output("image_embedded", embedded.clone());
        let block = &encoder.transformer.blocks[0];
        fixture.assert_output("image_block0", block.forward(embedded, None));
        fixture.assert_output("image_tokens", encoder.tokens(input.clone()));
        fixture.assert_output("image_feature", encoder.encode(input));
        assert_eq!(encoder.d_feature(), 32);
    }
}

/// The numbers of training, by the parts of attention and on an autodiff device.
#[test]
fn training_computes_the_same() {
    for device in test_devices() {
        let device = device.autodiff();
        let feature = text(&config(), &device).encode(texts(&device));
        fixture().assert_output("text_feature", feature.inner());
        let feature = image(&config(), &device).encode(images(&device));
        fixture().assert_output("image_feature", feature.inner());
    }
}

#[test]
fn positions_are_those_of_the_original() {
    let fixture = fixture();
    for device in test_devices() {
        let positions = sin_cos(256, 32, Arithmetic::Single, &device);
        let rows = Tensor::<1, Int>::from_ints([0, 1, 100, 255], &device);
        let selected = positions.clone().squeeze_dim::<2>(0).select(0, rows);
        fixture.assert_output("pos_embed_1d_rows_0_1_100_255", selected);
        fixture.assert_output("pos_embed_1d", positions.slice_dim(1, 0..12));
        let grid = sin_cos_grid([2, 2], 32, Arithmetic::Single, &device);
        fixture.assert_output("pos_embed_2d", grid.reshape([1, 4, 32]));
    }
}

#[test]
fn layer_norm_has_the_epsilon_of_the_configuration() {
    let fixture = fixture();
    for device in test_devices() {
        let normalized = |config: &M3aeConfig| {
            let norm = text(config, &device).transformer.norm;
            norm.forward(fixture.input_of_outputs::<2>("ln_probe_in", &device))
        };
        fixture.assert_output("ln_probe_out", normalized(&config()));
        let other = normalized(&config().with_epsilon(1e-6));
        assert!(fixture.difference("ln_probe_out", other) > 1e4);
    }
}

#[test]
fn other_conventions_give_other_features() {
    let (fixture, device) = (fixture(), Device::flex());
    let (ids, mask) = texts(&device).into_parts();
    let inverted = TokenBatch::new(ids, mask.bool_not());
    let inverted = text(&config(), &device).encode(inverted);
    assert!(fixture.difference("text_feature", inverted) > 1e3);
    let tanh = config().with_activation(Activation::GeluTanh);
    let tanh = text(&tanh, &device).encode(texts(&device));
    assert!(fixture.difference("text_feature", tanh) > 3.0);
    let last = config().with_patch_order(PatchOrder::ChannelLast);
    let last = image(&last, &device).encode(images(&device));
    assert!(fixture.difference("image_feature", last) > 1e3);
}

#[test]
fn a_sample_does_not_depend_on_its_batch() {
    for device in test_devices() {
        let (encoder, input) = (text(&config(), &device), texts(&device));
        let together = encoder.encode(input.clone());
        for row in 0..3 {
            let one = input.clone().select_rows(&[row]).unwrap();
            let expected = together.clone().slice_dim(0, row..row + 1);
            assert_close(encoder.encode(one), expected);
        }
        let (encoder, input) = (image(&config(), &device), images(&device));
        let one = ImageBatch(input.0.clone().slice_dim(0, 1..2));
        let expected = encoder.encode(input).slice_dim(0, 1..2);
        assert_close(encoder.encode(one), expected);
    }
}

#[test]
fn smaller_inputs_have_the_positions_of_their_size() {
    for device in test_devices() {
        let large = config().with_image_size(64).with_text_length(256);
        let input = images(&device);
        let feature = image(&large, &device).encode(input.clone());
        fixture().assert_output("image_feature", feature);
        let feature = text(&large, &device).encode(texts(&device));
        fixture().assert_output("text_feature", feature);
        let one_patch = ImageBatch(input.0.slice([0..3, 0..3, 0..16, 0..16]));
        assert_eq!(image(&large, &device).tokens(one_patch).dims(), [3, 2, 32]);
    }
}

//! The parts of a block on the way of training and on that of inference.

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};

use super::fixture::{assert_close, assert_same};
use super::gradients::numbers;
use super::*;
use crate::test_devices;

fn config() -> BlockConfig {
    BlockConfig {
        d_model: 8,
        n_heads: 2,
        d_hidden: 12,
        activation: Activation::Gelu,
        epsilon: 1e-5,
        attention_dropout: 0.0,
        dropout: 0.0,
        drop_path: 0.0,
        initializers: BlockInitializers::xavier(),
    }
}

fn padding(device: &Device) -> Hidden {
    let hidden = [[0, 0, 1, 1, 1], [0, 0, 0, 0, 0], [0, 1, 1, 1, 1]];
    hide_keys(Tensor::<2, Int>::from_ints(hidden, device).bool())
}

/// Inference uses Burn's fused attention, training its parts.
#[test]
fn training_and_inference_agree() {
    for device in test_devices() {
        let training = device.clone().autodiff();
        let blocks = config().init(2, &training);
        let plain = blocks.valid();
        let x = numbers([3, 5, 8], 0, &device);
        for hidden in [None, Some(padding(&device)), Some(causal(5, &device))] {
            let expected = forward(&plain, x.clone(), hidden.as_ref());
            let hidden = hidden.map(|hidden| hidden.autodiff());
            let found = forward(&blocks, x.clone().autodiff(), hidden.as_ref());
            assert_close(found.inner(), expected);
        }
    }
}

#[test]
fn hidden_keys_do_not_matter() {
    for device in test_devices() {
        let block = config().init(1, &device).remove(0);
        let x = numbers([3, 5, 8], 0, &device);
        let hidden = padding(&device);
        let y = block.forward(x.clone(), Some(&hidden));
        // The tokens 2 to 4 of the first row are hidden from the first two.
        let changed = x
            .clone()
            .slice_assign([0..1, 2..5, 0..8], numbers([1, 3, 8], 7, &device));
        let z = block.forward(changed, Some(&hidden));
        assert_same(z.clone().slice([0..1, 0..2]), y.clone().slice([0..1, 0..2]));
        assert_ne!(z.into_data(), y.clone().into_data());

        // No token attends to a later one.
        let hidden = causal(5, &device);
        let y = block.forward(x.clone(), Some(&hidden));
        let changed = x.slice_assign([0..3, 4..5, 0..8], numbers([3, 1, 8], 9, &device));
        let z = block.forward(changed, Some(&hidden));
        assert_same(z.slice([0..3, 0..4]), y.slice([0..3, 0..4]));
    }
}

#[test]
fn dropout_is_for_training_only() {
    for device in test_devices() {
        let training = device.clone().autodiff();
        let plain = config().init(1, &training);
        let x = numbers([3, 5, 8], 0, &device);
        let settings: [fn(&mut BlockConfig); 3] = [
            |config| config.attention_dropout = 0.5,
            |config| config.dropout = 0.5,
            |config| config.drop_path = 0.5,
        ];
        for set in settings {
            let mut config = config();
            set(&mut config);
            let blocks = config
                .init(1, &training)
                .load_record(plain.clone().into_record());
            training.seed(3);
            let train = |x: Tensor<3>| forward(&blocks, x.autodiff(), None).inner();
            let (once, twice) = (train(x.clone()), train(x.clone()));
            assert_ne!(once.into_data(), twice.into_data());
            let expected = forward(&plain.valid(), x.clone(), None);
            assert_same(forward(&blocks.valid(), x.clone(), None), expected);
        }
    }
}

/// Burn recomputes elementwise operations in the backward pass where the device asks for it.
#[test]
fn gradient_checkpointing_changes_no_gradient() {
    for device in test_devices() {
        let record = config().init(2, &device).into_record();
        let gradient = |training: Device| {
            let blocks = config().init(2, &training).load_record(record.clone());
            let x = numbers([3, 5, 8], 0, &training).require_grad();
            let mut gradients = forward(&blocks, x.clone(), None).sum().backward();
            x.grad_remove(&mut gradients).unwrap()
        };
        let training = device.autodiff();
        let checkpointed = gradient(training.clone().gradient_checkpointing());
        assert_close(checkpointed, gradient(training));
    }
}

#[test]
fn initial_values_have_the_spread_of_the_originals() {
    let device = Device::flex();
    device.seed(0);
    let spread = |weights: Tensor<2>| weights.var(0).mean().sqrt().into_scalar::<f32>();
    let xavier = linear(256, 768, &BlockInitializers::xavier().qkv, &device);
    // The standard deviation of a uniform value in `[-a, a]` is `a / sqrt(3)`.
    let expected = (6.0f32 / 1024.0).sqrt() / 3.0f32.sqrt();
    assert!((spread(xavier.weight.val()) / expected - 1.0).abs() < 0.02);
    assert_eq!(
        xavier.bias.unwrap().val().abs().max().into_scalar::<f32>(),
        0.0
    );
    let clip = BlockInitializers::clip(256, 8);
    for (initializer, std) in [
        (clip.qkv, 1.0 / 16.0),
        (clip.output, 1.0 / 64.0),
        (clip.hidden, 1.0 / 22.627),
        (clip.mlp_output, 1.0 / 64.0),
    ] {
        let weight = linear(256, 256, &initializer, &device).weight.val();
        assert!((spread(weight) / std - 1.0).abs() < 0.02);
    }
}

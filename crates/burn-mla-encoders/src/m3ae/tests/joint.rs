//! Images and texts in one sequence.

use burn::tensor::{Device, Tensor};
use burn_mla::encoder::Encoder;
use burn_mla::modality::{ImageBatch, SelectRows};

use super::*;
use crate::blocks::Blocks;
use crate::test_devices;

fn joint(device: &Device) -> M3aeJointEncoder {
    let encoder = config().init_joint(device).unwrap();
    let weights = fixture().path("weights.safetensors");
    encoder.load_pretrained(weights).unwrap()
}

#[test]
fn a_pair_is_encoded_as_by_the_original() {
    for device in test_devices() {
        for device in [device.clone(), device.autodiff()] {
            let input = (images(&device), texts(&device));
            let encoder = joint(&device);
            encoder.check(&input).unwrap();
            let tokens = encoder.tokens(input.clone());
            fixture().assert_output("joint_tokens", tokens);
            fixture().assert_output("joint_feature", encoder.encode(input));
            assert_eq!(encoder.d_feature(), 32);
        }
    }
}

#[test]
fn pairs_of_other_sizes_are_refused() {
    let device = Device::flex();
    let encoder = joint(&device);
    let (images, texts) = (images(&device), texts(&device));
    let two = texts.clone().select_rows(&[0, 1]).unwrap();
    let error = encoder.check(&(images.clone(), two)).unwrap_err();
    assert!(error.to_string().contains("3 texts"), "{error}");
    let small = ImageBatch(Tensor::zeros([3, 3, 8, 8], &device));
    assert!(encoder.check(&(small, texts)).is_err());
}

#[test]
fn blocks_hold_all_but_the_last_normalization() {
    let encoder = joint(&Device::flex());
    let blocks = encoder.blocks();
    assert_eq!(blocks.len(), 3);
    assert_eq!(blocks[2], ["image.transformer.blocks.1"]);
    for name in blocks.concat() {
        assert!(
            crate::blocks::freeze(encoder.clone(), &[&name]).is_ok(),
            "{name}"
        );
    }
}

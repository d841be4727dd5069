//! Against the original's numbers, at the edges, and with the files of others.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use burn_mla::encoder::Encoder;
use burn_mla::modality::{FbankBatch, ImageBatch};

use super::*;
use crate::blocks::{Blocks, freeze};
use crate::test_devices;
use crate::vit::fixture::{Fixture, assert_close, assert_same};
use crate::vit::forward;
use crate::vit::gradients::{assert_gradients, numbers};
use crate::vit::{Arithmetic, sin_cos_grid};
use crate::weights::{Mismatch, WeightsError};

fn fixture() -> Fixture {
    Fixture::new("cav_mae")
}

fn config() -> CavMaeConfig {
    CavMaeConfig::new()
        .with_d_model(32)
        .with_n_heads(4)
        .with_specific_depth(2)
        .with_image_size(32)
        .with_audio_length(48)
}

fn audio(device: &Device) -> CavMaeAudioEncoder {
    let encoder = config().init_audio(device).unwrap();
    let weights = fixture().path("weights.safetensors");
    encoder.load_pretrained(weights).unwrap()
}

fn visual(device: &Device) -> CavMaeVisualEncoder {
    let encoder = config().init_visual(device).unwrap();
    let weights = fixture().path("weights.safetensors");
    encoder.load_pretrained(weights).unwrap()
}

fn fbanks(device: &Device) -> FbankBatch {
    FbankBatch(fixture().input("audio", device))
}

fn images(device: &Device) -> ImageBatch {
    ImageBatch(fixture().input("visual", device))
}

#[test]
fn audio_is_encoded_as_by_the_original() {
    let fixture = fixture();
    for device in test_devices() {
        let (encoder, input) = (audio(&device), fbanks(&device));
        encoder.check(&input).unwrap();
        let embedded = encoder.embed(input.0.clone());
        fixture.assert_output("a_embedded", embedded.clone());
        let specific = forward(&encoder.transformer.specific, embedded, None);
        fixture.assert_output("a_specific", specific);
        fixture.assert_output("a_tokens", encoder.tokens(input.clone()));
        fixture.assert_output("a_feature", encoder.encode(input));
        assert_eq!(encoder.d_feature(), 32);
    }
}

#[test]
fn an_image_is_encoded_as_by_the_original() {
    let fixture = fixture();
    for device in test_devices() {
        let (encoder, input) = (visual(&device), images(&device));
        encoder.check(&input).unwrap();
        let embedded = encoder.transformer.embed(input.0.clone());
        fixture.assert_output("v_embedded", embedded.clone());
        let specific = forward(&encoder.transformer.specific, embedded, None);
        fixture.assert_output("v_specific", specific);
        fixture.assert_output("v_tokens", encoder.tokens(input.clone()));
        fixture.assert_output("v_feature", encoder.encode(input));
        assert_eq!(encoder.d_feature(), 32);
    }
}

#[test]
fn training_computes_the_same() {
    for device in test_devices() {
        let device = device.autodiff();
        let feature = audio(&device).encode(fbanks(&device));
        fixture().assert_output("a_feature", feature.inner());
        let feature = visual(&device).encode(images(&device));
        fixture().assert_output("v_feature", feature.inner());
    }
}

#[test]
fn positions_start_as_in_the_original() {
    for device in test_devices() {
        let grid = |grid| sin_cos_grid(grid, 32, Arithmetic::Double, &device);
        fixture().assert_output("pos_embed_a_init", grid([8, 3]).reshape([1, 24, 32]));
        fixture().assert_output("pos_embed_v_init", grid([2, 2]).reshape([1, 4, 32]));
        let transposed = fixture().difference(
            "pos_embed_a_init",
            grid([3, 8]).swap_dims(0, 1).reshape([1, 24, 32]),
        );
        assert!(transposed > 1e3);
    }
}

#[test]
fn layer_norm_has_the_epsilon_of_the_configuration() {
    let fixture = fixture();
    for device in test_devices() {
        let normalized = |config: &CavMaeConfig| {
            let encoder = config.init_audio(&device).unwrap();
            let encoder = encoder.load_pretrained(fixture.path("weights.safetensors"));
            let input = fixture.input_of_outputs::<2>("ln_probe_in", &device);
            encoder.unwrap().transformer.norm.forward(input)
        };
        fixture.assert_output("ln_probe_out", normalized(&config()));
        let other = normalized(&config().with_epsilon(1e-6));
        assert!(fixture.difference("ln_probe_out", other) > 1e4);
    }
}

/// The wrong branch's norms in the unified block show in the features.
#[test]
fn each_branch_has_its_own_norms() {
    let device = Device::flex();
    let encoder = config().init_audio(&device).unwrap();
    let file = encoder.weight_file(fixture().path("weights.safetensors"));
    let keys = file.keys().unwrap();
    assert_eq!(keys.len(), 6 + 3 * 12);
    let folder = tempfile::tempdir().unwrap();
    let path = fixture().changed("weights.safetensors", folder.path(), |tensors| {
        for norm in ["norm1", "norm2"] {
            let unified = tensors[&format!("blocks_u.0.{norm}.weight")].clone();
            tensors.insert(format!("blocks_u.0.{norm}_a.weight"), unified);
        }
    });
    let other = encoder.load_pretrained(path).unwrap();
    let feature = other.encode(fbanks(&device));
    assert!(fixture().difference("a_feature", feature) > 1e3);
}

#[test]
fn a_sample_does_not_depend_on_its_batch() {
    for device in test_devices() {
        let (encoder, input) = (audio(&device), fbanks(&device));
        let one = FbankBatch(input.0.clone().slice_dim(0, 1..2));
        let expected = encoder.encode(input).slice_dim(0, 1..2);
        assert_close(encoder.encode(one), expected);
        let (encoder, input) = (visual(&device), images(&device));
        let one = ImageBatch(input.0.clone().slice_dim(0, 1..2));
        let expected = encoder.encode(input).slice_dim(0, 1..2);
        assert_close(encoder.encode(one), expected);
    }
}

#[test]
fn wrong_shapes_are_refused() {
    let device = Device::flex();
    let encoder = config().init_audio(&device).unwrap();
    for shape in [[2, 128, 48], [2, 64, 128], [2, 48, 64]] {
        let error = encoder
            .check(&FbankBatch(Tensor::zeros(shape, &device)))
            .unwrap_err();
        assert!(error.to_string().contains("[batch, 48, 128]"), "{error}");
        assert!(error.to_string().contains(&format!("{shape:?}")), "{error}");
    }
    let encoder = config().init_visual(&device).unwrap();
    for shape in [[2, 1, 32, 32], [2, 3, 48, 48], [2, 3, 32, 16]] {
        let error = encoder
            .check(&ImageBatch(Tensor::zeros(shape, &device)))
            .unwrap_err();
        assert!(error.to_string().contains("[batch, 3, 32, 32]"), "{error}");
    }
    for config in [
        config().with_audio_length(40),
        config().with_mel_bins(0),
        config().with_image_size(20),
        config().with_n_heads(3),
        config().with_patch_size(0),
    ] {
        assert!(config.init_audio(&device).is_err());
        assert!(config.init_visual(&device).is_err());
    }
}

#[test]
fn the_published_sizes_are_the_defaults() {
    let config = CavMaeConfig::base();
    assert_eq!((config.specific_depth, config.unified_depth), (11, 1));
    assert_eq!((config.audio_length, config.mel_bins), (1024, 128));
    assert_eq!((config.d_model, config.image_size), (768, 224));
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<CavMaeConfig>(&text).unwrap(), config);
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let tiny = config()
        .with_specific_depth(1)
        .with_d_model(8)
        .with_n_heads(2);
    let tiny = tiny.with_patch_size(2).with_image_size(4);
    let tiny = tiny.with_audio_length(6).with_mel_bins(4);
    for device in test_devices() {
        let training = device.autodiff();
        let device = |module: Vec<Device>| module[0].clone();
        assert_gradients(tiny.init_audio(&training).unwrap(), |encoder| {
            FbankBatch(numbers([2, 6, 4], 5, &device(encoder.devices())))
        });
        assert_gradients(tiny.init_visual(&training).unwrap(), |encoder| {
            ImageBatch(numbers([2, 3, 4, 4], 5, &device(encoder.devices())))
        });
    }
}

/// The authors' checkpoints have a norm, a head and a decoder that MLA's version lacks.
#[test]
fn a_checkpoint_of_the_authors_needs_its_own_steps() {
    let path = fixture().path("authors.pth");
    let encoder = config().init_audio(&Device::flex()).unwrap();
    let Err(WeightsError::Mismatch { mismatch, .. }) = encoder.load_pretrained(&path) else {
        panic!("loaded");
    };
    let Mismatch {
        missing,
        unexpected,
        ..
    } = *mismatch;
    assert_eq!(missing, [""; 0]);
    assert!(unexpected.contains(&"mlp_head.1.weight".into()));

    for device in test_devices() {
        let encoder = config().init_audio(&device).unwrap();
        let file = encoder.authors_weight_file(&path);
        let encoder = file.load(encoder).unwrap();
        let expected = audio(&device).encode(fbanks(&device));
        assert_same(encoder.encode(fbanks(&device)), expected);
        let encoder = config().init_visual(&device).unwrap();
        let file = encoder.authors_weight_file(&path);
        let encoder = file.load(encoder).unwrap();
        let expected = visual(&device).encode(images(&device));
        assert_same(encoder.encode(images(&device)), expected);
    }
}

#[test]
fn a_missing_norm_of_the_branch_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = fixture().changed("weights.safetensors", folder.path(), |tensors| {
        tensors.remove("blocks_u.0.norm2_v.bias").unwrap();
    });
    let encoder = config().init_audio(&Device::flex()).unwrap();
    encoder.load_pretrained(&path).unwrap();
    let encoder = config().init_visual(&Device::flex()).unwrap();
    let error = encoder.load_pretrained(&path).unwrap_err();
    let message = "missing: transformer.unified.0.norm2.beta";
    assert!(error.to_string().contains(message), "{error}");
}

#[test]
fn blocks_are_named_from_input_to_output() {
    fn names<E: Blocks>(encoder: E, n_blocks: usize) {
        let blocks = encoder.blocks();
        assert_eq!(blocks.len(), n_blocks);
        let names = blocks.concat();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        freeze(encoder, &names).unwrap();
    }
    let device = Device::flex();
    names(config().init_audio(&device).unwrap(), 4);
    names(config().init_visual(&device).unwrap(), 4);
}

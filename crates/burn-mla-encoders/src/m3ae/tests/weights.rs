//! Files that do not fit, and checkpoints of MLA.

use burn::tensor::Device;
use burn_mla::encoder::Encoder;

use super::*;
use crate::test_devices;
use crate::vit::fixture::{Stored, assert_same};
use crate::weights::{Mismatch, ShapeMismatch, WeightsError};

/// Loads the weights of the fixture after a change.
fn load(config: &M3aeConfig, change: impl FnOnce(&mut Stored)) -> Result<(), WeightsError> {
    let folder = tempfile::tempdir().unwrap();
    let path = fixture().changed("weights.safetensors", folder.path(), change);
    let encoder = config.init_text(&Device::flex()).unwrap();
    encoder.load_pretrained(path).map(|_| ())
}

fn mismatch(config: &M3aeConfig, change: impl FnOnce(&mut Stored)) -> Mismatch {
    match load(config, change) {
        Err(WeightsError::Mismatch { mismatch, .. }) => *mismatch,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_encoder_that_is_not_drawn_loads_the_same() {
    for device in test_devices() {
        let path = fixture().path("weights.safetensors");
        let lazy = config().init_text_lazy(&device).unwrap();
        assert!(!lazy.embedding.weight.is_initialized());
        let loaded = lazy.load_pretrained(path).unwrap();
        let expected = text(&config(), &device).encode(texts(&device));
        assert_same(loaded.encode(texts(&device)), expected);
    }
}

#[test]
fn wrong_weights_are_named() {
    load(&config(), |_| ()).unwrap();
    let found = mismatch(&config(), |tensors| {
        let bias = "encoder.blocks.1.attention.fc.bias";
        tensors.remove(bias).unwrap();
    });
    let missing = "transformer.blocks.1.attention.output.bias";
    assert_eq!(found.missing, [missing]);
    assert!(found.unexpected.is_empty() && found.shapes.is_empty());

    let found = mismatch(&config(), |tensors| {
        let bias = tensors["image_embedding.bias"].clone();
        tensors.insert("encoder.blocks.2.layer_norm1.bias".into(), bias);
    });
    assert_eq!(found.unexpected, ["transformer.blocks.2.norm1.bias"]);
    assert!(found.missing.is_empty() && found.shapes.is_empty());

    let found = mismatch(&config(), |tensors| {
        let weight = tensors.get_mut("encoder.blocks.0.transformer_mlp.fc1.weight");
        weight.unwrap().shape.reverse();
    });
    let transposed = ShapeMismatch {
        path: "transformer.blocks.0.mlp.hidden.weight".into(),
        expected: vec![32, 128],
        found: vec![128, 32],
    };
    assert_eq!(found.shapes, [transposed]);
    assert!(found.missing.is_empty() && found.unexpected.is_empty());

    let found = mismatch(&config().with_d_model(64), |_| ());
    assert_eq!(found.shapes.len(), 29);
    assert!(found.missing.is_empty() && found.unexpected.is_empty());
    let found = mismatch(&config().with_vocabulary(65), |_| ());
    assert_eq!(found.shapes[0].path, "embedding.weight");
    assert_eq!(
        (&*found.shapes[0].expected, &*found.shapes[0].found),
        (&[65, 32][..], &[64, 32][..])
    );
}

#[test]
fn a_truncated_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(fixture().path("weights.safetensors")).unwrap();
    let path = folder.path().join("weights.safetensors");
    for length in [0, 7, 100, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..length]).unwrap();
        let encoder = config().init_text(&Device::flex()).unwrap();
        let error = encoder.load_pretrained(&path).unwrap_err();
        assert!(error.to_string().contains("weights.safetensors"), "{error}");
    }
}

/// The script that converts a checkpoint in JAX, on a made one. Needs Python with numpy.
#[test]
fn a_checkpoint_in_jax_is_converted() {
    use std::process::Command;

    let numpy = Command::new("python3")
        .args(["-c", "import numpy"])
        .output();
    if !numpy.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: python3 with numpy is absent");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("converted.safetensors");
    let scripts = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let output = Command::new("python3")
        .arg(scripts.join("test_m3ae_jax_to_safetensors.py"))
        .args([fixture().path("weights.safetensors"), path.clone()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(
        printed.contains("left out: decoder/LayerNorm_0/scale"),
        "{printed}"
    );
    let device = Device::flex();
    let text = config().init_text(&device).unwrap();
    let text = text.load_pretrained(&path).unwrap();
    let expected = super::text(&config(), &device).encode(texts(&device));
    assert_same(text.encode(texts(&device)), expected);
    let image = config().init_image(&device).unwrap();
    let image = image.load_pretrained(&path).unwrap();
    let expected = super::image(&config(), &device).encode(images(&device));
    assert_same(image.encode(images(&device)), expected);
}

/// A file in PyTorch's format as `main.py` saves it: `model`, `module.`, `mae_a.`.
#[test]
fn a_checkpoint_of_mla_is_loaded() {
    for device in test_devices() {
        let path = fixture().path("checkpoint.pth");
        let encoder = config().init_text(&device).unwrap();
        let encoder = M3aeTextEncoder::weight_file(&path)
            .with_submodule("mae_a")
            .load(encoder)
            .unwrap();
        let expected = text(&config(), &device).encode(texts(&device));
        assert_same(encoder.encode(texts(&device)), expected);
    }
    // Without the name of the network nothing matches, and nothing is loaded.
    let path = fixture().path("checkpoint.pth");
    let encoder = config().init_text(&Device::flex()).unwrap();
    assert!(encoder.load_pretrained(path).is_err());
}

//! Against the original's numbers, in both layouts, and at the edges.

use burn::module::Module;
use burn::tensor::{DType, Device, Tensor};
use burn_mla::encoder::Encoder;
use burn_mla::modality::{ImageBatch, TokenBatch};

use super::*;
use crate::HuggingFaceError;
use crate::blocks::{Blocks, freeze};
use crate::test_devices;
use crate::vit::Activation;
use crate::vit::fixture::{Fixture, Stored, assert_close, assert_same};
use crate::vit::gradients::{assert_gradients, numbers};
use crate::weights::{Mismatch, WeightFile, WeightsError};

const FILES: [&str; 2] = ["weights.safetensors", "weights_openai.safetensors"];

fn fixture() -> Fixture {
    Fixture::new("clip")
}

fn image_config() -> ClipImageEncoderConfig {
    ClipImageEncoderConfig::new()
        .with_d_model(32)
        .with_depth(2)
        .with_n_heads(4)
        .with_d_hidden(128)
        .with_d_feature(16)
        .with_image_size(32)
        .with_patch_size(16)
}

fn text_config() -> ClipTextEncoderConfig {
    ClipTextEncoderConfig::new()
        .with_d_model(32)
        .with_depth(2)
        .with_n_heads(4)
        .with_d_hidden(128)
        .with_d_feature(16)
        .with_vocabulary(80)
        .with_text_length(12)
}

fn image(config: &ClipImageEncoderConfig, file: &str, device: &Device) -> ClipImageEncoder {
    let encoder = config.init(device).unwrap();
    encoder.load_pretrained(fixture().path(file)).unwrap()
}

fn text(config: &ClipTextEncoderConfig, file: &str, device: &Device) -> ClipTextEncoder {
    let encoder = config.init(device).unwrap();
    encoder.load_pretrained(fixture().path(file)).unwrap()
}

fn images(device: &Device) -> ImageBatch {
    ImageBatch(fixture().input("image", device))
}

fn texts(device: &Device) -> TokenBatch {
    let ids = fixture().ids::<2>("ids", device);
    let mask = ids.clone().not_equal_elem(0);
    TokenBatch::new(ids, mask)
}

#[test]
fn an_image_is_encoded_as_by_the_original() {
    let fixture = fixture();
    for (device, file) in test_devices()
        .into_iter()
        .flat_map(|d| FILES.map(|f| (d.clone(), f)))
    {
        let encoder = image(&image_config(), file, &device);
        let input = images(&device);
        encoder.check(&input).unwrap();
        fixture.assert_output("image_embedded", encoder.embed(input.0.clone()));
        let tokens = encoder.tokens(input.clone());
        fixture.assert_output("image_tokens", tokens.clone());
        fixture.assert_output("image_pooled", encoder.pool(tokens));
        fixture.assert_output("image_embeds", encoder.encode(input.clone()));
        assert_eq!(encoder.d_feature(), 16);
        let encoder = image(&image_config().with_normalized(true), file, &device);
        fixture.assert_output("image_embeds_norm", encoder.encode(input));
    }
}

#[test]
fn a_text_is_encoded_as_by_the_original() {
    let fixture = fixture();
    for (device, file) in test_devices()
        .into_iter()
        .flat_map(|d| FILES.map(|f| (d.clone(), f)))
    {
        let encoder = text(&text_config(), file, &device);
        let input = texts(&device);
        encoder.check(&input).unwrap();
        let embedded = encoder.embed(input.ids().clone());
        fixture.assert_output("text_embedded", embedded.clone());
        fixture.assert_output("text_tokens", encoder.tokens(input.clone()));
        let pooled = encoder.pool(input.ids().clone(), encoder.run(embedded));
        fixture.assert_output("text_pooled", pooled);
        fixture.assert_output("text_embeds", encoder.encode(input.clone()));
        assert_eq!(encoder.d_feature(), 16);
        let encoder = text(&text_config().with_normalized(true), file, &device);
        fixture.assert_output("text_embeds_norm", encoder.encode(input));
    }
}

#[test]
fn the_normalized_features_give_the_logits() {
    let device = Device::flex();
    let fixture = fixture();
    let images =
        image(&image_config().with_normalized(true), FILES[0], &device).encode(images(&device));
    let texts =
        text(&text_config().with_normalized(true), FILES[0], &device).encode(texts(&device));
    let scale: f32 = fixture.data(FILES[0], "logit_scale").iter().next().unwrap();
    let logits = images.matmul(texts.transpose()) * scale.exp();
    fixture.assert_output("logits_per_image", logits);
}

#[test]
fn training_computes_the_same() {
    for device in test_devices() {
        let device = device.autodiff();
        let feature = image(&image_config(), FILES[0], &device).encode(images(&device));
        fixture().assert_output("image_embeds", feature.inner());
        let feature = text(&text_config(), FILES[0], &device).encode(texts(&device));
        fixture().assert_output("text_embeds", feature.inner());
    }
}

#[test]
fn layer_norm_has_the_epsilon_of_the_configuration() {
    let fixture = fixture();
    for device in test_devices() {
        let normalized = |config: &ClipTextEncoderConfig| {
            let input = fixture.input_of_outputs::<2>("ln_probe_in", &device);
            text(config, FILES[0], &device).norm.forward(input)
        };
        fixture.assert_output("ln_probe_out", normalized(&text_config()));
        let other = normalized(&text_config().with_epsilon(1e-6));
        assert!(fixture.difference("ln_probe_out", other) > 1e4);
    }
}

#[test]
fn other_conventions_give_other_features() {
    let (fixture, device) = (fixture(), Device::flex());
    let gelu = image_config().with_activation(Activation::Gelu);
    let feature = image(&gelu, FILES[0], &device).encode(images(&device));
    assert!(fixture.difference("image_embeds", feature) > 1e2);
    let gelu = text_config().with_activation(Activation::Gelu);
    let feature = text(&gelu, FILES[0], &device).encode(texts(&device));
    assert!(fixture.difference("text_embeds", feature) > 1e2);
}

#[test]
fn neither_padding_nor_the_mask_matters() {
    for device in test_devices() {
        let encoder = text(&text_config(), FILES[0], &device);
        let input = texts(&device);
        let expected = encoder.encode(input.clone());
        let (ids, mask) = input.into_parts();
        let inverted = TokenBatch::new(ids.clone(), mask.clone().bool_not());
        assert_same(encoder.encode(inverted), expected.clone());
        // The second text ends at its sixth token.
        let part = [1..2, 0..6];
        let cut = TokenBatch::new(ids.clone().slice(part.clone()), mask.clone().slice(part));
        assert_close(encoder.encode(cut), expected.slice_dim(0, 1..2));
        // A text without tokens has a feature.
        let none = TokenBatch::new(ids.zeros_like(), mask.bool_not());
        let feature: Vec<f32> = encoder.encode(none).into_data().iter().collect();
        assert!(feature.iter().all(|value| value.is_finite()));
    }
}

#[test]
fn an_image_does_not_depend_on_its_batch() {
    for device in test_devices() {
        let (encoder, input) = (image(&image_config(), FILES[0], &device), images(&device));
        let one = ImageBatch(input.0.clone().slice_dim(0, 2..3));
        let expected = encoder.encode(input).slice_dim(0, 2..3);
        assert_close(encoder.encode(one), expected);
    }
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let image = image_config().with_depth(1).with_d_model(8).with_n_heads(2);
    let image = image
        .with_d_hidden(12)
        .with_image_size(4)
        .with_patch_size(2);
    let text = text_config().with_depth(1).with_d_model(8).with_n_heads(2);
    let text = text.with_d_hidden(12);
    for device in test_devices() {
        let training = device.autodiff();
        let device = |devices: Vec<Device>| devices[0].clone();
        assert_gradients(image.init(&training).unwrap(), |encoder| {
            ImageBatch(numbers([2, 3, 4, 4], 5, &device(encoder.devices())))
        });
        let text = text.clone().with_normalized(true);
        assert_gradients(text.init(&training).unwrap(), |encoder| {
            texts(&device(encoder.devices()))
        });
    }
}

#[test]
fn wrong_shapes_are_refused() {
    let device = Device::flex();
    let encoder = image_config().init(&device).unwrap();
    for shape in [[2, 3, 16, 16], [2, 1, 32, 32], [2, 3, 32, 48]] {
        let error = encoder
            .check(&ImageBatch(Tensor::zeros(shape, &device)))
            .unwrap_err();
        assert!(error.to_string().contains("[batch, 3, 32, 32]"), "{error}");
    }
    let encoder = text_config().init(&device).unwrap();
    let tokens = |shape: [usize; 2]| {
        TokenBatch::new(Tensor::zeros(shape, &device), Tensor::zeros(shape, &device))
    };
    let error = encoder.check(&tokens([2, 13])).unwrap_err();
    assert!(
        error.to_string().contains("a length from 1 to 12"),
        "{error}"
    );
    assert!(encoder.check(&tokens([2, 0])).is_err());
    assert!(image_config().with_image_size(40).init(&device).is_err());
    assert!(image_config().with_channels(0).init(&device).is_err());
    assert!(text_config().with_n_heads(5).init(&device).is_err());
    assert!(text_config().with_d_feature(0).init(&device).is_err());
}

fn mismatch(file: &str, change: impl FnOnce(&mut Stored)) -> Mismatch {
    let folder = tempfile::tempdir().unwrap();
    let path = fixture().changed(file, folder.path(), change);
    let encoder = image_config().init(&Device::flex()).unwrap();
    match encoder.load_pretrained(path) {
        Err(WeightsError::Mismatch { mismatch, .. }) => *mismatch,
        other => panic!("{:?}", other.map(|_| "loaded")),
    }
}

#[test]
fn wrong_parts_of_a_stack_are_named() {
    let part = "vision_model.encoder.layers.1.self_attn.k_proj.weight";
    let found = mismatch(FILES[0], |tensors| drop(tensors.remove(part)));
    let missing = [
        "blocks.1.attention.qkv.weight",
        "blocks.1.self_attn.k_proj.weight",
    ];
    assert_eq!(found.missing, missing);
    assert!(found.unexpected.is_empty());

    let found = mismatch(FILES[0], |tensors| {
        let tensor = tensors.get_mut(part).unwrap();
        tensor.shape = vec![16, 32];
        tensor.bytes.truncate(4 * 16 * 32);
    });
    assert_eq!(found.shapes[0].path, "blocks.1.self_attn.k_proj.weight");
    assert_eq!(
        (&*found.shapes[0].expected, &*found.shapes[0].found),
        (&[32, 32][..], &[16, 32][..])
    );

    let found = mismatch(FILES[0], |tensors| {
        let tensor = tensors.get_mut(part).unwrap();
        tensor.dtype = "F16".into();
        tensor.bytes.truncate(2 * 32 * 32);
    });
    let unreadable = "blocks.1.self_attn.k_proj.weight: F16 beside F32";
    assert_eq!(found.unreadable, [unreadable]);
}

#[test]
fn wrong_weights_are_named_in_both_layouts() {
    let found = mismatch(FILES[1], |tensors| drop(tensors.remove("visual.proj")));
    assert_eq!(found.missing, ["projection.weight"]);
    let found = mismatch(FILES[1], |tensors| {
        tensors.get_mut("visual.proj").unwrap().shape.reverse()
    });
    assert_eq!(
        (&*found.shapes[0].expected, &*found.shapes[0].found),
        (&[32, 16][..], &[16, 32][..])
    );
    let found = mismatch(FILES[0], |tensors| {
        let norm = tensors["vision_model.pre_layrnorm.bias"].clone();
        tensors.insert("vision_model.pre_layernorm.bias".into(), norm);
    });
    assert_eq!(found.unexpected, ["vision_model.pre_layernorm.bias"]);
}

/// Stacked and transposed tensors keep the precision of the file until they are loaded.
#[test]
fn files_in_half_precision_load_alike() {
    let device = Device::flex();
    let features = FILES.map(|file| {
        let folder = tempfile::tempdir().unwrap();
        let path = fixture().changed(file, folder.path(), |tensors| {
            for tensor in tensors.values_mut() {
                // The upper half of an f32 is a bf16.
                let halves = tensor
                    .bytes
                    .chunks_exact(4)
                    .flat_map(|f32| [f32[2], f32[3]]);
                tensor.bytes = halves.collect();
                tensor.dtype = "BF16".into();
            }
        });
        let layout = ClipLayout::of(&WeightFile::new(&path)).unwrap();
        let file = ClipImageEncoder::weight_file(path, layout);
        let encoder = image_config().init(&device).unwrap();
        let loaded = file.load_with_report(encoder).unwrap();
        assert_eq!(loaded.converted, [DType::BF16]);
        assert!(loaded.left_out.contains(&"logit_scale".into()));
        loaded.module.encode(images(&device))
    });
    let [hugging_face, open_ai] = features;
    let difference = fixture().difference("image_embeds", open_ai.clone());
    assert!((10.0..5e3).contains(&difference), "{difference}");
    assert_same(hugging_face, open_ai);
}

#[test]
fn the_published_sizes_have_names() {
    let base = ClipImageEncoderConfig::vit_b_32();
    assert_eq!(
        (base.d_model, base.depth, base.n_heads, base.d_feature),
        (768, 12, 12, 512)
    );
    assert_eq!((base.image_size, base.patch_size), (224, 32));
    assert_eq!(ClipImageEncoderConfig::vit_b_16().patch_size, 16);
    let large = ClipImageEncoderConfig::vit_l_14();
    assert_eq!(
        (large.d_model, large.depth, large.d_feature),
        (1024, 24, 768)
    );
    let text = ClipTextEncoderConfig::vit_l_14();
    assert_eq!((text.d_model, text.n_heads, text.d_feature), (768, 12, 768));
    let text = ClipTextEncoderConfig::vit_b_32();
    assert_eq!(
        (
            text.d_model,
            text.n_heads,
            text.vocabulary,
            text.text_length
        ),
        (512, 8, 49408, 77)
    );
}

/// Writes a `config.json` and reads both towers from it.
fn read(
    config: &serde_json::Value,
) -> (
    Result<ClipImageEncoderConfig, HuggingFaceError>,
    Result<ClipTextEncoderConfig, HuggingFaceError>,
) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    (
        ClipImageEncoderConfig::from_hugging_face(folder.path()),
        ClipTextEncoderConfig::from_hugging_face(folder.path()),
    )
}

#[test]
fn sizes_are_read_from_a_directory_of_hugging_face() {
    let config = serde_json::json!({
        "model_type": "clip",
        "projection_dim": 16,
        "vision_config": {
            "hidden_size": 32, "intermediate_size": 128, "num_hidden_layers": 2,
            "num_attention_heads": 4, "image_size": 32, "patch_size": 16, "hidden_act": "gelu",
            "layer_norm_eps": 1e-6,
        },
        "text_config": {
            "hidden_size": 32, "intermediate_size": 128, "num_hidden_layers": 2,
            "num_attention_heads": 4, "vocab_size": 80, "max_position_embeddings": 12,
            "eos_token_id": 79,
        },
    });
    let (image, text) = read(&config);
    let expected = image_config()
        .with_activation(Activation::Gelu)
        .with_epsilon(1e-6);
    assert_eq!(image.unwrap(), expected);
    assert_eq!(text.unwrap(), text_config());

    // What is left out has the value of ViT-B/32.
    let short = serde_json::json!({"model_type": "clip", "vision_config": null, "text_config": {}});
    let (image, text) = read(&short);
    assert_eq!(image.unwrap(), ClipImageEncoderConfig::vit_b_32());
    assert_eq!(text.unwrap(), ClipTextEncoderConfig::vit_b_32());

    // A tower that is saved alone.
    let alone = serde_json::json!({
        "model_type": "clip_vision_model", "projection_dim": 768, "hidden_size": 1024,
        "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096,
        "patch_size": 14,
    });
    let (image, text) = read(&alone);
    assert_eq!(image.unwrap(), ClipImageEncoderConfig::vit_l_14());
    let message = "`model_type` is \"clip_vision_model\", expected \"clip\" or \"clip_text_model\"";
    assert!(text.unwrap_err().to_string().contains(message));
}

#[test]
fn a_wrong_configuration_is_named() {
    let message = |change: serde_json::Value| {
        let config = serde_json::json!({"model_type": "clip", "text_config": change});
        read(&config).1.unwrap_err().to_string()
    };
    for (change, expected) in [
        (
            serde_json::json!({"hidden_act": "relu"}),
            "config.json: `hidden_act` is \"relu\", expected \"gelu\", \"gelu_new\", \
             \"gelu_pytorch_tanh\" or \"quick_gelu\"",
        ),
        (
            serde_json::json!({"hidden_size": -1}),
            "`hidden_size` is -1, expected a whole number",
        ),
        (
            serde_json::json!({"layer_norm_eps": "small"}),
            "`layer_norm_eps` is \"small\", expected a number",
        ),
        (
            serde_json::json!({"eos_token_id": 7}),
            "`eos_token_id` is 7, expected the last id of the vocabulary",
        ),
        (
            serde_json::json!([1]),
            "`text_config` is [1], expected an object",
        ),
    ] {
        let message = message(change);
        assert!(message.contains(expected), "{message}");
    }
    let absent = ClipImageEncoderConfig::from_hugging_face("absent").unwrap_err();
    assert!(
        absent.to_string().contains("absent/config.json"),
        "{absent}"
    );
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
    names(image_config().init(&device).unwrap(), 3);
    names(text_config().init(&device).unwrap(), 3);
}

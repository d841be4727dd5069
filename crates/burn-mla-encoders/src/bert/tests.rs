//! Parity with `BertModel` of transformers, edges and bad input.

mod minilm;

use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Bool, DType, Device, Int, Tensor, TensorData, Tolerance};
use burn_mla::MlaError;
use burn_mla::encoder::Encoder;
use burn_mla::modality::TokenBatch;
use safetensors::SafeTensors;

use super::{Bert, BertConfig, Pooling};
use crate::blocks::Blocks;
use crate::test_devices;
use crate::weights::WeightsError;
use crate::{Activation, HuggingFaceError};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/bert")
}

/// What the original computes: see `scripts/bert.py`.
struct Golden(Vec<u8>);

impl Golden {
    fn read() -> Self {
        Self(std::fs::read(folder().join("outputs.safetensors")).unwrap())
    }

    fn data(&self, name: &str) -> TensorData {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let view = file.tensor(name).unwrap();
        let dtype = match view.dtype() {
            safetensors::Dtype::F32 => DType::F32,
            safetensors::Dtype::I64 => DType::I64,
            safetensors::Dtype::U8 => DType::U8,
            other => panic!("{other:?}"),
        };
        TensorData::from_bytes_vec(view.data().to_vec(), view.shape().to_vec(), dtype)
    }

    fn tokens(&self, device: &Device) -> TokenBatch {
        let mask = Tensor::<2, Int>::from_data(self.data("mask"), device);
        let ids = Tensor::from_data(self.data("ids"), device);
        TokenBatch::new(ids, mask.equal_elem(1))
    }

    fn check<const D: usize>(&self, name: &str, found: Tensor<D>) {
        let tolerance = Tolerance::<f32>::rel_abs(1e-5, 1e-5);
        found
            .into_data()
            .assert_approx_eq(&self.data(name), tolerance);
    }
}

fn config() -> BertConfig {
    BertConfig::from_hugging_face(folder()).unwrap()
}

fn pretrained(config: &BertConfig, device: &Device) -> Bert {
    let bert = config.init(device).unwrap();
    bert.load_pretrained(folder()).unwrap()
}

fn tokens<const B: usize, const L: usize>(ids: [[i64; L]; B], device: &Device) -> TokenBatch {
    let ids = Tensor::<2, Int>::from_ints(ids, device);
    let mask = ids.clone().not_equal_elem(0);
    TokenBatch::new(ids, mask)
}

fn values(tensor: Tensor<2>) -> Vec<f32> {
    tensor.into_data().iter().collect()
}

#[test]
fn each_stage_is_that_of_the_original() {
    let golden = Golden::read();
    for device in test_devices() {
        let bert = pretrained(&config(), &device);
        let tokens = golden.tokens(&device);
        let embedded = bert.embeddings.forward(tokens.ids().clone());
        golden.check("embeddings", embedded.clone());
        let [batch, length] = tokens.mask().dims();
        let padding = tokens.mask().clone().bool_not();
        let padding: Tensor<4, Bool> = padding.reshape([batch, 1, 1, length]);
        let [first, second] = &bert.layers[..] else {
            panic!("two layers")
        };
        let context = first.attention.context(embedded.clone(), padding.clone());
        golden.check("attention_0", context);
        let hidden = first.forward(embedded, padding.clone());
        golden.check("layer_0", hidden.clone());
        golden.check("layer_1", second.forward(hidden, padding));
        golden.check("layer_1", bert.hidden_states(tokens.clone()));
        bert.check(&tokens).unwrap();
        golden.check("mean", bert.encode(tokens));
    }
}

#[test]
fn poolings_and_activations_are_those_of_the_original() {
    let golden = Golden::read();
    for device in test_devices() {
        for (name, config) in [
            ("cls", config().with_pooling(Pooling::Cls)),
            (
                "mean_gelu_new",
                config().with_activation(Activation::GeluTanh),
            ),
        ] {
            let bert = pretrained(&config, &device);
            golden.check(name, bert.encode(golden.tokens(&device)));
        }
    }
}

#[test]
fn training_without_dropout_computes_the_same() {
    let golden = Golden::read();
    for device in test_devices() {
        let device = device.autodiff();
        let quiet = config().with_dropout(0.0);
        // Both ways to attend: Burn's own, and the one with dropout.
        for rate in [0.0, 1e-9] {
            let bert = pretrained(&quiet.clone().with_attention_dropout(rate), &device);
            golden.check("mean", bert.encode(golden.tokens(&device)));
        }
        let bert = pretrained(&config(), &device);
        let dropped = bert.encode(golden.tokens(&device));
        let again = bert.encode(golden.tokens(&device));
        assert_ne!(values(dropped), values(again), "dropout");
        let valid = bert.valid();
        golden.check("mean", valid.encode(golden.tokens(&device.inner())));
    }
}

#[test]
fn a_head_is_left_out_by_name_only() {
    let golden = Golden::read();
    let device = Device::flex();
    let path = folder().join("masked_lm.safetensors");
    let bert = config().init(&device).unwrap();
    let error = bert.clone().load_pretrained(&path).unwrap_err();
    let WeightsError::Mismatch { mismatch, .. } = error else {
        panic!("{error}")
    };
    assert!(mismatch.missing.is_empty() && mismatch.shapes.is_empty());
    assert_eq!(mismatch.unexpected.len(), 7, "{mismatch}");

    let file = Bert::weight_file(&path).with_ignored("cls");
    let loaded = file.load_with_report(bert).unwrap();
    assert_eq!(loaded.left_out.len(), 8);
    assert!(
        loaded
            .left_out
            .iter()
            .all(|key| key.starts_with("cls.predictions.") || key.ends_with("position_ids"))
    );
    let bert = loaded.module;
    golden.check("mean", bert.encode(golden.tokens(&device)));
}

#[test]
fn weights_of_another_size_and_missing_files_are_named() {
    let device = Device::flex();
    let mut other = config();
    other.d_ff = 12;
    other.n_layers = 3;
    let error = other
        .init(&device)
        .map(|bert| bert.load_pretrained(folder()))
        .unwrap();
    let error = error.unwrap_err().to_string();
    let shape = "layers.0.intermediate.weight (expected [8, 12], found [8, 16])";
    assert!(error.contains(shape), "{error}");
    assert!(error.contains("missing: ") && error.contains("layers.2.attention.query.weight"));

    let empty = tempfile::tempdir().unwrap();
    let bert = config().init(&device).unwrap();
    let error = bert.load_pretrained(empty.path()).unwrap_err();
    assert!(error.to_string().contains("model.safetensors"), "{error}");
}

#[test]
fn padding_and_its_ids_change_nothing() {
    for device in test_devices() {
        for pooling in [Pooling::Mean, Pooling::Cls] {
            let bert = pretrained(&config().with_pooling(pooling), &device);
            let alone = values(bert.encode(tokens([[4, 9, 2]], &device)));
            let padded = tokens([[4, 9, 2, 0, 0], [3, 3, 3, 3, 3]], &device);
            let padded = values(bert.encode(padded));
            for (alone, padded) in alone.iter().zip(padded) {
                assert!((alone - padded).abs() < 1e-5, "{pooling:?}");
            }
        }
    }
}

#[test]
fn the_feature_of_a_text_without_tokens_is_zero() {
    for device in test_devices() {
        for (pooling, rate) in [
            (Pooling::Mean, 0.0),
            (Pooling::Cls, 0.0),
            (Pooling::Mean, 0.3),
        ] {
            let device = device.clone().autodiff();
            let config = config().with_pooling(pooling).with_dropout(rate);
            let bert = pretrained(&config.with_attention_dropout(rate), &device);
            let features = bert.encode(tokens([[0, 0, 0], [5, 6, 0]], &device));
            let found = values(features.clone());
            assert!(found[..8].iter().all(|&value| value == 0.0), "{found:?}");
            assert!(found[8..].iter().all(|value| value.is_finite()));
            let gradients = features.powi_scalar(2).sum().backward();
            let query = &bert.layers[0].attention.query.weight;
            let gradient = query.grad(&gradients).unwrap();
            assert!(values(gradient).iter().all(|value| value.is_finite()));
        }
    }
}

#[test]
fn the_gradient_is_that_of_the_loss() {
    let device = Device::flex().autodiff();
    let quiet = config().with_dropout(0.0).with_attention_dropout(0.0);
    let golden = Golden::read();
    let loss = |bert: &Bert| {
        bert.encode(golden.tokens(&device))
            .tanh()
            .powi_scalar(2)
            .sum()
    };
    let bert = pretrained(&quiet, &device);
    let gradients = || GradientsParams::from_grads(loss(&bert).backward(), &bert);
    // Along the gradient the loss changes by the square of its norm.
    let step = |rate: f64| {
        let mut optimizer = SgdConfig::new().init();
        loss(&optimizer.step(rate, bert.clone(), gradients())).into_scalar::<f32>()
    };
    let slope = (step(-1e-3) - step(1e-3)) / 2e-3;
    let squares = squared_norm(&bert, &loss(&bert).backward());
    assert!(squares > 1e-3);
    assert!((slope / squares - 1.0).abs() < 0.01, "{slope} {squares}");
}

#[test]
fn wrong_tokens_are_refused_with_their_place() {
    for device in test_devices() {
        let bert = config().init(&device).unwrap();
        let error = |tokens: &TokenBatch| bert.check(tokens).unwrap_err().to_string();
        let long = tokens([[1; 11]], &device);
        assert_eq!(
            error(&long),
            "the input has the shape [1, 11], expected token ids [batch, length] with a length from 1 to 10"
        );
        let (ids, mask) = tokens([[1, 2], [3, 4]], &device).into_parts();
        let unmasked = TokenBatch::new(ids, mask.slice([0..1]));
        assert!(error(&unmasked).contains("a mask [2, 2]"));
        let unknown = tokens([[1, 2], [3, 24]], &device);
        assert_eq!(
            bert.check(&unknown),
            Err(MlaError::TokenOutOfRange {
                token: 24,
                sample: 1,
                n_tokens: 24
            })
        );
        assert!(bert.check(&tokens([[-1]], &device)).is_err());
        assert!(bert.check(&tokens([[23; 10]], &device)).is_ok());
    }
}

#[test]
fn blocks_are_the_embeddings_and_the_layers() {
    let bert = config().init(&Device::flex()).unwrap();
    assert_eq!(bert.blocks(), [["embeddings"], ["layers.0"], ["layers.1"]]);
    let groups = crate::blocks::block_groups(&bert, 0);
    assert_eq!(groups.len(), 3);
    assert!(crate::blocks::freeze(bert, &["layers.1.attention"]).is_ok());
}

#[test]
fn initial_weights_are_as_the_original_draws_them() {
    let device = Device::flex();
    device.seed(3);
    let bert = BertConfig::new(50, 64, 1, 4, 128).init(&device).unwrap();
    let layer = &bert.layers[0];
    let drawn: Vec<f32> = values(layer.intermediate.weight.val());
    let mean = drawn.iter().sum::<f32>() / drawn.len() as f32;
    let variance = drawn.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / drawn.len() as f32;
    assert!(mean.abs() < 1e-3 && (variance.sqrt() - 0.02).abs() < 1e-3);
    let bias = layer.intermediate.bias.as_ref().unwrap().val();
    assert_eq!(bias.abs().max().into_scalar::<f32>(), 0.0);
    assert_eq!(bert.d_feature(), 64);
}

#[test]
fn sizes_outside_their_ranges_are_named() {
    let error = |config: BertConfig| config.init(&Device::flex()).unwrap_err().to_string();
    let heads = BertConfig::new(50, 64, 1, 5, 128);
    assert_eq!(error(heads), "n_heads must be a divisor of d_model, got 5");
    let none = BertConfig::new(50, 64, 0, 4, 128);
    assert_eq!(error(none), "n_layers must be at least 1, got 0");
    let dropout = BertConfig::new(50, 64, 1, 4, 128).with_dropout(1.0);
    assert_eq!(error(dropout), "dropout must be in [0, 1), got 1");
}

/// The configuration of a directory with the given values instead of those of `config.json`.
fn directory(changes: &[(&str, &str)], pooling: Option<&str>) -> Result<BertConfig, String> {
    let directory = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(folder().join("config.json")).unwrap();
    let mut values: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&text).unwrap();
    for (key, value) in changes {
        values.insert(key.to_string(), serde_json::from_str(value).unwrap());
    }
    let text = serde_json::to_string(&values).unwrap();
    std::fs::write(directory.path().join("config.json"), text).unwrap();
    if let Some(pooling) = pooling {
        std::fs::create_dir(directory.path().join("1_Pooling")).unwrap();
        std::fs::write(directory.path().join("1_Pooling/config.json"), pooling).unwrap();
    }
    let config = BertConfig::from_hugging_face(directory.path());
    config.map_err(|error| error.to_string().split_once(": ").unwrap().1.to_string())
}

#[test]
fn a_directory_gives_its_configuration() {
    let expected = BertConfig::new(24, 8, 2, 2, 16).with_n_positions(10);
    assert_eq!(config(), expected);
    let cls = r#"{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}"#;
    let found = directory(&[("hidden_act", "\"gelu_new\"")], Some(cls)).unwrap();
    assert_eq!(found.pooling, Pooling::Cls);
    assert_eq!(found.activation, Activation::GeluTanh);
    let named = directory(&[], Some(r#"{"pooling_mode": "mean"}"#)).unwrap();
    assert_eq!(named.pooling, Pooling::Mean);
    let absolute = ("position_embedding_type", "\"absolute\"");
    assert_eq!(directory(&[absolute], None).unwrap(), expected);

    let saved = serde_json::to_string(&expected).unwrap();
    assert_eq!(
        serde_json::from_str::<BertConfig>(&saved).unwrap(),
        expected
    );
}

#[test]
fn what_is_not_supported_is_named() {
    let both = r#"{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": true}"#;
    let max = r#"{"pooling_mode_mean_tokens": true, "pooling_mode_max_tokens": true}"#;
    for (changes, pooling, message) in [
        (
            ("model_type", "\"roberta\""),
            None,
            "`model_type` is \"roberta\", expected \"bert\"",
        ),
        (("model_type", "null"), None, "`model_type` is missing"),
        (
            ("position_embedding_type", "\"relative_key\""),
            None,
            "`position_embedding_type` is \"relative_key\", expected \"absolute\"",
        ),
        (
            ("is_decoder", "true"),
            None,
            "`is_decoder` is true, expected false",
        ),
        (
            ("hidden_size", "8.5"),
            None,
            "`hidden_size` is 8.5, expected a whole number",
        ),
        (
            ("layer_norm_eps", "\"x\""),
            None,
            "`layer_norm_eps` is \"x\", expected a number",
        ),
        (
            ("vocab_size", "24"),
            Some(max),
            "`pooling_mode_max_tokens` is true, expected false",
        ),
        (
            ("vocab_size", "24"),
            Some(both),
            "`pooling_mode_cls_token` is true, expected false beside pooling_mode_mean_tokens",
        ),
        (
            ("vocab_size", "24"),
            Some("{}"),
            "`pooling_mode_mean_tokens` is absent, expected true, or pooling_mode_cls_token",
        ),
    ] {
        assert_eq!(directory(&[changes], pooling).unwrap_err(), message);
    }
    let silu = directory(&[("hidden_act", "\"silu\"")], None).unwrap_err();
    assert!(
        silu.starts_with("`hidden_act` is \"silu\", expected \"gelu\""),
        "{silu}"
    );

    let empty = tempfile::tempdir().unwrap();
    let error = BertConfig::from_hugging_face(empty.path()).unwrap_err();
    assert!(matches!(error, HuggingFaceError::File(_)));

    // As LaBSE has it.
    let modules = empty.path().join("modules.json");
    std::fs::copy(
        folder().join("config.json"),
        empty.path().join("config.json"),
    )
    .unwrap();
    let steps = |last: &str| {
        let first = r#"{"type": "sentence_transformers.models.Transformer"}"#;
        let last = format!(r#"{{"type": "sentence_transformers.models.{last}"}}"#);
        std::fs::write(&modules, format!("[{first}, {last}]")).unwrap();
        BertConfig::from_hugging_face(empty.path())
    };
    assert!(steps("Normalize").is_ok());
    let expected = "modules.json: `type` is \"sentence_transformers.models.Dense\", expected a \
                    Transformer, Pooling or Normalize";
    let error = steps("Dense").unwrap_err().to_string();
    assert!(error.ends_with(expected), "{error}");
    std::fs::write(empty.path().join("config.json"), "[1]").unwrap();
    let error = BertConfig::from_hugging_face(empty.path()).unwrap_err();
    assert!(matches!(error, HuggingFaceError::File(_)));
}

/// The squared norm of the gradient of all parameters.
fn squared_norm(bert: &Bert, gradients: &burn::tensor::Gradients) -> f32 {
    struct Squares<'a>(&'a burn::tensor::Gradients, f32);
    impl burn::module::ModuleVisitor for Squares<'_> {
        fn visit_float<const D: usize>(&mut self, param: &burn::module::Param<Tensor<D>>) {
            if let Some(gradient) = param.grad(self.0) {
                self.1 += gradient.powi_scalar(2).sum().into_scalar::<f32>();
            }
        }
    }
    let mut squares = Squares(gradients, 0.0);
    bert.visit(&mut squares);
    squares.1
}

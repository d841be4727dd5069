//! The configuration of BERT from a directory in the layout of Hugging Face.

use std::path::Path;

use serde_json::Value;

use super::{BertConfig, Pooling};
use crate::Activation;
use crate::hugging_face::{HuggingFaceError, JsonFile};

impl BertConfig {
    /// Reads the configuration of a BERT from the `config.json` of a directory, and the pooling of a
    /// sentence transformer from its `1_Pooling/config.json`. Without that file the pooling is
    /// [`Pooling::Mean`]. The features are not normalized, whether `modules.json` has that step or not.
    ///
    /// # Errors
    ///
    /// - [`HuggingFaceError::File`] for a file that cannot be read;
    /// - [`HuggingFaceError::Missing`] without a size;
    /// - [`HuggingFaceError::Unsupported`] for another type of model, another activation, relative
    ///   positions, a decoder, cross-attention, another pooling, or a sentence transformer with more
    ///   steps than these, such as a dense layer.
    pub fn from_hugging_face(directory: impl AsRef<Path>) -> Result<Self, HuggingFaceError> {
        let directory = directory.as_ref();
        let file = JsonFile::read(&directory.join("config.json"))?;
        file.required("model_type", "\"bert\"", |value| {
            is(value, "bert").then_some(())
        })?;
        file.optional("position_embedding_type", "\"absolute\"", |value| {
            is(value, "absolute")
        })?;
        for key in ["is_decoder", "add_cross_attention"] {
            file.optional(key, "false", |value| *value == Value::Bool(false))?;
        }
        let expected = "\"gelu\", \"gelu_new\", \"gelu_pytorch_tanh\" or \"quick_gelu\"";
        let activation = file.required("hidden_act", expected, |value| {
            Activation::of_hugging_face(value.as_str()?)
        })?;
        check_steps(directory)?;
        let config = Self::new(
            file.count("vocab_size")?,
            file.count("hidden_size")?,
            file.count("num_hidden_layers")?,
            file.count("num_attention_heads")?,
            file.count("intermediate_size")?,
        );
        Ok(config
            .with_n_positions(file.count("max_position_embeddings")?)
            .with_n_types(file.count("type_vocab_size")?)
            .with_dropout(file.number("hidden_dropout_prob")?)
            .with_attention_dropout(file.number("attention_probs_dropout_prob")?)
            .with_epsilon(file.number("layer_norm_eps")?)
            .with_activation(activation)
            .with_pooling(pooling(directory)?))
    }
}

fn is(value: &Value, expected: &str) -> bool {
    value.as_str() == Some(expected)
}

/// Checks that a sentence transformer has no step that would change the features, except their length.
fn check_steps(directory: &Path) -> Result<(), HuggingFaceError> {
    const KNOWN: [&str; 3] = ["Transformer", "Pooling", "Normalize"];
    let path = directory.join("modules.json");
    if !path.exists() {
        return Ok(());
    }
    for step in JsonFile::read_list(&path)? {
        step.required("type", "a Transformer, Pooling or Normalize", |value| {
            let name = value.as_str()?.rsplit('.').next()?;
            KNOWN.contains(&name).then_some(())
        })?;
    }
    Ok(())
}

/// The pooling of a sentence transformer: one flag per mode, or the name of the mode.
fn pooling(directory: &Path) -> Result<Pooling, HuggingFaceError> {
    const MEAN: &str = "pooling_mode_mean_tokens";
    const CLS: &str = "pooling_mode_cls_token";
    let path = directory.join("1_Pooling").join("config.json");
    if !path.exists() {
        return Ok(Pooling::Mean);
    }
    let file = JsonFile::read(&path)?;
    if file.get("pooling_mode").is_some() {
        return file.required("pooling_mode", "\"mean\" or \"cls\"", |value| {
            match value.as_str()? {
                "mean" => Some(Pooling::Mean),
                "cls" => Some(Pooling::Cls),
                _ => None,
            }
        });
    }
    for key in [
        "pooling_mode_max_tokens",
        "pooling_mode_mean_sqrt_len_tokens",
        "pooling_mode_weightedmean_tokens",
        "pooling_mode_lasttoken",
    ] {
        file.optional(key, "false", |value| *value == Value::Bool(false))?;
    }
    let flag = |key| file.get(key) == Some(&Value::Bool(true));
    match (flag(MEAN), flag(CLS)) {
        (true, false) => Ok(Pooling::Mean),
        (false, true) => Ok(Pooling::Cls),
        (true, true) => Err(file.unsupported(CLS, "false beside pooling_mode_mean_tokens")),
        (false, false) => Err(file.unsupported(MEAN, "true, or pooling_mode_cls_token")),
    }
}

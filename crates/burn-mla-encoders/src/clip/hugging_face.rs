//! The `config.json` of a CLIP model of Hugging Face.

use std::path::Path;

use serde_json::Value;

use crate::hugging_face::{HuggingFaceError, JsonFile};
use crate::vit::Activation;

/// A tower of CLIP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tower {
    Image,
    Text,
}

impl Tower {
    /// The `model_type` of a tower that is saved alone, and its key in the configuration of a model.
    fn names(self) -> [&'static str; 2] {
        match self {
            Self::Image => ["clip_vision_model", "vision_config"],
            Self::Text => ["clip_text_model", "text_config"],
        }
    }
}

/// The configuration of a tower, in which `transformers` leaves out default values.
pub(super) struct TowerConfig(JsonFile);

impl TowerConfig {
    /// Reads the width of the features and the configuration of a tower.
    pub(super) fn read(directory: &Path, tower: Tower) -> Result<(usize, Self), HuggingFaceError> {
        let file = JsonFile::read(&directory.join("config.json"))?;
        let [alone, key] = tower.names();
        let expected = match tower {
            Tower::Image => "\"clip\" or \"clip_vision_model\"",
            Tower::Text => "\"clip\" or \"clip_text_model\"",
        };
        let is_alone = file.required("model_type", expected, |value| match value.as_str()? {
            "clip" => Some(false),
            name => (name == alone).then_some(true),
        })?;
        let whole = Self(file);
        let d_feature = whole.size("projection_dim", 512)?;
        if is_alone {
            return Ok((d_feature, whole));
        }
        Ok((d_feature, Self(whole.0.object(key)?)))
    }

    /// Returns a size, or `default` if it is left out.
    pub(super) fn size(
        &self,
        key: &'static str,
        default: usize,
    ) -> Result<usize, HuggingFaceError> {
        self.0.get(key).map_or(Ok(default), |_| self.0.count(key))
    }

    /// Returns a number, or `default` if it is left out.
    pub(super) fn number(&self, key: &'static str, default: f64) -> Result<f64, HuggingFaceError> {
        self.0.get(key).map_or(Ok(default), |_| self.0.number(key))
    }

    /// Returns the activation of the hidden layers, quick GELU if it is left out.
    pub(super) fn activation(&self) -> Result<Activation, HuggingFaceError> {
        const EXPECTED: &str = "\"gelu\", \"gelu_new\", \"gelu_pytorch_tanh\" or \"quick_gelu\"";
        let key = "hidden_act";
        self.0.get(key).map_or(Ok(Activation::QuickGelu), |_| {
            self.0.required(key, EXPECTED, |value| {
                Activation::of_hugging_face(value.as_str()?)
            })
        })
    }

    /// Checks that the end id is the last one of the vocabulary. Files before `transformers` 4.31 have
    /// the wrong id 2, where the largest id is meant.
    pub(super) fn check_end_id(&self, vocabulary: usize) -> Result<(), HuggingFaceError> {
        let expected = "the last id of the vocabulary";
        let is_last = |id: &Value| *id == 2 || id.as_u64() == (vocabulary as u64).checked_sub(1);
        self.0.optional("eos_token_id", expected, is_last)
    }
}

//! The `config.json` of a CLIP model of Hugging Face.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::vit::Activation;
use crate::weights::WeightsError;

/// A tower of CLIP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tower {
    Image,
    Text,
}

impl Tower {
    /// The key of the tower in the configuration of a whole model.
    fn key(self) -> &'static str {
        match self {
            Self::Image => "vision_config",
            Self::Text => "text_config",
        }
    }

    /// The `model_type` of a tower that is saved alone.
    fn model_type(self) -> &'static str {
        match self {
            Self::Image => "clip_vision_model",
            Self::Text => "clip_text_model",
        }
    }
}

/// A directory with a `config.json`.
pub(super) struct ClipDirectory {
    path: PathBuf,
}

/// The configuration of a tower, in which `transformers` leaves out default values.
pub(super) struct TowerConfig {
    path: PathBuf,
    at: &'static str,
    values: Value,
}

impl ClipDirectory {
    pub(super) fn new(directory: &Path) -> Self {
        Self {
            path: directory.join("config.json"),
        }
    }

    /// Reads the width of the features and the configuration of a tower.
    pub(super) fn tower(&self, tower: Tower) -> Result<(usize, TowerConfig), WeightsError> {
        let error = |message: String| file_error(&self.path, message);
        let text = std::fs::read_to_string(&self.path).map_err(|e| error(e.to_string()))?;
        let mut values: Value = serde_json::from_str(&text).map_err(|e| error(e.to_string()))?;
        let model_type = values["model_type"]
            .as_str()
            .unwrap_or("absent")
            .to_string();
        let config = |at, values| TowerConfig {
            path: self.path.clone(),
            at,
            values,
        };
        if model_type == tower.model_type() {
            let config = config("", values);
            return Ok((config.size("projection_dim", 512)?, config));
        }
        if model_type != "clip" {
            return Err(error(format!(
                "model_type: expected clip or {}, found {model_type}",
                tower.model_type()
            )));
        }
        let values_of_tower = values[tower.key()].take();
        let d_feature = config("", values).size("projection_dim", 512)?;
        Ok((d_feature, config(tower.key(), values_of_tower)))
    }
}

impl TowerConfig {
    /// Returns a size, or `default` if it is left out.
    pub(super) fn size(&self, key: &str, default: usize) -> Result<usize, WeightsError> {
        let size = self.value(key).map(|value| {
            let size = value.as_u64().and_then(|size| usize::try_from(size).ok());
            size.ok_or_else(|| self.error(key, "a size", value))
        });
        size.unwrap_or(Ok(default))
    }

    /// Returns a number, or `default` if it is left out.
    pub(super) fn number(&self, key: &str, default: f64) -> Result<f64, WeightsError> {
        let number = self.value(key).map(|value| {
            let number = value.as_f64();
            number.ok_or_else(|| self.error(key, "a number", value))
        });
        number.unwrap_or(Ok(default))
    }

    /// Returns the activation of the hidden layers, quick GELU if it is left out.
    pub(super) fn activation(&self) -> Result<Activation, WeightsError> {
        let key = "hidden_act";
        let expected = "gelu, gelu_new, gelu_pytorch_tanh or quick_gelu";
        let activation = self.value(key).map(|value| {
            let activation = value.as_str().and_then(Activation::of_hugging_face);
            activation.ok_or_else(|| self.error(key, expected, value))
        });
        activation.unwrap_or(Ok(Activation::QuickGelu))
    }

    /// Checks that the end id is the last one of the vocabulary. Files before `transformers` 4.31 have
    /// the wrong id 2, where the largest id is meant.
    pub(super) fn check_end_id(&self, vocabulary: usize) -> Result<(), WeightsError> {
        let (key, last) = ("eos_token_id", vocabulary.saturating_sub(1));
        match self.value(key) {
            Some(id) if *id != 2 && *id != last => {
                let expected = format!("{last}, the last id of the vocabulary");
                Err(self.error(key, &expected, id))
            }
            _ => Ok(()),
        }
    }

    fn value(&self, key: &str) -> Option<&Value> {
        self.values.get(key).filter(|value| !value.is_null())
    }

    fn error(&self, key: &str, expected: &str, found: &Value) -> WeightsError {
        let at = if self.at.is_empty() {
            key.to_string()
        } else {
            format!("{}.{key}", self.at)
        };
        file_error(
            &self.path,
            format!("{at}: expected {expected}, found {found}"),
        )
    }
}

fn file_error(path: &Path, message: String) -> WeightsError {
    WeightsError::File {
        path: path.into(),
        message,
    }
}

//! Weights of Hugging Face's BERT.

use std::path::PathBuf;

use super::Bert;
use crate::weights::{WeightFile, WeightsError};

/// A buffer of older checkpoints: the positions 0, 1, 2 and so on.
const POSITIONS: &str = "position_ids";

/// Parts of keys of Hugging Face, and their names in [`Bert`]. TensorFlow calls the weights of
/// normalizations `gamma` and `beta`, as do checkpoints that were converted from it.
const RENAMED: [(&str, &str); 8] = [
    ("LayerNorm.gamma", "LayerNorm.weight"),
    ("LayerNorm.beta", "LayerNorm.bias"),
    ("encoder.layer", "layers"),
    ("attention.self", "attention"),
    ("attention.output.LayerNorm", "attention_norm"),
    ("output.LayerNorm", "output_norm"),
    ("LayerNorm", "layer_norm"),
    ("dense", ""),
];

impl Bert {
    /// Describes the weights of a `BertModel`, to which exceptions can be added.
    ///
    /// Keys may have the prefix `bert.`, and normalizations TensorFlow's names.
    /// The buffer `position_ids` of older files is left out. Heads are left out by name: `pooler` of
    /// sentence transformers, `cls` of a model for pretraining.
    ///
    /// ```no_run
    /// use burn::tensor::Device;
    /// use burn_mla_encoders::bert::{Bert, BertConfig};
    ///
    /// let directory = "all-MiniLM-L6-v2";
    /// let encoder = BertConfig::from_hugging_face(directory)?.init(&Device::flex())?;
    /// let loaded = Bert::weight_file(directory)
    ///     .with_ignored("pooler")
    ///     .load_with_report(encoder)?;
    /// println!("left out: {}", loaded.left_out.join(", "));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn weight_file(path: impl Into<PathBuf>) -> WeightFile {
        let file = WeightFile::new(path)
            .with_prefix("bert.")
            .with_ignored(POSITIONS);
        let renamed = RENAMED.into_iter();
        renamed.fold(file, |file, (from, to)| file.with_renamed(from, to))
    }

    /// Returns the encoder with the weights of a `BertModel` without a head; see
    /// [`weight_file`](Self::weight_file).
    ///
    /// # Errors
    ///
    /// As [`WeightFile::load`].
    pub fn load_pretrained(self, path: impl Into<PathBuf>) -> Result<Self, WeightsError> {
        Self::weight_file(path).load(self)
    }
}

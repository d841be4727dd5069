//! Weights of Hugging Face's BERT.

use std::path::{Path, PathBuf};

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
    /// Returns the encoder with the weights of a `BertModel`, and the keys that were left out.
    ///
    /// `path` is a SafeTensors or PyTorch file, or a directory with a `model.safetensors` or
    /// `pytorch_model.bin`. Keys may have the prefix `bert.`. `left_out` names keys by their first or
    /// last parts, such as `pooler` or `cls`; every other key must be a parameter. The buffer
    /// `position_ids` of older files is always left out.
    ///
    /// ```no_run
    /// use burn::tensor::Device;
    /// use burn_mla_encoders::bert::BertConfig;
    ///
    /// let directory = "all-MiniLM-L6-v2";
    /// let encoder = BertConfig::from_hugging_face(directory)?.init(&Device::flex())?;
    /// let (encoder, left_out) = encoder.load_pretrained(directory, &["pooler"])?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`WeightFile::load`].
    pub fn load_pretrained(
        self,
        path: impl AsRef<Path>,
        left_out: &[&str],
    ) -> Result<(Self, Vec<String>), WeightsError> {
        let all = WeightFile::new(file(path.as_ref())).with_prefix("bert.");
        let names = left_out.iter().copied().chain([POSITIONS]);
        let kept = names.fold(all.clone(), WeightFile::with_ignored);
        let mut ignored = all.keys()?;
        let keys = kept.keys()?;
        ignored.retain(|key| !keys.contains(key));
        let renamed = RENAMED.into_iter();
        let renamed = renamed.fold(kept, |file, (from, to)| file.with_renamed(from, to));
        Ok((renamed.load(self)?, ignored))
    }
}

/// The file of weights of a directory; any other path is that of the file itself.
fn file(path: &Path) -> PathBuf {
    let names = ["model.safetensors", "pytorch_model.bin"];
    let mut files = names.map(|name| path.join(name)).into_iter();
    match files.find(|file| file.exists()) {
        Some(file) => file,
        None if path.is_dir() => path.join(names[0]),
        None => path.to_path_buf(),
    }
}

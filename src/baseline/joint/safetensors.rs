//! Trained joint models in the SafeTensors format.

use std::path::Path;

use burn::module::Module;

use crate::baseline::{Joint, JointHead};
use crate::encoder::Encoders;
use crate::error::Result;
use crate::module::{About, Buffer, ModelFile, ModelFileConfig, module_fields, unshared};

impl<E: Encoders, H: JointHead> Joint<E, H> {
    /// Writes what predictions need to a [SafeTensors](https://github.com/huggingface/safetensors)
    /// file: encoders, head and temperature, by their paths (`encoders.0.…`, `head.…`). What
    /// [only training uses](JointHead::training_only) is left out; save a record or a checkpoint to
    /// resume training.
    ///
    /// The metadata is that of [`Mla::save_safetensors`](crate::Mla::save_safetensors), with `Joint` as
    /// `method` and [`JointHead::describe`] as `head` instead of `fusion`. Models with the same weights
    /// give the same bytes. The write is atomic.
    ///
    /// # Errors
    ///
    /// [`MlaError::ModelFile`](crate::MlaError::ModelFile).
    pub fn save_safetensors(&self, path: impl AsRef<Path>) -> Result<()> {
        self.file(path.as_ref()).save(&self.predictor())
    }

    /// Loads weights for prediction from a file written by
    /// [`save_safetensors`](Self::save_safetensors), in the precision of the model. The model takes the
    /// [names](Self::with_names) of the file if it has none.
    ///
    /// # Errors
    ///
    /// As [`Mla::load_safetensors`](crate::Mla::load_safetensors), and for a file of another head.
    pub fn load_safetensors(self, path: impl AsRef<Path>) -> Result<Self> {
        self.load_safetensors_with(path, &ModelFileConfig::new())
    }

    /// Loads weights as [`load_safetensors`](Self::load_safetensors), with options.
    ///
    /// # Errors
    ///
    /// As [`load_safetensors`](Self::load_safetensors).
    pub fn load_safetensors_with(
        self,
        path: impl AsRef<Path>,
        config: &ModelFileConfig,
    ) -> Result<Self> {
        let loaded = self.file(path.as_ref()).load(self.predictor(), config)?;
        let (predictor, names) = loaded;
        let loaded = Self {
            encoders: predictor.encoders,
            head: predictor.head,
            temperature: predictor.temperature,
            ..self
        };
        loaded.with_names(names)
    }

    fn file<'a>(&'a self, path: &'a Path) -> ModelFile<'a> {
        ModelFile {
            path,
            about: About::from([
                ("method", "Joint".to_string()),
                ("n_modalities", self.n_modalities().to_string()),
                ("n_classes", self.n_classes().to_string()),
                ("head", self.head.describe()),
            ]),
            names: self.names(),
            left_out: self.head.training_only(),
        }
    }

    fn predictor(&self) -> Predictor<E, H> {
        Predictor {
            encoders: self.encoders.clone(),
            head: self.head.clone(),
            temperature: self.temperature.clone(),
        }
    }
}

/// The part of a model that predictions need.
#[derive(Debug, Clone)]
struct Predictor<E, H> {
    encoders: E,
    head: H,
    temperature: Buffer<1>,
}

module_fields! {
    impl[E: Module, H: Module] Predictor[E, H]
    modules: [encoders by unshared, head by unshared, temperature], others: []
}

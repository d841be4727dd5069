//! Trained models in the SafeTensors format.

use std::path::Path;

use burn::module::Module;
use burn::store::{ModuleStore, SafetensorsStore};

use crate::atomic_file;
use crate::encoder::Encoders;
use crate::error::{MlaError, Result};
use crate::fusion::UncertaintyFusion;
use crate::head::SharedHead;
use crate::mla::Mla;
use crate::projector::OrthogonalProjector;

impl<E: Encoders, H: SharedHead, P: OrthogonalProjector, F: UncertaintyFusion> Mla<E, H, P, F> {
    /// Writes what predictions need to a [SafeTensors](https://github.com/huggingface/safetensors)
    /// file: encoders, head and fusion, by their paths (`encoders.0.…`, `head.…`, `fusion.…`).
    /// The projector's state is left out; to go on training, save a record or a checkpoint.
    ///
    /// The file is there whole or not at all.
    ///
    /// # Errors
    ///
    /// [`MlaError::ModelFile`].
    pub fn save_safetensors(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let failed = |message: String| MlaError::ModelFile {
            path: path.display().to_string(),
            message,
        };
        let mut store = of_predictions(SafetensorsStore::from_bytes(None))
            .metadata("burn-mla", env!("CARGO_PKG_VERSION"))
            .metadata("n_modalities", self.n_modalities().to_string())
            .metadata("n_classes", self.n_classes().to_string());
        // A validation copy, so that pending running statistics are part of it.
        store
            .collect_from(&self.valid())
            .map_err(|error| failed(error.to_string()))?;
        let bytes = store
            .get_bytes()
            .map_err(|error| failed(error.to_string()))?;
        atomic_file::write(path, &bytes).map_err(|error| failed(error.to_string()))
    }

    /// The model with the weights of a file of [`save_safetensors`](Self::save_safetensors), for
    /// prediction. Works without the crate feature `train` as well.
    ///
    /// # Errors
    ///
    /// [`MlaError::ModelFile`] for a file that cannot be read, that lacks a tensor, or that has
    /// one that the model has not, or in another shape.
    pub fn load_safetensors(mut self, path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let failed = |message: String| MlaError::ModelFile {
            path: path.display().to_string(),
            message,
        };
        let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
        // The projector's state is not in the file: what is missing is looked at below.
        let mut store =
            of_predictions(SafetensorsStore::from_bytes(Some(bytes))).allow_partial(true);
        // Pending running statistics of before would overwrite those that are loaded.
        drop(self.valid());
        let applied = store
            .apply_to(&mut self)
            .map_err(|error| failed(error.to_string()))?;
        let missing = applied.missing.iter().map(|(path, _)| path);
        if let Some(tensor) = missing.into_iter().find(|path| !is_training_state(path)) {
            return Err(failed(format!("the file has no tensor {tensor}")));
        }
        if let Some(error) = applied.errors.first() {
            return Err(failed(error.to_string()));
        }
        match applied.unused.first() {
            None => Ok(self),
            Some(tensor) => Err(failed(format!("the model has no tensor {tensor}"))),
        }
    }
}

fn of_predictions(store: SafetensorsStore) -> SafetensorsStore {
    store
        .with_predicate(|path, _| !is_training_state(path))
        .skip_enum_variants(false)
}

fn is_training_state(path: &str) -> bool {
    path.starts_with("projection.")
}

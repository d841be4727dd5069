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
    /// The file has no projector state; save a record or a checkpoint to resume training.
    ///
    /// The write is atomic.
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
        // A validation copy includes pending running statistics.
        store
            .collect_from(&self.valid())
            .map_err(|error| failed(error.to_string()))?;
        let bytes = store
            .get_bytes()
            .map_err(|error| failed(error.to_string()))?;
        atomic_file::write(path, &bytes).map_err(|error| failed(error.to_string()))
    }

    /// Loads weights for prediction from a file written by
    /// [`save_safetensors`](Self::save_safetensors). The crate feature `train` is not required.
    ///
    /// # Errors
    ///
    /// [`MlaError::ModelFile`] when the file cannot be read, lacks a tensor, or has a tensor that
    /// is unknown to the model or of another shape.
    pub fn load_safetensors(mut self, path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let failed = |message: String| MlaError::ModelFile {
            path: path.display().to_string(),
            message,
        };
        let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
        // The projector's state is not in the file. Other missing tensors are reported below.
        let mut store =
            of_predictions(SafetensorsStore::from_bytes(Some(bytes))).allow_partial(true);
        // Older pending running statistics would overwrite the loaded ones.
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

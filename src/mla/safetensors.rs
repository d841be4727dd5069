//! Trained models in the SafeTensors format.

use std::path::Path;

use burn::module::Module;

use crate::encoder::Encoders;
use crate::error::Result;
use crate::fusion::UncertaintyFusion;
use crate::head::SharedHead;
use crate::mla::Mla;
use crate::module::{About, ModelFile, ModelFileConfig, module_fields, unshared};
use crate::projector::OrthogonalProjector;

impl<E: Encoders, H: SharedHead, P: OrthogonalProjector, F: UncertaintyFusion> Mla<E, H, P, F> {
    /// Writes what predictions need to a [SafeTensors](https://github.com/huggingface/safetensors)
    /// file: encoders, head and fusion, by their paths (`encoders.0.…`, `head.…`, `fusion.…`).
    /// The file has no projector state; save a record or a checkpoint to resume training.
    ///
    /// Calibration temperatures are the tensor `fusion.calibration`. The file's metadata describes the
    /// model:
    ///
    /// | Key | Value |
    /// |---|---|
    /// | `burn-mla` | version of this crate |
    /// | `method` | `Mla` |
    /// | `n_modalities`, `n_classes` | numbers |
    /// | `fusion` | [`UncertaintyFusion::describe`] |
    /// | `modalities`, `classes` | [names](Self::with_names) as JSON lists, if the model has them |
    ///
    /// Models with the same weights give the same bytes. The write is atomic.
    ///
    /// # Errors
    ///
    /// [`MlaError::ModelFile`](crate::MlaError::ModelFile).
    pub fn save_safetensors(&self, path: impl AsRef<Path>) -> Result<()> {
        self.file(path.as_ref()).save(&self.predictor())
    }

    /// Loads weights for prediction from a file written by
    /// [`save_safetensors`](Self::save_safetensors). The crate feature `train` is not required.
    ///
    /// Weights take the precision of the model: a file in f16 loads into an f32 model, and a file in
    /// f32 into a model on a bf16 device. The model takes the [names](Self::with_names) of the file if
    /// it has none.
    ///
    /// # Errors
    ///
    /// [`MlaError::ModelFile`](crate::MlaError::ModelFile), with the tensor and its modality,
    ///
    /// - for a file that cannot be read, lacks a tensor, or has one that is unknown to the model or of
    ///   another shape;
    /// - for a file of another method, fusion, number of modalities or number of classes, and for other
    ///   names, or the same in another order. Without metadata, only tensors are checked. Without names,
    ///   modalities whose encoders have the same shapes cannot be told apart;
    /// - for NaN in a tensor; [`load_safetensors_with`](Self::load_safetensors_with) can allow it;
    /// - for a value too large for a model in f16.
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
            fusion: predictor.fusion,
            ..self
        };
        loaded.with_names(names)
    }

    fn file<'a>(&'a self, path: &'a Path) -> ModelFile<'a> {
        ModelFile {
            path,
            about: About::from([
                ("method", "Mla".to_string()),
                ("n_modalities", self.n_modalities().to_string()),
                ("n_classes", self.n_classes().to_string()),
                ("fusion", self.fusion.describe()),
            ]),
            names: self.names(),
            left_out: vec![],
        }
    }

    fn predictor(&self) -> Predictor<E, H, F> {
        Predictor {
            encoders: self.encoders.clone(),
            head: self.head.clone(),
            fusion: self.fusion.clone(),
        }
    }
}

/// The part of a model that predictions need.
#[derive(Debug, Clone)]
struct Predictor<E, H, F> {
    encoders: E,
    head: H,
    fusion: F,
}

module_fields! {
    impl[E: Module, H: Module, F: Module] Predictor[E, H, F]
    modules: [encoders by unshared, head by unshared, fusion], others: []
}

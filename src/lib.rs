#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

pub mod analysis;
/// Shared with the other crates of the workspace; no part of the public interface.
#[cfg(any(feature = "train", feature = "safetensors"))]
#[doc(hidden)]
pub mod atomic_file;
pub mod baseline;
#[cfg(feature = "train")]
pub mod checkpoint;
#[cfg(feature = "train")]
pub mod dataset;
/// Shared with the other crates of the workspace; no part of the public interface.
#[cfg(any(feature = "train", feature = "safetensors"))]
#[doc(hidden)]
pub mod directory_lock;
pub mod encoder;
mod error;
pub mod evaluation;
#[cfg(feature = "train")]
pub mod fit;
pub mod fusion;
pub mod head;
pub mod layer;
#[cfg(feature = "train")]
pub mod loader;
#[cfg(feature = "train")]
pub mod logger;
pub mod loss;
#[cfg(feature = "train")]
pub mod method;
#[cfg(feature = "train")]
pub mod metric;
pub mod mla;
pub mod modality;
pub mod module;
mod numeric;
pub mod projector;

pub use burn;
pub use error::{MlaError, NonFinite, Result};
#[cfg(feature = "train")]
pub use mla::FusedMla;
pub use mla::{DefaultMla, Mla, MlaConfig, PaperMla, Prediction};
/// Random numbers, as [`loader::SeededLoader`] gives them to augmentations.
#[cfg(feature = "train")]
pub use rand;

/// The names that most programs use.
pub mod prelude {
    #[cfg(feature = "train")]
    pub use crate::FusedMla;
    pub use crate::encoder::{CnnEncoderConfig, Encoder, MlpEncoder, MlpEncoderConfig};
    #[cfg(feature = "train")]
    pub use crate::evaluation::evaluate;
    #[cfg(feature = "train")]
    pub use crate::fit::{FitConfig, fit};
    pub use crate::fusion::{EntropyFusion, EntropyFusionConfig, UncertaintyFusion};
    pub use crate::head::{HeadOutput, LinearHead, LinearHeadConfig, ProtectedLayer, SharedHead};
    #[cfg(feature = "train")]
    pub use crate::loader::{AlternatingLoader, RoundRobin, Schedule};
    pub use crate::modality::{ModalityInput, MultimodalBatch, OneOf2, Targets, Turn};
    pub use crate::projector::{
        DefaultProjector, OrthogonalProjector, RlsProjector, RlsProjectorConfig,
    };
    pub use crate::{DefaultMla, Mla, MlaConfig, MlaError, PaperMla, Result};
    #[cfg(feature = "train")]
    pub use burn::data::dataloader::DataLoader;
}

/// The CPU backends of the unit tests: flex, and with the feature `ndarray` also ndarray, which Burn
/// marks as deprecated.
#[cfg(test)]
#[allow(deprecated)]
pub(crate) fn test_devices() -> Vec<burn::tensor::Device> {
    vec![
        burn::tensor::Device::flex(),
        #[cfg(feature = "ndarray")]
        burn::tensor::Device::ndarray(),
    ]
}

/// The guide, whose snippets are doc tests.
#[cfg(doctest)]
#[doc = include_str!("../docs/guide.md")]
mod guide {}

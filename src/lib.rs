#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

pub mod analysis;
#[cfg(any(feature = "train", feature = "safetensors"))]
mod atomic_file;
pub mod baseline;
pub mod data;
pub mod encoder;
mod error;
mod finite;
pub mod fusion;
pub mod head;
mod host;
pub mod modality;
mod model;
mod module_fields;
pub mod projector;
#[cfg(feature = "safetensors")]
mod safetensors;
mod symmetric;
#[cfg(feature = "train")]
pub mod train;

pub use error::{MlaError, NonFinite, Result};
pub use model::{Mla, MlaConfig, Prediction};

/// What most programs need.
pub mod prelude {
    pub use crate::encoder::{
        CnnEncoder, CnnEncoderConfig, Encoder, Encoders, Frozen, FrozenInput, MlpEncoder,
        MlpEncoderConfig,
    };
    pub use crate::fusion::{
        Confidence, ConfidenceFusion, ConfidenceFusionConfig, EntropyFusion, EntropyFusionConfig,
        FixedFusion, MeanFusion, UncertaintyFusion,
    };
    pub use crate::head::{LinearHead, LinearHeadConfig, MlpHead, MlpHeadConfig, SharedHead};
    pub use crate::modality::{
        Blocks, FixedOrder, ModalityInput, MultimodalBatch, RoundRobin, Schedule, Targets, Turn,
        UnimodalBatch,
    };
    pub use crate::projector::{
        DefaultProjector, FeatureMean, FeatureSource, IdentityProjector, IllConditioned,
        LeakyRlsProjector, LeakyRlsProjectorConfig, OrthogonalProjector, ProjectionConfig,
        ProjectionTarget, RlsForm, RlsProjector, RlsProjectorConfig, SubspaceProjector,
        SubspaceProjectorConfig, SubspaceRank, TraceRescaledRlsProjector,
        TraceRescaledRlsProjectorConfig,
    };
    #[cfg(feature = "train")]
    pub use crate::train::{AlternatingLoader, EpochLength};
    pub use crate::{Mla, MlaConfig, MlaError, Prediction, Result};
}

/// Burn marks ndarray deprecated; this crate still tests on it.
#[cfg(test)]
#[allow(deprecated)]
pub(crate) fn test_devices() -> [burn::tensor::Device; 2] {
    [
        burn::tensor::Device::flex(),
        burn::tensor::Device::ndarray(),
    ]
}

/// The guide's snippets, compiled and run by the tests.
#[cfg(doctest)]
#[doc = include_str!("../docs/guide.md")]
mod guide {}

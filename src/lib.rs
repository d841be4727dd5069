#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

pub mod analysis;
#[cfg(any(feature = "train", feature = "safetensors"))]
mod atomic_file;
pub mod baseline;
#[cfg(feature = "train")]
pub mod checkpoint;
pub mod encoder;
mod error;
pub mod evaluation;
pub mod fusion;
pub mod head;
#[cfg(feature = "train")]
pub mod loader;
#[cfg(feature = "train")]
pub mod logger;
#[cfg(feature = "train")]
pub mod method;
#[cfg(feature = "train")]
pub mod metric;
pub mod mla;
pub mod modality;
pub mod module;
mod numeric;
pub mod projector;

pub use error::{MlaError, NonFinite, Result};
pub use mla::{Mla, MlaConfig, Prediction};

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
    #[cfg(feature = "train")]
    pub use crate::loader::{AlternatingLoader, EpochLength};
    pub use crate::loader::{Blocks, FixedOrder, RoundRobin, Schedule};
    pub use crate::mla::{FeatureMean, FeatureSource, ProjectionConfig, ProjectionTarget};
    pub use crate::modality::{ModalityInput, MultimodalBatch, Targets, Turn, UnimodalBatch};
    pub use crate::projector::{
        DefaultProjector, IdentityProjector, IllConditionedPolicy, LeakyRlsProjector,
        LeakyRlsProjectorConfig, OrthogonalProjector, RlsForm, RlsProjector, RlsProjectorConfig,
        SubspaceProjector, SubspaceProjectorConfig, SubspaceRank, TraceRescaledRlsProjector,
        TraceRescaledRlsProjectorConfig,
    };
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

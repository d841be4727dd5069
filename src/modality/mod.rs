//! Modalities: inputs, labels, modality masks, missing rates and imputation.

mod batch;
mod imputation;
mod input;
#[cfg(feature = "train")]
mod manifest;
#[cfg(test)]
mod mask_rules;
mod masking;
#[cfg(test)]
mod masking_tests;
mod media;
mod missing_protocol;
mod missing_rate;
pub(crate) mod one_of;
mod presence;
mod rows;
#[cfg(feature = "train")]
mod scheduled;
mod targets;
mod tokens;
mod turn;

pub use batch::{MultimodalBatch, UnimodalBatch};
pub use imputation::{FillMissing, ZeroImputation};
pub use input::{ModalityInput, ModalityInputs, PairedInputs, Rows};
#[cfg(feature = "train")]
pub use manifest::{ManifestError, ManifestProblem, MissingManifest};
pub use masking::KeepPresent;
pub use media::{FbankBatch, ImageBatch, VideoBatch};
pub use missing_protocol::MissingProtocol;
pub use missing_rate::MissingRate;
pub use one_of::{OneOf2, OneOf3, OneOf4, OneOf5, OneOf6, OneOf7, OneOf8};
pub use presence::Presence;
pub(crate) use rows::are_all;
#[cfg(feature = "train")]
pub(crate) use rows::check_rows;
pub use rows::{SelectRows, ZeroRows};
#[cfg(feature = "train")]
pub use scheduled::ScheduledTurn;
pub use targets::Targets;
pub use tokens::TokenBatch;
pub use turn::{Indexed, Turn};

//! The model of the paper: encoders, shared head, projector and fusion, and how they are trained.

mod arriving;
mod carried;
#[cfg(feature = "train")]
mod evaluate;
#[cfg(feature = "train")]
mod fused;
#[cfg(feature = "train")]
mod groups;
#[cfg(feature = "train")]
mod health;
#[cfg(feature = "train")]
mod method;
mod model;
#[cfg(feature = "train")]
mod optimize;
mod predict;
mod preset;
mod projection;
#[cfg(feature = "safetensors")]
mod safetensors;
#[cfg(feature = "train")]
mod step;

#[cfg(feature = "train")]
pub use fused::{FusedLogits, FusedTurnConfig, FusedTurns};
#[cfg(feature = "train")]
pub use groups::{encoder_group, head_group};
#[cfg(feature = "train")]
pub use health::ProjectorHealth;
pub use model::{Mla, MlaConfig};
pub use predict::Prediction;
#[cfg(feature = "train")]
pub use preset::FusedMla;
pub use preset::{DefaultMla, PaperMla};
pub use projection::{FeatureMean, FeatureSource, Projection, ProjectionConfig, ProjectionTarget};

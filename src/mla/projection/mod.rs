//! The projector at work within a model: its state per protected layer, and how a step uses it.

mod options;
mod state;
#[cfg(feature = "train")]
mod step;

pub use options::{FeatureMean, FeatureSource, ProjectionConfig, ProjectionTarget};
pub use state::Projection;
#[cfg(feature = "train")]
pub(super) use {state::LayerProjection, step::LayerChange};

//! Metrics for Burn's training loop: Burn's own, of each modality and of the fused prediction, and
//! some that only a multimodal model has.
//!
//! [`ModalityMetrics::modality_metrics`] registers all that is usual at once.

mod calibration_error;
mod epoch;
mod fusion_weight;
mod imbalance;
mod modality;
mod projector_gain;
mod register;
mod shapley;
mod views;

pub use calibration_error::CalibrationErrorMetric;
pub use fusion_weight::{FusionWeightInput, FusionWeightMetric};
pub use imbalance::ImbalanceMetric;
pub use modality::ModalityMetric;
pub use projector_gain::{ProjectorGain, ProjectorGainInput, ProjectorGainMetric};
pub use register::ModalityMetrics;
pub use shapley::{ShapleyInput, ShapleyMetric};
pub use views::{ClassificationViews, View};

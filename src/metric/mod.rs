//! Metrics for Burn's training loop: Burn's own metrics for each modality and for the fused
//! prediction, and metrics that only a multimodal model has.
//!
//! [`ModalityMetrics::modality_metrics`] registers the usual ones.

mod average_precision;
mod calibration_error;
mod data_wait;
mod epoch;
mod fusion_weight;
mod imbalance;
mod input;
mod macro_f1;
mod modality;
mod name;
mod projector_gain;
mod register;
mod shapley;

pub use average_precision::AveragePrecisionMetric;
pub use calibration_error::CalibrationErrorMetric;
pub use data_wait::DataWaitMetric;
pub use fusion_weight::FusionWeightMetric;
pub use imbalance::ImbalanceMetric;
pub use input::MetricInput;
pub use macro_f1::MacroF1Metric;
pub use modality::ModalityMetric;
pub use projector_gain::{ProjectorGain, ProjectorGainMetric};
pub use register::ModalityMetrics;
pub use shapley::ShapleyMetric;

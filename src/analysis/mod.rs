//! Measures of what a model has learnt.

mod calibration_error;
mod confusion;
mod features;
mod modality_gap;
mod pca;
mod shapley;

pub use calibration_error::{CalibrationBin, CalibrationError};
pub use confusion::Confusion;
pub use modality_gap::ModalityGap;
pub use pca::Pca;
pub use shapley::shapley_values;

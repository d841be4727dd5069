//! Measures of what a model has learnt.

mod calibration_error;
mod confusion;
mod shapley;

pub use calibration_error::{CalibrationBin, CalibrationError};
pub use confusion::Confusion;
pub use shapley::shapley_values;

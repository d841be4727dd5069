//! Measures of a model's predictions: per modality, fused, and for every subset of modalities.

mod calibration_error;
mod confusion;
#[cfg(feature = "train")]
mod evaluate;
mod shapley;
#[cfg(feature = "train")]
mod stacking;
#[cfg(feature = "train")]
mod subsets;
#[cfg(feature = "train")]
mod temperatures;

pub use calibration_error::{CalibrationBin, CalibrationError};
pub use confusion::Confusion;
#[cfg(feature = "train")]
pub use evaluate::{Evaluation, evaluate};
pub use shapley::shapley_values;
pub(crate) use shapley::shapley_weights;
#[cfg(feature = "train")]
pub use stacking::{Stacking, StackingConfig, StackingWeights};
#[cfg(feature = "train")]
pub(crate) use subsets::expected_correct;
#[cfg(feature = "train")]
pub use subsets::{SubsetEvaluation, SubsetScore, evaluate_subsets};
#[cfg(feature = "train")]
pub use temperatures::{Calibration, calibrate, fit_temperatures};

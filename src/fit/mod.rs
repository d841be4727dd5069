//! A whole training in one call: metrics, progress, checkpoints, early stopping and calibration.

mod config;
mod error;
mod fitted;
mod held_out;
mod run;

pub use config::{FitConfig, Turns};
pub use error::FitError;
pub use fitted::{Ending, Fitted};
pub use held_out::fit_held_out;
pub use run::{fit, fit_over};

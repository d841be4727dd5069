//! Preparation of data sets: files that are made once from published ones, on all cores, restartable.

mod error;
#[cfg(feature = "audio")]
mod features;
mod report;
mod run;

pub use error::PrepareError;
pub use report::{Failure, PrepareReport};
pub use run::{Job, PrepareConfig};

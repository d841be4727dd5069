//! Preparation of data sets: files that are made once from published ones, on all cores, restartable.

mod error;
#[cfg(feature = "audio")]
mod features;
#[cfg(any(feature = "audio", feature = "text"))]
mod recipe;
mod report;
mod run;

pub use error::PrepareError;
#[cfg(any(feature = "audio", feature = "text"))]
pub(crate) use recipe::check_recipe;
pub use report::{Failure, PrepareReport};
#[cfg(feature = "video")]
pub(crate) use run::PARTIAL;
pub use run::{Job, PrepareConfig};

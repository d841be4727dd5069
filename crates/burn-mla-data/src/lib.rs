//! Data for multimodal models on Burn: front ends and data sets for `burn-mla`.
#![deny(missing_docs)]

mod atomic_file;
pub mod dataset;
mod error;
pub mod features;
pub mod manifest;
mod sha256;
pub mod text;

pub use error::{DataError, Result};

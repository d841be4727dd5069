//! Data for multimodal models on Burn: front ends and data sets for `burn-mla`.
#![deny(missing_docs)]

pub mod dataset;
mod error;
pub mod text;

pub use error::{DataError, Result};

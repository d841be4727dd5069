//! Weights of PyTorch models for Burn modules, with every key accounted for.

mod error;
mod file;
mod key;
mod layout;
mod precision;
#[cfg(test)]
mod tests;

pub use error::{Mismatch, ShapeMismatch, WeightsError};
pub use file::WeightFile;

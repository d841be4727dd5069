//! Weights of PyTorch models for Burn modules, with every key accounted for.

mod channels;
mod error;
mod file;
mod key;
mod layout;
mod load;
mod parameters;
mod read;
mod safetensors;
#[cfg(test)]
mod tests;
mod undrawn;

pub use channels::Channels;
pub use error::{Mismatch, ShapeMismatch, WeightsError};
pub use file::WeightFile;
pub use load::Loaded;

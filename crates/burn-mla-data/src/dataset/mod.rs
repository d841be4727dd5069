//! Data sets, one module per set.

pub mod emoji;
pub mod mfeat;
mod split;

pub use split::Split;

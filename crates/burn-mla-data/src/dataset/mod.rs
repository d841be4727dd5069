//! Data sets, one module per set.

pub mod emoji;
mod split;

pub use split::Split;

//! Data sets: one room per set.

pub mod emoji;
mod split;

pub use split::Split;

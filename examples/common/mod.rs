//! What the examples share.

mod allocator;
#[allow(dead_code)]
pub mod charts;
mod distinct;
pub mod emoji;
pub mod report;
mod spread;

//! What the examples share.

mod allocator;
pub mod curves;
pub mod emoji;
pub mod report;

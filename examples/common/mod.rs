//! What the examples share.

pub mod curves;
pub mod emoji;
pub mod report;

//! Outputs for the metrics of a training: one table for all epochs, and a plain progress display.

mod plain_renderer;
mod table;

pub use plain_renderer::PlainRenderer;
pub use table::{TableLogError, TableLogHandle, TableLogger};

//! Where a training's metrics go: one table for a whole training, and a plain progress display.

mod plain_renderer;
mod table;

pub use plain_renderer::PlainRenderer;
pub use table::{TableLogError, TableLogHandle, TableLogger};

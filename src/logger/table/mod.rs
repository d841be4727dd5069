//! Metrics of a whole training in one table.

mod error;
mod file;
mod logger;
mod row;

pub use error::TableLogError;
pub use logger::{TableLogHandle, TableLogger};

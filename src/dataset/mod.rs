//! Data sets in memory: batches with masks and positions, and splits.

mod divide;
mod in_memory;
mod split;
mod take;

pub use divide::Divide;
pub(crate) use divide::shares;
pub use in_memory::InMemory;
pub use take::{TakeRows, TakeSamples, Taken};

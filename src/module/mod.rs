//! What Burn's `Module` lacks: buffers, counters, generic fields, and care for running statistics.

mod buffer;
mod counter;
mod fields;
#[cfg(feature = "train")]
mod running_state;

pub use buffer::Buffer;
pub(crate) use counter::Counter;
pub(crate) use fields::module_fields;
#[cfg(feature = "train")]
pub(crate) use running_state::{discard_pending_updates, take_pending_updates};

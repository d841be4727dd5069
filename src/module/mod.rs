//! What Burn's `Module` lacks: buffers, counters, generic fields, control over running
//! statistics, and traversals.

mod buffer;
mod counter;
mod fields;
mod running_state;
#[cfg(feature = "train")]
mod values;
mod visitors;

pub use buffer::Buffer;
pub(crate) use counter::Counter;
pub(crate) use fields::module_fields;
pub(crate) use running_state::unshared;
#[cfg(feature = "train")]
pub(crate) use running_state::{carry_updates, take_pending_updates, take_updates};
#[cfg(feature = "train")]
pub(crate) use values::ParamValues;
pub use visitors::draw_parameters;
#[cfg(feature = "train")]
pub(crate) use visitors::{FloatParam, ParamVisitor, is_on_tape, visit};
pub(crate) use visitors::{check_distinct, float_params};

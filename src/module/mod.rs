//! What Burn's `Module` lacks: buffers, counters, generic fields, running statistics of one's own,
//! model files, and traversals.

mod around;
mod buffer;
mod copied;
mod counter;
mod fields;
#[cfg(feature = "safetensors")]
mod model_file;
mod model_thread;
mod names;
mod record;
mod running_state;
#[cfg(feature = "train")]
mod values;
mod visitors;

pub(crate) use around::module_around;
pub use buffer::Buffer;
pub(crate) use copied::with_values_of;
pub(crate) use counter::Counter;
pub(crate) use fields::module_fields;
#[cfg(feature = "safetensors")]
pub use model_file::ModelFileConfig;
#[cfg(feature = "safetensors")]
pub(crate) use model_file::{About, ModelFile};
pub(crate) use model_thread::ModelThread;
pub use names::ModelNames;
#[cfg(feature = "train")]
pub(crate) use names::distinct_names;
pub(crate) use record::load_in_own_precision;
pub use running_state::unshared;
#[cfg(feature = "train")]
pub(crate) use running_state::{carry_updates, take_pending_updates, take_updates};
#[cfg(feature = "train")]
pub(crate) use values::ParamValues;
pub use visitors::draw_parameters;
#[cfg(feature = "safetensors")]
pub(crate) use visitors::tensor_paths;
pub(crate) use visitors::{
    FloatParam, ParamVisitor, Visited, check_distinct, float_params, param_ids, visit,
};
#[cfg(feature = "train")]
pub(crate) use visitors::{in_training, is_on_tape};

/// The name of a type without its path and its parameters, as files and messages write it.
pub(crate) fn type_name<T: ?Sized>() -> String {
    let full = std::any::type_name::<T>();
    let path = full.split('<').next().unwrap_or(full);
    path.rsplit("::").next().unwrap_or(path).to_string()
}

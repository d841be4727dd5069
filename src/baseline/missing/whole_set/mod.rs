//! Methods that are fitted to all training samples at once, in the training loop of every other method.

mod head;
#[cfg(feature = "train")]
mod input;
mod model;
#[cfg(feature = "train")]
mod step;
mod values;

pub use head::{Fit, Moment, PassPlan, WholeSamples, WholeSetHead};
#[cfg(feature = "train")]
pub use input::{WholePass, WholeSetInput};
pub use model::WholeSet;
pub use values::FitValues;

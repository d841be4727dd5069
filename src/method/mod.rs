//! What the training loop, checkpoints, metrics and evaluation ask of a multimodal method.

mod gather;
mod interruption;
mod multimodal_method;
mod output;
mod parameters;
mod probe;

pub(crate) use gather::gathered;
pub(crate) use interruption::Faults;
pub use multimodal_method::{MultimodalMethod, TrainingLoader};
pub use output::{EvaluationOutput, StepOutput};
pub(crate) use parameters::Parameters;
pub(crate) use probe::members;
pub use probe::{Coalitions, Probe, Probed};

//! What the training loop, checkpoints, metrics and evaluation ask of a multimodal method.

mod interruption;
mod multimodal_method;
mod output;
mod parameters;
mod probe;
mod steps;

pub use interruption::Interruption;
pub use multimodal_method::{MultimodalMethod, TrainingLoader};
pub use output::{EvaluationOutput, StepOutput};
pub(crate) use parameters::Parameters;
pub(crate) use probe::members;
pub use probe::{Coalitions, Probe, Probed};
#[doc(hidden)]
pub use steps::{inference_step, optimize, optimize_multi, train_step};

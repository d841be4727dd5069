//! The contract between a multimodal method and the training loop, checkpoints, metrics and
//! evaluation.

mod branch;
mod device_worker;
mod evaluated;
mod gradients;
mod interruption;
mod multimodal_method;
mod output;
mod parameters;
mod steps;
mod weight_average;

pub use branch::Branch;
pub(crate) use device_worker::{DeviceWorker, find_lost, named};
pub use evaluated::{EvaluatedBatch, SubsetPrediction, SubsetPredictor};
pub(crate) use evaluated::{check_subsets, members};
pub(crate) use gradients::Checked;
pub use interruption::Interruption;
pub use multimodal_method::{MultimodalMethod, TrainingLoader};
pub use output::{EvaluationOutput, StepOutput};
pub(crate) use parameters::Parameters;
#[doc(hidden)]
pub use steps::{inference_step, optimize, optimize_multi, train_step};
pub use weight_average::{WeightAverage, WeightAverageConfig};

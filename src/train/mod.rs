//! Training: the step, the alternating loader, and both as parts of Burn's training loop.

mod calibrate;
pub mod checkpoint;
mod evaluate;
mod faults;
mod groups;
mod health;
mod learner;
mod loader;
mod mapped;
pub mod metric;
mod optimize;
mod output;
mod position;
mod probe;
mod resumable;
mod running_state;
mod seed;
mod seeded;
mod step;
mod subsets;
mod unpaired;

pub use calibrate::fit_temperatures;
pub use evaluate::{Evaluation, evaluate};
pub(crate) use faults::Faults;
pub use groups::{encoder_group, head_group};
pub use health::ProjectorHealth;
pub use loader::{AlternatingLoader, EpochLength};
pub use mapped::{IndexedBatch, MappedLoader, WithIndex};
pub use output::{EvaluationOutput, TurnOutput};
pub use position::{LoaderHandle, LoaderPosition, Passes};
pub use probe::{Coalitions, Probe};
pub use resumable::{ResumableModel, ResumableTraining};
pub use seeded::SeededLoader;
pub use subsets::{SubsetEvaluation, SubsetScore, evaluate_subsets};
pub use unpaired::UnpairedLoaders;

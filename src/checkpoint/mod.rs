//! Checkpoints from which a training resumes as if it had never stopped.

mod capture;
mod error;
mod file;
mod history;
mod part;
mod progress;
mod resumable;
mod snapshot;
mod store;

pub(crate) use capture::Capture;
pub use error::{CheckpointError, CheckpointProblem};
pub use history::{EpochRecord, History, Monitor, TurnStatistics, ValidationRecord};
pub use progress::TrainingProgress;
pub(crate) use progress::same_option;
pub use resumable::ResumableTraining;
pub use snapshot::Snapshot;
pub use store::CheckpointStore;

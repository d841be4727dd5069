//! Checkpoints from which a training resumes as if it had never stopped.

mod capture;
mod describe;
mod error;
mod file;
mod history;
mod part;
mod progress;
mod resumable;
mod schedule;
mod snapshot;
mod store;
mod updates;

pub(crate) use capture::Capture;
pub(crate) use describe::Description;
pub use error::{CheckpointError, CheckpointProblem};
pub use history::{EpochRecord, History, Monitor, TurnStatistics, ValidationRecord};
pub use progress::TrainingProgress;
pub(crate) use progress::{same, same_option};
pub use resumable::ResumableTraining;
pub use snapshot::Snapshot;
pub use store::CheckpointStore;

//! Errors of `fit`.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use burn::train::TrainingError;

use crate::checkpoint::CheckpointError;
use crate::error::MlaError;
use crate::logger::TableLogError;

/// Failure of [`fit`](crate::fit::fit).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FitError {
    /// An option, a batch or a step that the model refuses.
    #[error(transparent)]
    Model(#[from] MlaError),
    /// A checkpoint that cannot be written, read or resumed from.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The table of metrics cannot be opened.
    #[error(transparent)]
    Table(#[from] TableLogError),
    /// The temporary folder of a training without a directory cannot be created.
    #[error("temporary folder for checkpoints: {0}")]
    TemporaryFolder(io::Error),
    /// The learning-rate schedule cannot be built.
    #[error("learning-rate schedule: {message}")]
    Schedule {
        /// Burn's message.
        message: String,
    },
    /// A training without data.
    #[error("{what} is empty")]
    Empty {
        /// The training or the validation data.
        what: &'static str,
    },
    /// The checkpoint of the best epoch is not in the directory.
    #[error("the checkpoint of the best epoch, {epoch}, is not in {}", .directory.display())]
    BestEpochLost {
        /// The best epoch, from 1.
        epoch: usize,
        /// The directory of the checkpoints.
        directory: PathBuf,
    },
    /// Burn's training loop stopped with an error. The last checkpoint before it stays.
    #[error("training: {0}")]
    Training(Arc<TrainingError>),
}

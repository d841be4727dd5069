//! Errors of checkpoints: what failed, and what is wrong with a file.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::MlaError;

/// Failure to write or read a checkpoint, or to resume from it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// A file or folder could not be read or written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A file from which no training can resume.
    #[error("checkpoint {}: {problem}{}", .path.display(), offer(.previous))]
    Unusable {
        /// The file.
        path: PathBuf,
        /// The problem with the file.
        problem: CheckpointProblem,
        /// The newest good checkpoint in the same folder, if there is one.
        previous: Option<PathBuf>,
    },
    /// A new training in a folder that already contains checkpoints.
    #[error(
        "{} already contains checkpoints of another training; resume from one or choose another \
         folder",
        .directory.display()
    )]
    Occupied {
        /// The folder.
        directory: PathBuf,
    },
    /// A file in a folder of checkpoints that has the name of a checkpoint and cannot be read. It is
    /// never removed or replaced.
    #[error(
        "{} is in the way: {problem}; move it to another folder, or choose another one for the \
         checkpoints",
        .path.display()
    )]
    InTheWay {
        /// The file.
        path: PathBuf,
        /// The problem with the file.
        problem: CheckpointProblem,
    },
    /// A folder to which another training writes its checkpoints.
    #[error("another training writes checkpoints to {}", .directory.display())]
    InUse {
        /// The folder.
        directory: PathBuf,
    },
    /// An option that does not fit the model.
    #[error(transparent)]
    Model(#[from] MlaError),
    /// A part of a training could not be recorded.
    #[error("the {part} could not be recorded: {message}")]
    Record {
        /// The part: model, optimizer, scheduler or configuration.
        part: &'static str,
        /// The message of Burn or of the JSON writer.
        message: String,
    },
}

/// Problem with a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckpointProblem {
    /// A file of another kind.
    Foreign,
    /// A file that ends too early.
    Truncated {
        /// Least number of bytes of the whole file.
        expected: u64,
        /// Number of bytes of the file.
        got: u64,
    },
    /// A checksum that does not match the content.
    Corrupted,
    /// A format of a later version of the crate, unknown to this one.
    NewerFormat {
        /// The format of the file.
        format: u32,
        /// The newest format this crate reads.
        known: u32,
    },
    /// A format of an earlier version of the crate, no longer supported.
    OlderFormat {
        /// The format of the file.
        format: u32,
        /// The format that this crate reads.
        known: u32,
    },
    /// A part that does not fit the model, the optimizer, the scheduler or the loader.
    Mismatch {
        /// The part.
        part: &'static str,
        /// The difference.
        message: String,
    },
    /// A part that can no longer be read from the file.
    Unreadable {
        /// The part: model, optimizer or scheduler.
        part: &'static str,
        /// The message of the system.
        message: String,
    },
    /// A training with another configuration.
    ///
    /// Values of the model and the loader are in JSON or in Burn's display format.
    Configuration {
        /// Path of the first value that differs.
        at: String,
        /// Its value in the checkpoint.
        saved: String,
        /// Its value in the resumed training.
        given: String,
    },
}

impl fmt::Display for CheckpointProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("not a checkpoint of burn-mla"),
            Self::Truncated { expected, got } => {
                write!(f, "truncated: {got} bytes of at least {expected}")
            }
            Self::Corrupted => f.write_str("corrupted: its checksum does not match"),
            Self::NewerFormat { format, known } => write!(
                f,
                "written by a newer burn-mla: format {format}, this one reads up to {known}"
            ),
            Self::OlderFormat { format, known } => write!(
                f,
                "written by an older burn-mla: format {format}, this one reads format {known}"
            ),
            Self::Unreadable { part, message } => {
                write!(f, "the {part} cannot be read: {message}")
            }
            Self::Mismatch { part, message } => write!(f, "the {part} does not fit: {message}"),
            Self::Configuration { at, saved, given } => {
                write!(f, "made with {at} = {saved}, but now {at} = {given}")
            }
        }
    }
}

fn offer(previous: &Option<PathBuf>) -> String {
    match previous {
        None => String::new(),
        Some(path) => format!("; the last good checkpoint is {}", path.display()),
    }
}

impl CheckpointError {
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { path, source }
    }

    pub(crate) fn unusable(path: &Path, problem: CheckpointProblem) -> Self {
        Self::Unusable {
            path: path.to_path_buf(),
            problem,
            previous: None,
        }
    }
}

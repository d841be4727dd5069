use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::MlaError;

/// Why a checkpoint could not be written, read or gone on from.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// A file or folder could not be read or written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file that is no checkpoint to go on from.
    #[error("checkpoint {}: {problem}{}", .path.display(), offer(.previous))]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: CheckpointProblem,
        /// The newest good checkpoint beside it, if there is one.
        previous: Option<PathBuf>,
    },
    /// A training was to start anew in a folder of checkpoints.
    #[error(
        "there are checkpoints in {} already: resume from one, or take another folder",
        .directory.display()
    )]
    Occupied {
        /// The folder.
        directory: PathBuf,
    },
    /// An option that does not fit the model.
    #[error(transparent)]
    Model(#[from] MlaError),
    /// A part of a training could not be turned into bytes.
    #[error("the {part} could not be recorded: {message}")]
    Record {
        /// The part: model, optimizer or scheduler.
        part: &'static str,
        /// Burn's message.
        message: String,
    },
}

/// What is wrong with a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckpointProblem {
    /// The file is something else.
    Foreign,
    /// The file ends too early.
    Truncated {
        /// Bytes that it should have, as far as known.
        expected: u64,
        /// Bytes that it has.
        got: u64,
    },
    /// The checksum does not fit.
    Corrupted,
    /// Written by a later version of the crate in a format that this one does not know.
    NewerFormat {
        /// The format of the file.
        format: u32,
        /// The newest format this crate reads.
        known: u32,
    },
    /// Written by an earlier version of the crate in a format that is no longer read.
    OlderFormat {
        /// The format of the file.
        format: u32,
        /// The format that this crate reads.
        known: u32,
    },
    /// A part does not fit the model, the optimizer, the scheduler or the loader given.
    Mismatch {
        /// The part.
        part: &'static str,
        /// How it differs.
        message: String,
    },
    /// A part cannot be read from the file any more.
    Unreadable {
        /// The part: model, optimizer or scheduler.
        part: &'static str,
        /// The message of the system.
        message: String,
    },
    /// Made with another configuration.
    Configuration {
        /// Path of the first value that differs.
        at: String,
        /// Its value in the checkpoint.
        saved: String,
        /// Its value now.
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
            Self::Corrupted => f.write_str("corrupted: its checksum does not fit"),
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
                write!(f, "made with {at} = {saved}, but it is {given} now")
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

//! The error of a preparation.

use std::path::PathBuf;

use super::Failure;
use super::report::listed;
use crate::dataset::DatasetError;
use crate::error::DataError;

/// An error that ends a preparation. What was written until then stays, and is not written again.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum PrepareError {
    /// More failures than are allowed. `Display` prints the first 100, one per line.
    #[error(
        "{} of {n_jobs} files could not be made, more than a share of {max_share}:{}",
        failures.len(),
        listed(failures)
    )]
    TooManyFailures {
        /// The failures, in the order of the samples; at least one.
        failures: Vec<Failure>,
        /// Number of files.
        n_jobs: usize,
        /// The largest allowed share.
        max_share: f64,
    },
    /// Two samples whose file is the same.
    #[error("{}: the file of two samples, {first} and {second}", path.display())]
    Collision {
        /// The file.
        path: PathBuf,
        /// A sample.
        first: String,
        /// Another one.
        second: String,
    },
    /// A published data set that cannot be read.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// A file or an option.
    #[error(transparent)]
    Data(#[from] DataError),
}

//! Errors of a cache of features.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use burn_mla::MlaError;

/// An error of a [`FeatureCache`](super::FeatureCache).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// A file or directory that cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A directory whose cache is of another encoder, other weights, other data or another precision.
    #[error(
        "{}: the cache was made with {at} = {cached}, not {given}: choose another directory or \
         remove this one",
        path.display()
    )]
    Differs {
        /// The description of the cache.
        path: PathBuf,
        /// The first difference, as the path of a value in that file.
        at: String,
        /// The value in the cache, as JSON.
        cached: String,
        /// The value now, as JSON.
        given: String,
    },
    /// A file that is not of a cache, of a later version, or damaged.
    #[error("{}: {problem}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// The problem, and what to do.
        problem: String,
    },
    /// A cache that another process is computing.
    #[error("{}: another process computes this cache", directory.display())]
    InUse {
        /// The directory.
        directory: PathBuf,
    },
    /// A configuration that JSON cannot represent.
    #[error("the configuration of the encoder cannot be saved: {message}")]
    Configuration {
        /// Message of the serializer.
        message: String,
    },
    /// Weights that cannot be read from the device.
    #[error("the weights of the encoder cannot be read: {message}")]
    Weights {
        /// The parameter and the message of the device.
        message: String,
    },
    /// Rows of a manifest that are not ascending positions of samples.
    #[error(
        "row {row} of the manifest is of sample {sample}: expected ascending samples below {n_samples}"
    )]
    Rows {
        /// Position in the list of rows.
        row: usize,
        /// The sample at that position.
        sample: usize,
        /// Number of samples.
        n_samples: usize,
    },
    /// Inputs that the caller's function could not provide.
    #[error("the inputs of the samples from `{id}` cannot be read: {source}")]
    Input {
        /// Id of the first sample of the batch.
        id: String,
        /// The error of the function.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Inputs that the encoder refuses, or features of another shape than it promises.
    #[error("the batch of the samples from `{id}`: {source}")]
    Encoder {
        /// Id of the first sample of the batch.
        id: String,
        /// The error of the encoder.
        source: MlaError,
    },
    /// A feature that is NaN or infinite, or too large for half precision.
    #[error("the features of sample `{id}` are not finite{}", if *.half { " in half precision" } else { "" })]
    NotFinite {
        /// Id of the sample.
        id: String,
        /// Whether they are stored in half precision.
        half: bool,
    },
    /// A batch or shard size of 0.
    #[error(transparent)]
    HyperParameter(#[from] MlaError),
}

impl CacheError {
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { path, source }
    }

    pub(super) fn unusable(path: &Path, problem: impl Into<String>) -> Self {
        Self::Unusable {
            path: path.to_path_buf(),
            problem: problem.into(),
        }
    }
}

//! The error of published data sets.

use std::path::{Path, PathBuf};

use crate::dataset::SampleId;
use crate::error::DataError;
use crate::manifest::ManifestError;

/// An error in reading a published data set.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// A file or folder of the published layout that is not there, or is of something else.
    #[error("{}: {problem}", path.display())]
    Layout {
        /// The file or folder.
        path: PathBuf,
        /// The problem, and what to do.
        problem: String,
    },
    /// A malformed line of a list.
    #[error("{}:{line}: {problem}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: u32,
        /// The problem.
        problem: String,
    },
    /// Samples that lack a modality, where that is refused.
    #[error("{n} of {n_samples} samples have no {modality}, such as {first}: {hint}")]
    Incomplete {
        /// Number of such samples.
        n: usize,
        /// Number of samples.
        n_samples: usize,
        /// The modality.
        modality: String,
        /// One of them.
        first: SampleId,
        /// What to do.
        hint: String,
    },
    /// A split that the data set does not have.
    #[error("{dataset} has no {wanted}: choose {offered}")]
    NoSuchSplit {
        /// The data set.
        dataset: &'static str,
        /// The split that was asked for.
        wanted: &'static str,
        /// What there is.
        offered: &'static str,
    },
    /// An error of the manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// An error of classes or of a file.
    #[error(transparent)]
    Data(#[from] DataError),
}

impl DatasetError {
    pub(crate) fn layout(path: impl Into<PathBuf>, problem: impl ToString) -> Self {
        Self::Layout {
            path: path.into(),
            problem: problem.to_string(),
        }
    }

    pub(crate) fn line(path: &Path, line: u32, problem: impl ToString) -> Self {
        Self::Line {
            path: path.to_path_buf(),
            line,
            problem: problem.to_string(),
        }
    }
}

//! What can be wrong with a manifest of missing modalities.

use std::path::{Path, PathBuf};
use std::{fmt, io};

use crate::error::MlaError;

/// A manifest that could not be made, saved, read or used.
#[derive(Debug, Clone, PartialEq)]
pub struct ManifestError {
    /// The file, where one is at fault.
    pub path: Option<PathBuf>,
    /// What is wrong.
    pub problem: ManifestProblem,
}

/// What is wrong with a [`MissingManifest`].
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestProblem {
    /// The file could not be read or written.
    #[error("{message}")]
    Io {
        /// What the system says.
        message: String,
    },
    /// The file ends too early.
    #[error("truncated: {message}")]
    Truncated {
        /// Where.
        message: String,
    },
    /// The file is something else.
    #[error("not a manifest of missing modalities: {message}")]
    Foreign {
        /// How that shows.
        message: String,
    },
    /// A version of the format that is not known, most likely of a later version of this crate.
    #[error("version {version} of the format, this version of burn-mla reads {known}")]
    Version {
        /// The version of the file.
        version: u64,
        /// The one that is read.
        known: u64,
    },
    /// A field that is missing, unknown, or of another type.
    #[error("{message}")]
    Field {
        /// The field and its place.
        message: String,
    },
    /// A missing rate outside of its range.
    #[error("the missing rate must be in [0, 1), got {rate}")]
    Rate {
        /// The rate.
        rate: f64,
    },
    /// No modality.
    #[error("no modality is named")]
    NoModalities,
    /// Two modalities, or two splits, of one name.
    #[error("two {what} have the name `{name}`")]
    Twice {
        /// `modalities` or `splits`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A row of a mask that is not one digit, 0 or 1, a modality.
    #[error("row {sample} of split `{split}` is `{row}`: expected {n_modalities} digits 0 or 1")]
    Row {
        /// The split.
        split: String,
        /// The sample, from 0.
        sample: usize,
        /// The row.
        row: String,
        /// How many digits it should have.
        n_modalities: usize,
    },
    /// A sample without any modality.
    #[error("sample {sample} of split `{split}` has no modality present")]
    NothingPresent {
        /// The split.
        split: String,
        /// The sample, from 0.
        sample: usize,
    },
    /// A split of another number of samples than there are.
    #[error("the mask of split `{split}` is of {masked} samples, but there are {n_samples}")]
    Samples {
        /// The split.
        split: String,
        /// Number of samples of the mask.
        masked: usize,
        /// Number of samples that there should be.
        n_samples: usize,
    },
    /// A split that the manifest does not have.
    #[error("there is no split `{split}`, only {}", .known.join(", "))]
    UnknownSplit {
        /// The split asked for.
        split: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// Other modalities than the manifest is of.
    #[error("the modalities are {}, expected {}", .found.join(", "), .expected.join(", "))]
    Modalities {
        /// Those of the manifest.
        found: Vec<String>,
        /// Those expected.
        expected: Vec<String>,
    },
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{}: {}", path.display(), self.problem),
            None => write!(f, "manifest of missing modalities: {}", self.problem),
        }
    }
}

impl std::error::Error for ManifestError {}

impl From<ManifestError> for MlaError {
    fn from(error: ManifestError) -> Self {
        Self::Manifest {
            message: error.to_string(),
        }
    }
}

impl From<ManifestProblem> for ManifestError {
    fn from(problem: ManifestProblem) -> Self {
        Self {
            path: None,
            problem,
        }
    }
}

impl ManifestProblem {
    pub(super) fn io(error: &io::Error) -> Self {
        let message = error.to_string();
        Self::Io { message }
    }

    pub(super) fn at(self, path: &Path) -> ManifestError {
        ManifestError {
            path: Some(path.to_path_buf()),
            problem: self,
        }
    }
}

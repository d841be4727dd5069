//! Errors of a manifest of modality masks.

use std::path::{Path, PathBuf};
use std::{fmt, io};

use crate::error::MlaError;

/// An error of building, saving, loading or using a
/// [`MissingManifest`](crate::modality::MissingManifest).
#[derive(Debug, Clone, PartialEq)]
pub struct ManifestError {
    /// The file, for errors of saving and loading.
    pub path: Option<PathBuf>,
    /// The problem.
    pub problem: ManifestProblem,
}

/// A problem of a [`MissingManifest`](crate::modality::MissingManifest).
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestProblem {
    /// The file could not be read or written.
    #[error("{message}")]
    Io {
        /// The operating system's message.
        message: String,
    },
    /// A truncated file.
    #[error("truncated: {message}")]
    Truncated {
        /// The parser's message, with the position.
        message: String,
    },
    /// A file of a different format.
    #[error("not a manifest of modality masks: {message}")]
    Foreign {
        /// The difference.
        message: String,
    },
    /// An unknown version of the format, most likely from a later version of this crate.
    #[error("format version {version}; this version of burn-mla reads version {known}")]
    Version {
        /// The version of the file.
        version: u64,
        /// The supported version.
        known: u64,
    },
    /// A field that is missing, unknown, or of a wrong type.
    #[error("{message}")]
    Field {
        /// The field and its place.
        message: String,
    },
    /// A missing rate outside its range.
    #[error("the missing rate must be in [0, 1), got {rate}")]
    Rate {
        /// The rate.
        rate: f64,
    },
    /// A manifest without modalities.
    #[error("there are no modalities")]
    NoModalities,
    /// Two modalities or two splits with the same name.
    #[error("two {what} have the name `{name}`")]
    Twice {
        /// `modalities` or `splits`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A row of a mask that does not consist of one digit, 0 or 1, per modality.
    #[error("row {sample} of split `{split}` is `{row}`: expected {n_modalities} digits 0 or 1")]
    Row {
        /// The split.
        split: String,
        /// The sample, from 0.
        sample: usize,
        /// The row.
        row: String,
        /// The expected number of digits.
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
    /// A mask whose number of samples differs from that of the data.
    #[error("the mask of split `{split}` has {masked} samples, expected {n_samples}")]
    Samples {
        /// The split.
        split: String,
        /// Number of samples of the mask.
        masked: usize,
        /// Number of samples of the data.
        n_samples: usize,
    },
    /// A natural mask whose number of modalities differs from that of the manifest.
    #[error("the mask of split `{split}` has {masked} modalities, expected {n_modalities}")]
    ModalityCount {
        /// The split.
        split: String,
        /// Number of modalities of the mask.
        masked: usize,
        /// Number of modalities of the manifest.
        n_modalities: usize,
    },
    /// A split that is not in the manifest.
    #[error("unknown split `{split}`, the splits are {}", .known.join(", "))]
    UnknownSplit {
        /// The unknown split.
        split: String,
        /// The manifest's splits.
        known: Vec<String>,
    },
    /// Modalities that differ from those of the manifest.
    #[error("the modalities are {}, expected {}", .found.join(", "), .expected.join(", "))]
    Modalities {
        /// The modalities of the manifest.
        found: Vec<String>,
        /// The expected modalities.
        expected: Vec<String>,
    },
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{}: {}", path.display(), self.problem),
            None => write!(f, "manifest of modality masks: {}", self.problem),
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

//! The error of manifests.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::dataset::{SampleId, Split};
use crate::error::DataError;

/// Any error of a front end.
pub type FrontEndError = Box<dyn std::error::Error + Send + Sync>;

/// The place of a sample in a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The manifest.
    pub path: PathBuf,
    /// Line, counted from 1; 0 for a sample that is on no line, such as a file of a folder.
    pub line: u64,
    /// The sample.
    pub id: SampleId,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, " ({})", self.id)
    }
}

/// An error in a manifest, its files or what is made of them.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// A file that cannot be read or written.
    #[error("{}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Message of the reader.
        message: String,
    },
    /// A malformed line.
    #[error("{}:{line}: {message}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: u64,
        /// The problem.
        message: String,
    },
    /// A column that is missing, occurs twice, or whose kind is unclear.
    #[error("{}: column `{column}` {problem}", path.display())]
    Column {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// The problem.
        problem: String,
    },
    /// A sample whose identity an earlier one has.
    #[error(
        "{place}: the same id as on line {first_line}; {n} lines have the id of an earlier line"
    )]
    RepeatedId {
        /// The second sample.
        place: Place,
        /// Line of the first sample.
        first_line: u64,
        /// Number of such samples.
        n: usize,
    },
    /// A sample without a value in any column of a modality.
    #[error("{place}: the sample has no modality")]
    NoModality {
        /// The sample.
        place: Place,
    },
    /// A label that is not a class.
    #[error("{place}: {source}")]
    Label {
        /// The sample.
        place: Place,
        /// The unknown class.
        source: Box<DataError>,
    },
    /// A value that cannot be read or decoded.
    #[error("{place}: {column}: {source}")]
    Cell {
        /// The sample.
        place: Place,
        /// The column.
        column: String,
        /// The error of the front end or the file.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// Decoded values that cannot be made into a batch.
    #[error("a batch of {column} from the samples {samples:?}: {source}")]
    Batch {
        /// The column.
        column: String,
        /// The samples.
        samples: Vec<SampleId>,
        /// The error of the front end.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// Another number of front ends than columns of modalities.
    #[error("{n} front ends for the {} columns {}", columns.len(), columns.join(", "))]
    FrontEnds {
        /// Number of front ends.
        n: usize,
        /// The columns.
        columns: Vec<String>,
    },
    /// A front end for another kind of column.
    #[error("column `{column}` has {found} cells, which its front end does not read")]
    Kind {
        /// The column.
        column: String,
        /// Its kind.
        found: super::ColumnKind,
    },
    /// More unreadable samples than are allowed to be skipped.
    #[error(
        "{n} of {n_samples} samples are unreadable, more than a share of {max_share}; first {first}"
    )]
    Unreadable {
        /// Number of unreadable samples.
        n: usize,
        /// Number of samples.
        n_samples: usize,
        /// The largest allowed share.
        max_share: f64,
        /// The first one.
        first: Box<ManifestError>,
    },
    /// Shares of splits outside of their range.
    #[error("the share of {split} must be in [0, 1) and leave some for the others, got {value}")]
    Share {
        /// The split.
        split: Split,
        /// The share.
        value: f64,
    },
    /// A split without samples, or whose groups are too few.
    #[error("the split {split} has no sample")]
    EmptySplit {
        /// The split.
        split: Split,
    },
    /// A file of splits that is of other data.
    #[error("{}: {n} {problem}, such as {id}", path.display())]
    Splits {
        /// The file of splits.
        path: PathBuf,
        /// Number of samples.
        n: usize,
        /// What they are.
        problem: &'static str,
        /// One of them.
        id: SampleId,
    },
    /// Samples of one table that another one lacks.
    #[error("{n} ids of {} have no partner in {}, such as {id}", path.display(), other.display())]
    Unpaired {
        /// The table that has them.
        path: PathBuf,
        /// The table that lacks them.
        other: PathBuf,
        /// Number of such ids.
        n: usize,
        /// One of them.
        id: SampleId,
    },
    /// Two tables that contradict each other.
    #[error("{place}: {what} is `{found}`, but `{other}` in {}", path.display())]
    Contradiction {
        /// The sample in the first table.
        place: Box<Place>,
        /// The contradicting value.
        what: &'static str,
        /// Its value in the first table.
        found: String,
        /// Its value in the second table.
        other: String,
        /// The second table.
        path: PathBuf,
    },
    /// Classes that are not those of the data.
    #[error(transparent)]
    Data(#[from] DataError),
}

impl ManifestError {
    pub(super) fn file(path: &Path, message: impl ToString) -> Self {
        Self::File {
            path: path.to_path_buf(),
            message: message.to_string(),
        }
    }

    pub(super) fn line(path: &Path, line: u64, message: impl ToString) -> Self {
        Self::Line {
            path: path.to_path_buf(),
            line,
            message: message.to_string(),
        }
    }

    pub(super) fn column(path: &Path, column: &str, problem: impl ToString) -> Self {
        Self::Column {
            path: path.to_path_buf(),
            column: column.to_string(),
            problem: problem.to_string(),
        }
    }
}

//! The error of this crate.

use std::path::{Path, PathBuf};

/// An error in reading or preparing data.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// An option outside of its range.
    #[error("{name} must be {requirement}, got {value}")]
    HyperParameter {
        /// Name of the option.
        name: &'static str,
        /// Its range.
        requirement: &'static str,
        /// The given value.
        value: usize,
    },
    /// A file that cannot be opened, read or decoded.
    #[error("{}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Message of the reader.
        message: String,
    },
    /// A malformed row of a table.
    #[error("{}:{line}: {message}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// The problem.
        message: String,
    },
    /// An image atlas with another layout than expected, or too few tiles.
    #[error("{}: {columns} x {rows} tiles, expected 40 columns and {needed} tiles", path.display())]
    Atlas {
        /// The file.
        path: PathBuf,
        /// Columns found.
        columns: usize,
        /// Rows found.
        rows: usize,
        /// Tiles expected.
        needed: usize,
    },
    /// A name that is not a modality of the data set.
    #[error("unknown modality `{name}`: expected one of {known}")]
    UnknownModality {
        /// The given name.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// A name that is not a class of the data set.
    #[error("unknown class `{name}`: expected one of {known}")]
    UnknownClass {
        /// The given name.
        name: String,
        /// The classes that exist.
        known: String,
    },
    /// A class name that is empty or occurs twice.
    #[error("class name `{name}` {problem}")]
    ClassName {
        /// The name.
        name: String,
        /// The problem.
        problem: &'static str,
    },
    /// A name that is not a split.
    #[error("unknown split `{name}`: expected train, valid or test")]
    UnknownSplit {
        /// The given name.
        name: String,
    },
}

impl DataError {
    /// Adds the path of a file to the error of its reader.
    pub(crate) fn file<E: std::error::Error>(path: &Path) -> impl FnOnce(E) -> Self {
        let path = path.to_path_buf();
        move |error| Self::File {
            path,
            message: error.to_string(),
        }
    }
}

/// A result with [`DataError`] as its error.
pub type Result<T, E = DataError> = std::result::Result<T, E>;

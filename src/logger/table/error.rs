//! Errors of the table of metrics.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Failure to open or write a table of metrics.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum TableLogError {
    /// The file could not be read or written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: Arc<io::Error>,
    },
    /// A file of another kind, which stays unchanged.
    #[error("{}, line {line}: not a table of metrics: {message}", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The first invalid line, from 1.
        line: usize,
        /// The reason why it is invalid.
        message: String,
    },
}

impl TableLogError {
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io {
            path,
            source: Arc::new(source),
        }
    }
}

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a table of metrics could not be opened or written.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum TableLogError {
    /// The file could not be read or written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: Arc<io::Error>,
    },
    /// The file is something else. It is left as it is.
    #[error("{}, line {line}: not a table of metrics: {message}", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The first line that does not fit, from 1.
        line: usize,
        /// How it does not fit.
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

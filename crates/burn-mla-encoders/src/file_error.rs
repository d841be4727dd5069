//! The error of a file that cannot be read, which errors of weights and of configurations share.

use std::path::PathBuf;

/// A file that cannot be read or parsed, or that lacks a requested part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", path.display())]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// Message of the operating system or of the parser.
    pub message: String,
}

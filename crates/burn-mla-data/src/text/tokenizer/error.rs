//! The error of tokenizers.

use std::path::PathBuf;

/// An error in reading a vocabulary or in tokenizing a text.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// A maximal length without room for a token beside the special ones.
    #[error("max_length must be at least {least}, got {max_length}")]
    MaxLength {
        /// The smallest length: the special tokens and one more.
        least: usize,
        /// The given value.
        max_length: usize,
    },
    /// A file that cannot be read, or is no vocabulary.
    #[error("{}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Message of the reader.
        message: String,
    },
    /// A malformed line of a vocabulary.
    #[error("{}:{line}: {message}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// The problem.
        message: String,
    },
    /// A vocabulary without a token that the tokenizer needs.
    #[error("{} has no token `{token}`", path.display())]
    MissingToken {
        /// The file.
        path: PathBuf,
        /// The token.
        token: String,
    },
    /// A text that the tokenizer refuses.
    #[error("the text `{text}`: {message}")]
    Text {
        /// Start of the text.
        text: String,
        /// Message of the tokenizer.
        message: String,
    },
}

//! The error of this crate.

/// What can go wrong with data.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// An option outside of its range.
    #[error("{name} must be {requirement}, got {value}")]
    HyperParameter {
        /// The option.
        name: &'static str,
        /// Its range.
        requirement: &'static str,
        /// The value given.
        value: usize,
    },
}

/// A result with [`DataError`] as its error.
pub type Result<T, E = DataError> = std::result::Result<T, E>;

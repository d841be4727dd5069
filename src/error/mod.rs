//! Typed errors: each names the thing, the value and the place.

mod checks;
mod mla_error;
mod non_finite;

pub(crate) use checks::{at_least_one, check_order, fraction, not_negative, positive, same_size};
pub use mla_error::MlaError;
pub use non_finite::NonFinite;

/// Result of a fallible operation of this crate.
pub type Result<T, E = MlaError> = std::result::Result<T, E>;

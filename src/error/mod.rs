//! Typed errors: each names the object, the value and the place. Imports no other room.

mod checks;
#[cfg(feature = "train")]
mod difference;
mod mla_error;
mod non_finite;
mod place;

#[cfg(feature = "train")]
pub(crate) use checks::between_0_and_1;
pub(crate) use checks::{
    at_least_one, check_order, fraction, not_negative, output_shape, positive, same_size, share,
};
#[cfg(feature = "train")]
pub(crate) use difference::Difference;
pub use mla_error::MlaError;
pub use non_finite::NonFinite;

/// Result of a fallible operation in this crate.
pub type Result<T, E = MlaError> = std::result::Result<T, E>;

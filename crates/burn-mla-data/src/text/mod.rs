//! Front ends for text.

mod hashed;
mod saved;

pub use hashed::{HashedText, HashedTextConfig};

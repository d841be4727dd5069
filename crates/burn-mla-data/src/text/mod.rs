//! Front ends for text.

mod hashed;

pub use hashed::{HashedText, HashedTextConfig};

//! Front ends for text.

mod hashed;
mod saved;
#[cfg(test)]
mod tests;

pub use hashed::{HashedText, HashedTextConfig};

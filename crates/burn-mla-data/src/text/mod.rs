//! Front ends for text.

mod hashed;
#[cfg(test)]
mod tests;

pub use hashed::{HashedText, HashedTextConfig};

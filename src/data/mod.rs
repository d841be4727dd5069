//! Front ends that turn raw data into the inputs of encoders.

mod hashed_text;

pub use hashed_text::{HashedText, HashedTextConfig};

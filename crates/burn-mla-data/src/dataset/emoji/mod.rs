//! The emoji data set: images and texts of 1586 emoji in 8 classes.

mod batcher;
mod corruption;
mod data;
mod encoder;
mod modality;
#[cfg(test)]
mod tests;

pub use batcher::{Batches, EmojiBatch, EmojiInputs};
pub use corruption::Corruption;
pub use data::Emoji;
pub use encoder::{EmojiEncoder, EmojiInput, EncoderSizes};
pub use modality::Modality;

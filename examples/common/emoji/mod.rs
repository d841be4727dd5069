//! The emoji data set: images and texts of 1586 emoji in 8 classes.

mod batcher;
// Of the examples only `fusion` corrupts.
#[allow(dead_code)]
mod corruption;
mod data;
mod encoder;
mod modality;

pub use batcher::{Batches, EmojiBatch, EmojiInputs, Missing};
#[allow(unused_imports)]
pub use corruption::Corruption;
pub use data::{Emoji, Split};
pub use encoder::{EmojiEncoder, EmojiInput, EncoderSizes};
pub use modality::Modality;

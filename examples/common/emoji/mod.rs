//! The emoji data set: images and texts of 1586 emoji in 8 classes.

mod batcher;
mod data;
mod encoder;
mod modality;

pub use batcher::{Batches, EmojiBatch, EmojiInputs, Missing};
pub use data::{Emoji, Split};
pub use encoder::{EmojiEncoder, EmojiInput, EncoderSizes};
pub use modality::Modality;

//! Front ends for text.

mod hashed;
mod saved;
#[cfg(test)]
mod tests;
#[cfg(feature = "text")]
mod tokenizer;

pub use hashed::{HashedText, HashedTextConfig};
#[cfg(feature = "text")]
pub use tokenizer::{
    Padding, TextTokenizer, TokenizedText, TokenizerConfig, TokenizerError, Tokens,
};

//! Front ends for text.

mod hashed;
mod saved;
#[cfg(test)]
mod tests;
#[cfg(feature = "text")]
mod token_files;
#[cfg(feature = "text")]
mod tokenizer;

pub use hashed::{HashedText, HashedTextConfig};
#[cfg(feature = "text")]
pub use token_files::TokenFiles;
#[cfg(feature = "text")]
pub(crate) use token_files::{save_tokens, token_file};
#[cfg(feature = "text")]
pub use tokenizer::{
    Padding, TextTokenizer, TokenizedText, TokenizerConfig, TokenizerError, Tokens,
};

//! Tokenizers with a vocabulary: WordPiece (BERT), byte-level BPE (CLIP) and any `tokenizer.json`.

mod clean;
mod clip;
mod error;
#[cfg(test)]
mod tests;
mod tokens;
mod word_piece;

use std::fs;
use std::path::Path;

use burn::config::Config;
use serde::{Deserialize, Serialize};
use sha2::Digest;
use tokenizers::{Encoding, PaddingParams, Token, Tokenizer, TruncationParams};

pub use error::TokenizerError;
pub use tokens::{TokenizedText, Tokens};

/// The length of the rows of a batch of texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Padding {
    /// The longest text of the batch.
    Longest,
    /// The maximal length.
    Fixed,
}

/// Configuration of a [`TextTokenizer`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `max_length` | required | tokens of a text, special ones included; longer texts are cut at the end | >= 1 beside the special tokens |
/// | `special_tokens` | true | adds the special tokens, such as `[CLS]` and `[SEP]` | |
/// | `padding` | longest of the batch | length of the rows of a batch | |
/// | `lower_case` | true | lower case without accents, for [`word_piece`](Self::word_piece) only | |
#[derive(Config, Debug)]
pub struct TokenizerConfig {
    /// Tokens of a text, special ones included.
    pub max_length: usize,
    /// Whether special tokens are added.
    #[config(default = true)]
    pub special_tokens: bool,
    /// Length of the rows of a batch.
    #[config(default = "Padding::Longest")]
    pub padding: Padding,
    /// Whether WordPiece tokens have lower case and no accents.
    #[config(default = true)]
    pub lower_case: bool,
}

/// Tokenizer of texts with a vocabulary.
///
/// A token that is written in a text, such as `[SEP]`, is that token.
///
/// ```no_run
/// use burn::tensor::Device;
/// use burn_mla_data::text::TokenizerConfig;
///
/// // The vocabulary of bert-base-uncased, with the authors' settings.
/// let tokenizer = TokenizerConfig::mla().word_piece("bert-base-uncased/vocab.txt")?;
/// let tokens = tokenizer.tokenize(&["apple pie", "a photo of sushi"])?;
/// assert_eq!(tokens.length(), 256);
/// let batch = tokens.batch(&Device::flex()); // ids and mask, [2, 256]
/// # Ok::<(), burn_mla_data::text::TokenizerError>(())
/// ```
#[derive(Debug, Clone)]
pub struct TextTokenizer {
    tokenizer: Tokenizer,
    /// Whether texts are cleaned as for CLIP first.
    clean: bool,
    /// Special tokens before and after a text.
    before: Vec<u32>,
    after: Vec<u32>,
    pad: u32,
    max_length: usize,
    padding: Padding,
}

impl TokenizerConfig {
    /// The settings of the authors of MLA: 256 tokens without `[CLS]` and `[SEP]`, every text padded to
    /// that length.
    pub fn mla() -> Self {
        Self::new(256)
            .with_special_tokens(false)
            .with_padding(Padding::Fixed)
    }

    /// The settings of CLIP: 77 tokens with start and end, every text padded to that length.
    pub fn clip_length() -> Self {
        Self::new(77).with_padding(Padding::Fixed)
    }

    /// Builds a tokenizer from a `tokenizer.json`. Truncation and padding are those of this
    /// configuration instead of the file's; the padding token is the file's, or else `[PAD]`,
    /// `<pad>` or id 0.
    ///
    /// # Errors
    ///
    /// [`TokenizerError::File`], [`TokenizerError::MaxLength`].
    pub fn json(&self, path: impl AsRef<Path>) -> Result<TextTokenizer, TokenizerError> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(|error| refused(path, error))?;
        let mut tokenizer = Tokenizer::from_bytes(&bytes).map_err(|error| refused(path, error))?;
        let pad = tokenizer.get_padding().map(|padding| padding.pad_id);
        let pad = pad
            .or_else(|| tokenizer.token_to_id("[PAD]"))
            .or_else(|| tokenizer.token_to_id("<pad>"));
        tokenizer.with_padding(None::<PaddingParams>);
        let whole = tokenizer.with_truncation(None::<TruncationParams>);
        whole.map_err(|error| refused(path, error))?;
        self.init(path, tokenizer, pad.unwrap_or(0), false)
    }

    /// Builds a WordPiece tokenizer, as BERT has it, from a `vocab.txt`.
    ///
    /// # Errors
    ///
    /// [`TokenizerError::File`], [`TokenizerError::Line`] for a token that occurs twice,
    /// [`TokenizerError::MissingToken`] without `[PAD]`, `[UNK]`, `[CLS]` or `[SEP]`,
    /// [`TokenizerError::MaxLength`].
    pub fn word_piece(&self, path: impl AsRef<Path>) -> Result<TextTokenizer, TokenizerError> {
        let path = path.as_ref();
        let (tokenizer, pad) = word_piece::read(path, self.lower_case)?;
        self.init(path, tokenizer, pad, false)
    }

    /// Builds the tokenizer of CLIP from its merges: `merges.txt`, or the unpacked
    /// `bpe_simple_vocab_16e6.txt`.
    ///
    /// Texts are cleaned first: HTML entities are replaced, curly quotes straightened, ligatures and
    /// wide letters replaced by plain ones, control characters removed, white space collapsed, and
    /// letters lower-cased. Wrongly decoded texts (`Ã©` for `é`) are not repaired, as `ftfy` does in
    /// Python.
    ///
    /// `<start_of_text>` and `<end_of_text>` in a text are special tokens, as in OpenCLIP. Other
    /// spellings are those of a `tokenizer.json` ([`json`](Self::json)).
    ///
    /// # Errors
    ///
    /// [`TokenizerError::File`], also for fewer than 48894 merges, [`TokenizerError::Line`],
    /// [`TokenizerError::MaxLength`].
    pub fn clip(&self, path: impl AsRef<Path>) -> Result<TextTokenizer, TokenizerError> {
        let path = path.as_ref();
        self.init(path, clip::read(path)?, 0, true)
    }

    fn init(
        &self,
        path: &Path,
        tokenizer: Tokenizer,
        pad: u32,
        clean: bool,
    ) -> Result<TextTokenizer, TokenizerError> {
        // What the post-processor puts around a text of one token.
        const TEXT: u32 = u32::MAX;
        let token = Token::new(TEXT, String::from("text"), (0, 4));
        let text = Encoding::from_tokens(vec![token], 0);
        let framed = tokenizer.post_process(text, None, self.special_tokens);
        let framed = framed.map_err(|error| refused(path, error))?;
        let ids = framed.get_ids();
        let at = ids.iter().position(|&id| id == TEXT);
        let at = at.ok_or_else(|| refused(path, "its post-processor drops the text"))?;
        if self.max_length < ids.len() {
            return Err(TokenizerError::MaxLength {
                least: ids.len(),
                max_length: self.max_length,
            });
        }
        Ok(TextTokenizer {
            before: ids[..at].to_vec(),
            after: ids[at + 1..].to_vec(),
            tokenizer,
            clean,
            pad,
            max_length: self.max_length,
            padding: self.padding,
        })
    }
}

impl TextTokenizer {
    /// Number of ids of the vocabulary, special tokens included.
    pub fn n_ids(&self) -> usize {
        self.tokenizer.get_vocab_size(true)
    }

    /// The id of padding.
    pub fn pad(&self) -> u32 {
        self.pad
    }

    /// Tokenizes one text. A text without tokens has the special tokens only, or no token at all.
    ///
    /// # Errors
    ///
    /// [`TokenizerError::Text`].
    pub fn tokenize_one(&self, text: &str) -> Result<TokenizedText, TokenizerError> {
        let encoding = if self.clean {
            self.tokenizer.encode_fast(clean::clean(text), false)
        } else {
            self.tokenizer.encode_fast(text, false)
        };
        let encoding = encoding.map_err(|error| TokenizerError::Text {
            text: text.chars().take(60).collect(),
            message: error.to_string(),
        })?;
        let ids = encoding.get_ids();
        let kept = ids
            .len()
            .min(self.max_length - self.before.len() - self.after.len());
        Ok(TokenizedText {
            ids: [&self.before, &ids[..kept], &self.after].concat(),
            n_cut: ids.len() - kept,
        })
    }

    /// Tokenizes texts into rows of one length.
    ///
    /// # Errors
    ///
    /// As [`tokenize_one`](Self::tokenize_one).
    pub fn tokenize<T: AsRef<str>>(&self, texts: &[T]) -> Result<Tokens, TokenizerError> {
        let texts = texts.iter().map(|text| self.tokenize_one(text.as_ref()));
        Ok(self.collate(&texts.collect::<Result<Vec<_>, _>>()?))
    }

    /// What the tokens of a text follow from.
    pub(crate) fn recipe(&self) -> serde_json::Value {
        // The vocabulary and its normalization; the crate writes keys in a fixed order.
        let model = self.tokenizer.to_string(false).unwrap_or_default();
        serde_json::json!({
            "tokenizer": crate::sha256::hex(&sha2::Sha256::digest(model)),
            "clean": self.clean,
            "special_tokens": [&self.before, &self.after],
            "max_length": self.max_length,
            "padding": self.padding,
        })
    }

    /// The tokens of a text, padded to the maximal length.
    pub(in crate::text) fn padded(&self, text: &str) -> Result<Tokens, TokenizerError> {
        let text = self.tokenize_one(text)?;
        Ok(Tokens::new(&[text], self.max_length, self.pad))
    }

    /// Pads tokenized texts into rows of one length, at least 1.
    pub fn collate(&self, texts: &[TokenizedText]) -> Tokens {
        let longest = texts.iter().map(|text| text.ids.len()).max();
        let length = match self.padding {
            Padding::Longest => longest.unwrap_or(0).max(1),
            Padding::Fixed => self.max_length,
        };
        Tokens::new(texts, length, self.pad)
    }
}

fn refused(path: &Path, message: impl ToString) -> TokenizerError {
    TokenizerError::File {
        path: path.to_path_buf(),
        message: message.to_string(),
    }
}

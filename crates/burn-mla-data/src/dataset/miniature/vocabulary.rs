//! A vocabulary of the words of texts, for a tokenizer.

use std::collections::BTreeSet;
use std::path::Path;

use super::{MiniatureError, write};

/// The first lines of a vocabulary of BERT.
const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/// Writes a vocabulary for [`TokenizerConfig::word_piece`](crate::text::TokenizerConfig::word_piece): the words of
/// texts in lower case, cut at everything that is no letter or digit.
pub(crate) fn save_vocabulary<'a>(
    path: &Path,
    texts: impl IntoIterator<Item = &'a str>,
) -> Result<(), MiniatureError> {
    let mut words = BTreeSet::new();
    for text in texts {
        let text = text.to_lowercase();
        let of_text = text.split(|c: char| !c.is_alphanumeric());
        words.extend(of_text.filter(|word| !word.is_empty()).map(String::from));
    }
    let words = words.iter().map(String::as_str);
    let lines: Vec<&str> = SPECIAL.into_iter().chain(words).collect();
    write(path, lines.join("\n") + "\n")
}

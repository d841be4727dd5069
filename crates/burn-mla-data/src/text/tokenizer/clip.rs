//! The byte-level BPE of CLIP from its list of merges.

use std::fs;
use std::path::Path;

use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::processors::bert::BertProcessing;
use tokenizers::{AddedToken, SplitDelimiterBehavior, Tokenizer};

use super::{TokenizerError, refused};

/// Merges of the vocabulary of 49408 ids: 256 bytes, the same at the end of a word, merges, start, end.
const N_MERGES: usize = 49408 - 2 * 256 - 2;
const START: &str = "<start_of_text>";
const END: &str = "<end_of_text>";
/// Marks the last symbol of a word.
const WORD_END: &str = "</w>";
const WORDS: &str = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";
const GZIP: &[u8] = &[0x1f, 0x8b];

pub fn read(path: &Path) -> Result<Tokenizer, TokenizerError> {
    let bytes = fs::read(path).map_err(|error| refused(path, error))?;
    if bytes.starts_with(GZIP) {
        return Err(refused(path, "the file is packed; unpack it with gunzip"));
    }
    let text = String::from_utf8(bytes).map_err(|error| refused(path, error))?;
    let merges = merges(path, &text)?;

    let symbols = symbols();
    let mut tokens: Vec<String> = symbols.iter().map(char::to_string).collect();
    tokens.extend(symbols.iter().map(|symbol| format!("{symbol}{WORD_END}")));
    let joined = merges
        .iter()
        .map(|(first, second)| format!("{first}{second}"));
    tokens.extend(joined);
    tokens.extend([START.to_string(), END.to_string()]);
    let ids: Vocab = tokens.into_iter().zip(0..).collect();
    let (start, end) = (ids[START], ids[END]);

    let model = BPE::builder()
        .vocab_and_merges(ids, merges)
        .end_of_word_suffix(WORD_END.to_string())
        .build();
    let mut tokenizer = Tokenizer::new(model.map_err(|error| refused(path, error))?);
    let pattern = SplitPattern::Regex(WORDS.to_string());
    let words = Split::new(pattern, SplitDelimiterBehavior::Removed, true);
    let words = words.map_err(|error| refused(path, error))?;
    tokenizer
        .with_pre_tokenizer(Some(Sequence::new(vec![
            PreTokenizerWrapper::Split(words),
            PreTokenizerWrapper::ByteLevel(ByteLevel::new(false, true, false)),
        ])))
        .with_post_processor(Some(BertProcessing::new(
            (END.to_string(), end),
            (START.to_string(), start),
        )))
        .add_special_tokens([START, END].map(|token| AddedToken::from(token, true)))
        .map_err(|error| refused(path, error))?;
    Ok(tokenizer)
}

/// The pairs of symbols to merge, by rank. The first line is a header.
fn merges(path: &Path, text: &str) -> Result<Vec<(String, String)>, TokenizerError> {
    let lines = text.lines().enumerate().skip(1).take(N_MERGES);
    let merges = lines.map(|(at, line)| {
        let mut symbols = line.split(' ').filter(|symbol| !symbol.is_empty());
        match (symbols.next(), symbols.next(), symbols.next()) {
            (Some(first), Some(second), None) => Ok((first.to_string(), second.to_string())),
            _ => Err(TokenizerError::Line {
                path: path.to_path_buf(),
                line: at + 1,
                message: format!("`{line}` is not a pair of symbols"),
            }),
        }
    });
    let merges = merges.collect::<Result<Vec<_>, _>>()?;
    if merges.len() < N_MERGES {
        let found = merges.len();
        return Err(refused(
            path,
            format!("{found} merges after the header, expected {N_MERGES}"),
        ));
    }
    Ok(merges)
}

/// The symbols of bytes in the order of their ids: printable ones first, as themselves, then the
/// others as characters from U+0100 on.
fn symbols() -> Vec<char> {
    let printable = |byte: &u32| matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    let mut symbols: Vec<u32> = (0..256).filter(printable).collect();
    let n_others = 256 - symbols.len() as u32;
    symbols.extend(256..256 + n_others);
    symbols.into_iter().filter_map(char::from_u32).collect()
}

//! WordPiece tokenizers from a `vocab.txt`, with the normalization of BERT.

use std::fs;
use std::path::Path;

use tokenizers::models::bpe::Vocab;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::{AddedToken, Tokenizer};

use super::{TokenizerError, refused};

const PAD: &str = "[PAD]";
const UNKNOWN: &str = "[UNK]";
const START: &str = "[CLS]";
const END: &str = "[SEP]";
const MASK: &str = "[MASK]";

/// The tokenizer, and the id of its padding.
pub fn read(path: &Path, lower_case: bool) -> Result<(Tokenizer, u32), TokenizerError> {
    let text = fs::read_to_string(path).map_err(|error| refused(path, error))?;
    let mut ids = Vocab::default();
    for (at, token) in text.lines().enumerate() {
        // The last line of the same token would win.
        if let Some(first) = ids.insert(token.to_string(), at as u32) {
            return Err(TokenizerError::Line {
                path: path.to_path_buf(),
                line: at + 1,
                message: format!("the token `{token}` is on line {} already", first + 1),
            });
        }
    }
    let id = |token: &str| {
        let id = ids.get(token).copied();
        id.ok_or_else(|| TokenizerError::MissingToken {
            path: path.to_path_buf(),
            token: token.to_string(),
        })
    };
    let pad = id(PAD)?;
    id(UNKNOWN)?;
    let (start, end) = (id(START)?, id(END)?);
    let special = [PAD, UNKNOWN, START, END, MASK].into_iter();
    let special: Vec<AddedToken> = special
        .filter(|token| ids.contains_key(*token))
        .map(|token| AddedToken::from(token, true))
        .collect();

    let model = WordPiece::builder()
        .vocab(ids)
        .unk_token(UNKNOWN.to_string())
        .build();
    let mut tokenizer = Tokenizer::new(model.map_err(|error| refused(path, error))?);
    let normalizer = BertNormalizer::new(true, true, None, lower_case);
    tokenizer
        .with_normalizer(Some(normalizer))
        .map_err(|error| refused(path, error))?
        .with_pre_tokenizer(Some(BertPreTokenizer))
        .with_post_processor(Some(BertProcessing::new(
            (END.to_string(), end),
            (START.to_string(), start),
        )))
        .add_special_tokens(special)
        .map_err(|error| refused(path, error))?;
    Ok((tokenizer, pad))
}

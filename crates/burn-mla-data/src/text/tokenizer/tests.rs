//! Tokenizers against the originals in Python, with vocabularies of the original ids.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use burn::tensor::Device;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::*;

fn read<T: DeserializeOwned>(name: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    serde_json::from_slice(&fs::read(path.join(name)).unwrap()).unwrap()
}

#[derive(Deserialize)]
struct Vocabulary {
    n_ids: usize,
    ids: BTreeMap<String, usize>,
}

/// A vocabulary in which every other id has a token of its own that no text has.
fn write_vocabulary(path: &Path) {
    let vocabulary: Vocabulary = read("bert_wordpiece/vocabulary.json");
    let mut lines: Vec<String> = (0..vocabulary.n_ids)
        .map(|id| format!("[made up {id}]"))
        .collect();
    for (token, id) in vocabulary.ids {
        lines[id] = token;
    }
    fs::write(path, lines.join("\n")).unwrap();
}

#[derive(Deserialize)]
struct Merges {
    n_merges: usize,
    ranks: BTreeMap<String, usize>,
}

/// Merges in which every other rank merges symbols of bytes that no UTF-8 text has.
fn write_merges(path: &Path) {
    let merges: Merges = read("clip_bpe/merges.json");
    let bytes: Vec<char> = "õö÷øùúûüýþÿ".chars().collect();
    let mut words: Vec<String> = bytes.iter().map(char::to_string).collect();
    let mut made_up = vec![];
    let mut at = 0;
    while made_up.len() < merges.n_merges {
        for &byte in &bytes {
            made_up.push(format!("{} {byte}", words[at]));
            let longer = format!("{}{byte}", words[at]);
            words.push(longer);
        }
        at += 1;
    }
    let mut made_up = made_up.into_iter();
    let by_rank: BTreeMap<usize, String> = merges
        .ranks
        .into_iter()
        .map(|(merge, rank)| (rank, merge))
        .collect();
    let mut lines = vec!["#version: 0.2".to_string()];
    for rank in 0..merges.n_merges {
        let merge = by_rank.get(&rank).cloned();
        lines.push(merge.unwrap_or_else(|| made_up.next().unwrap()));
    }
    fs::write(path, lines.join("\n")).unwrap();
}

#[derive(Deserialize)]
struct BertCase {
    text: String,
    untruncated_length: usize,
    ids_256_no_special: Vec<u32>,
    ids_16_no_special: Vec<u32>,
    ids_16_special: Vec<u32>,
    padding_mask_16_no_special: Vec<u8>,
    padding_mask_16_special: Vec<u8>,
}

fn padding(tokens: &Tokens) -> Vec<u8> {
    tokens
        .mask()
        .iter()
        .map(|&token| u8::from(!token))
        .collect()
}

#[test]
fn word_piece_ids_are_those_of_bert() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vocab.txt");
    write_vocabulary(&path);
    let cases: Vec<BertCase> = read("bert_wordpiece/cases.json");
    assert_eq!(cases.len(), 33);

    let mla = TokenizerConfig::mla().word_piece(&path).unwrap();
    assert_eq!((mla.n_ids(), mla.pad()), (30522, 0));
    let short = TokenizerConfig::new(16).with_padding(Padding::Fixed);
    let special = short.word_piece(&path).unwrap();
    let plain = short.with_special_tokens(false).word_piece(&path).unwrap();
    for case in &cases {
        let text = [&case.text];
        let one = mla.tokenize_one(&case.text).unwrap();
        assert_eq!(one.ids, case.ids_256_no_special, "{}", case.text);
        assert_eq!(one.ids.len() + one.n_cut, case.untruncated_length);
        let found = plain.tokenize(&text).unwrap();
        assert_eq!(found.ids(), case.ids_16_no_special, "{}", case.text);
        assert_eq!(padding(&found), case.padding_mask_16_no_special);
        let found = special.tokenize(&text).unwrap();
        assert_eq!(found.ids(), case.ids_16_special, "{}", case.text);
        assert_eq!(padding(&found), case.padding_mask_16_special);
    }
}

#[derive(Deserialize)]
struct ClipCase {
    text: String,
    raw_length: usize,
    ids: Vec<u32>,
    trailing_zeros: usize,
}

#[test]
fn clip_ids_are_those_of_open_clip() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("merges.txt");
    write_merges(&path);
    let cases: Vec<ClipCase> = read("clip_bpe/cases.json");
    assert_eq!(cases.len(), 36);
    let tokenizer = TokenizerConfig::clip_length().clip(&path).unwrap();
    assert_eq!((tokenizer.n_ids(), tokenizer.pad()), (49408, 0));
    let texts: Vec<&String> = cases.iter().map(|case| &case.text).collect();
    let tokens = tokenizer.tokenize(&texts).unwrap();
    assert_eq!(tokens.length(), 77);
    for (case, ids) in cases.iter().zip(tokens.ids().chunks(77)) {
        let n_ids = 77 - case.trailing_zeros;
        assert_eq!(ids[..n_ids], case.ids, "{}", case.text);
        assert!(ids[n_ids..].iter().all(|&id| id == 0));
        let one = tokenizer.tokenize_one(&case.text).unwrap();
        assert_eq!(one.ids.len() + one.n_cut, case.raw_length + 2);
    }
}

/// A vocabulary of a few words.
fn write_few(path: &Path) {
    fs::write(path, "[PAD]\n[UNK]\n[CLS]\n[SEP]\nword\n##s\nÉ\n").unwrap();
}

#[test]
fn texts_of_any_length_have_rows_of_one_length() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vocab.txt");
    write_few(&path);
    let texts = [0, 1, 510, 511, 5000].map(|n| vec!["word"; n].join(" "));
    let tokenizer = TokenizerConfig::new(512).word_piece(&path).unwrap();
    let tokens = tokenizer.tokenize(&texts).unwrap();
    assert_eq!((tokens.n_texts(), tokens.length()), (5, 512));
    assert_eq!((tokens.n_cut_texts(), tokens.n_cut_tokens()), (2, 1 + 4490));
    let lengths = tokens.mask().chunks(512).map(|row| {
        assert!(row.is_sorted_by(|first, second| first >= second));
        row.iter().filter(|&&token| token).count()
    });
    assert_eq!(lengths.collect::<Vec<_>>(), [2, 3, 512, 512, 512]);
    assert_eq!(tokens.ids()[511], 0);
    assert!(tokens.ids()[2 * 512..].chunks(512).all(|row| row[511] == 3));

    // The longest of the batch.
    let tokens = tokenizer.tokenize(&texts[..2]).unwrap();
    assert_eq!(tokens.ids(), [2, 3, 0, 2, 4, 3]);
    let batch = tokens.batch(&Device::flex());
    let ids: Vec<i64> = batch.ids().into_data().iter().collect();
    let mask: Vec<bool> = batch.mask().into_data().iter().collect();
    assert_eq!(ids, [2, 3, 0, 2, 4, 3]);
    assert_eq!(mask, [true, true, false, true, true, true]);
}

#[test]
fn a_batch_of_empty_texts_is_padding() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vocab.txt");
    write_few(&path);
    let config = TokenizerConfig::new(4).with_special_tokens(false);
    let tokenizer = config.word_piece(&path).unwrap();
    let tokens = tokenizer.tokenize(&["", " \t"]).unwrap();
    assert_eq!(
        (tokens.ids(), tokens.mask()),
        (&[0, 0][..], &[false; 2][..])
    );
    assert_eq!(tokenizer.tokenize::<&str>(&[]).unwrap().n_texts(), 0);
    // Case and accents are kept on demand.
    let ids = |config: TokenizerConfig| {
        let tokenizer = config.word_piece(&path).unwrap();
        tokenizer.tokenize_one("words É").unwrap().ids
    };
    assert_eq!(ids(config.clone()), [4, 5, 1]);
    assert_eq!(ids(config.with_lower_case(false)), [4, 5, 6]);
}

/// Settings of truncation and padding in a `tokenizer.json` would contradict the configuration.
#[test]
fn a_tokenizer_file_has_the_same_ids_whatever_it_says_of_lengths() {
    let folder = tempfile::tempdir().unwrap();
    let (vocab, json) = (folder.path().join("v.txt"), folder.path().join("t.json"));
    write_few(&vocab);
    let config = TokenizerConfig::new(6);
    let direct = config.word_piece(&vocab).unwrap();
    let mut saved = direct.tokenizer.clone();
    let truncation = TruncationParams {
        max_length: 3,
        ..Default::default()
    };
    let padding = PaddingParams {
        pad_id: 1,
        strategy: tokenizers::PaddingStrategy::Fixed(9),
        ..Default::default()
    };
    saved.with_truncation(Some(truncation)).unwrap();
    saved
        .with_padding(Some(padding))
        .save(&json, false)
        .unwrap();
    let read = config.json(&json).unwrap();
    assert_eq!(read.pad(), 1);
    for text in ["", "words word", "word word word word word"] {
        assert_eq!(read.tokenize_one(text), direct.tokenize_one(text));
    }
}

#[test]
fn what_is_no_vocabulary_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let name = path.display();
    let config = TokenizerConfig::new(3);
    let word_piece = || config.word_piece(&path).unwrap_err().to_string();
    assert!(word_piece().starts_with(&format!("{name}: ")));
    fs::write(&path, "[PAD]\n[UNK]\n[CLS]\na\n").unwrap();
    assert_eq!(word_piece(), format!("{name} has no token `[SEP]`"));
    fs::write(&path, "[PAD]\na\na\n").unwrap();
    assert_eq!(
        word_piece(),
        format!("{name}:3: the token `a` is on line 2 already")
    );
    write_few(&path);
    assert_eq!(
        TokenizerConfig::new(2).word_piece(&path).unwrap_err(),
        TokenizerError::MaxLength {
            least: 3,
            max_length: 2
        }
    );
    let clip = || config.clip(&path).unwrap_err().to_string();
    fs::write(&path, "#version\ni n\nt h\n").unwrap();
    assert_eq!(
        clip(),
        format!("{name}: 2 merges after the header, expected 48894")
    );
    fs::write(&path, "#version\ni n\nthe\n").unwrap();
    assert_eq!(clip(), format!("{name}:3: `the` is not a pair of symbols"));
    fs::write(&path, [0x1f, 0x8b, 8]).unwrap();
    assert!(clip().ends_with("unpack it with gunzip"));
    fs::write(&path, "{\"version\": ").unwrap();
    assert!(config.json(&path).is_err());
}

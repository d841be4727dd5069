//! The texts of emoji as inputs: hashed, as tokens, and as features of MiniLM.

use std::error::Error;
use std::path::Path;

use burn::tensor::{Device, Tensor};
use burn_mla::dataset::TakeRows;
use burn_mla::encoder::{Frozen, FrozenInput};
use burn_mla::modality::TokenBatch;
use burn_mla_data::dataset::emoji::{Emoji, Modality};
use burn_mla_data::text::TokenizerConfig;
use burn_mla_encoders::bert::{Bert, BertConfig};
use burn_mla_encoders::cache::{CacheProgress, DataManifest, FeatureCacheConfig};

/// Longest text in tokens. No name of an emoji is longer.
const LENGTH: usize = 32;
/// Texts per file of cached features.
const SHARD: usize = 512;

fn texts(emoji: &Emoji) -> Vec<&str> {
    let indices = 0..emoji.len();
    indices.map(|i| emoji.text(Modality::Label, i)).collect()
}

/// Hashed words and n-grams, `[emoji, buckets]`.
pub fn hashed(emoji: &Emoji, device: &Device) -> Result<Tensor<2>, Box<dyn Error>> {
    let hashed = emoji.hashed(Modality::Label).ok_or("no text modality")?;
    Ok(hashed.tensor(&texts(emoji), device))
}

/// Token ids, `[emoji, length]`.
pub fn tokens(
    emoji: &Emoji,
    weights: &Path,
    device: &Device,
) -> Result<TokenBatch, Box<dyn Error>> {
    let tokenizer = TokenizerConfig::new(LENGTH).json(weights.join("tokenizer.json"))?;
    Ok(tokenizer.tokenize(&texts(emoji))?.batch(device))
}

/// MiniLM with its weights.
pub fn encoder(weights: &Path, device: &Device) -> Result<Bert, Box<dyn Error>> {
    let encoder = BertConfig::from_hugging_face(weights)?.init(device)?;
    let file = Bert::weight_file(weights).with_ignored("pooler");
    Ok(file.load(encoder)?)
}

/// The features of all texts, computed once and kept in `directory`.
pub fn cached(
    emoji: &Emoji,
    weights: &Path,
    directory: &Path,
    device: &Device,
) -> Result<FrozenInput<TokenBatch>, Box<dyn Error>> {
    let tokens = tokens(emoji, weights, device)?;
    let config = BertConfig::from_hugging_face(weights)?;
    let encoder = Frozen::new(encoder(weights, device)?);
    // The ids are the texts themselves.
    let data = DataManifest::new(texts(emoji), format!("at most {LENGTH} tokens"))
        .with_file(weights.join("tokenizer.json"))?;
    let cache = FeatureCacheConfig::new().with_shard_rows(SHARD);
    let cache = cache.open(directory, &encoder, &config, data)?;
    let features = cache.compute(
        |samples| tokens.take_rows(samples, device),
        |CacheProgress { done, total }| {
            if done % SHARD == 0 || done == total {
                eprintln!("{done} of {total} texts encoded");
            }
        },
    )?;
    Ok(FrozenInput::Features(features.tensor(device)))
}

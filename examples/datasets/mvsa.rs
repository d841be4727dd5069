//! MLA on MVSA-Single, tweets and their images: `cargo run --release --example mvsa`.
//!
//! Trains M3AE base on texts and images with the settings of the authors' code, and prints the paper's row beside what
//! was reached. Without `--data`, a synthetic miniature is trained in a minute.
//!
//! ```sh
//! cargo run --release --example mvsa -- --data MVSA_Single \
//!     --vocabulary bert-base-uncased/vocab.txt --weights m3ae_base.safetensors --jax
//! # The lists of MLA, and its selection of the epoch:
//! .. --lists my_train_mvsa.txt my_test_mvsa.txt --paper-mode
//! # 4511 pairs instead of 2592, whose scores cannot be compared with the paper's:
//! .. --rule merge
//! ```
//!
//! The data: the authors' page (MCRLab) or the Kaggle copy vincemarcs/mvsasingle, 4869 labelled tweets, for research.
//! The weights: <https://github.com/young-geng/m3ae_public>, converted by
//! `crates/burn-mla-encoders/scripts/m3ae_jax_to_safetensors.py`.
//!
//! Estimated, not measured: 100 epochs take about 15 minutes on one A100 with 16 GB of its memory, and a day on 16
//! cores; with cached features one pass of the encoders, seconds or half an hour, and seconds per epoch.

use burn_mla_data::dataset::SplitSource;
use burn_mla_data::dataset::mvsa::{Mvsa, MvsaRule, write_miniature};
use burn_mla_data::manifest::Shares;
use clap::{Parser, ValueEnum};
use harness::{Options, Paper, Place, Recipe, Result, Session, TextImage, TextImageOptions};

// A CPU backend allocates every result; with the allocator of glibc a step takes a fifth longer.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// MLA on MVSA-Single
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    inputs: TextImageOptions,
    /// Rule that joins the labels of a text and its image
    #[arg(long, value_enum, default_value_t = Rule::Agree)]
    rule: Rule,
}

/// A rule of labels.
#[derive(Debug, Clone, Copy, ValueEnum)]
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

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let Arguments {
        options, inputs, ..
    } = &arguments;
    let place = Place::new("mvsa", options, write_miniature)?;
    let model = TextImage::new(inputs, &place)?;

    let rule = match arguments.rule {
        Rule::Agree => MvsaRule::Agree,
        Rule::Merge => MvsaRule::Merge,
        Rule::Text => MvsaRule::Text,
        Rule::Image => MvsaRule::Image,
    };
    let mut mvsa = Mvsa::new().with_rule(rule);
    if let Some(lists) = model.lists() {
        mvsa = mvsa.with_splits(lists);
    } else if options.paper_mode {
        // Only lists reproduce the authors' draw; its shares are these.
        mvsa = mvsa.with_splits(SplitSource::Stratified(Shares::new(0.2, 0.2, 0)));
    }
    if place.prepare || place.is_miniature {
        let (folder, tokenizer) = (&place.prepared, model.tokenizer()?);
        let config = place.prepare_config();
        let prepared = mvsa.clone().with_prepared(folder);
        let report =
            prepared.prepare(&place.root, tokenizer, &config, Place::progress("tokens"))?;
        println!("{report}");
    }
    if model.reads_tokens() {
        mvsa = mvsa.with_prepared(&place.prepared);
    }
    let data = mvsa.read(&place.root)?;

    let parts = model.parts(&data, options, &place)?;
    let session = Session {
        name: "MVSA-Single",
        modalities: &["text", "image"],
        n_classes: data.classes().len(),
        options,
        place: &place,
        recipe: Recipe::AUTHORS,
        paper: Paper {
            modalities: &[75.72, 54.99],
            fused: 79.94,
        },
    };
    session.run(parts, |device| model.encoders(options, device))
}

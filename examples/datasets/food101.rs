//! MLA on UPMC Food-101, texts and images: `cargo run --release --example food101`.
//!
//! Trains M3AE base on the titles of web pages and their images with the settings of the authors' code, and prints
//! the paper's row beside what was reached. Without `--data`, a synthetic miniature is trained in a minute.
//!
//! ```sh
//! cargo run --release --example food101 -- --data UPMC_Food101 \
//!     --vocabulary bert-base-uncased/vocab.txt --weights m3ae_base.safetensors --jax
//! # The lists of MLA, and its selection of the epoch:
//! .. --lists my_train_food.txt my_test_food.txt --paper-mode
//! # Frozen encoders, whose features are computed once; a method to compare with; missing modalities:
//! .. --features cached --method ogm-ge --missing 0.3
//! ```
//!
//! The data: the authors' project page (VISIIR) or the Kaggle copy gianmarco96/upmcfood101, 90,840 images and titles
//! from web pages, for research. The weights: <https://github.com/young-geng/m3ae_public>, converted by
//! `crates/burn-mla-encoders/scripts/m3ae_jax_to_safetensors.py`.
//!
//! Estimated, not measured: 100 epochs take about 8 hours on one A100 with 16 GB of its memory, and weeks on a CPU;
//! with cached features one pass of the encoders, 5 minutes or 5 hours, and seconds per epoch.

use burn_mla_data::dataset::ClassNames;
use burn_mla_data::dataset::food101::{Food101, write_miniature};
use burn_mla_data::dataset::miniature::Miniature;
use clap::Parser;
use harness::{Options, Paper, Place, Recipe, Result, Session, TextImage, TextImageOptions};

// A CPU backend allocates every result; with the allocator of glibc a step takes a fifth longer.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Classes of the miniature.
const N_SMALL: usize = 4;

/// MLA on UPMC Food-101
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    inputs: TextImageOptions,
}

fn main() -> Result<()> {
    let Arguments { options, inputs } = Arguments::parse();
    let place = Place::new("food101", &options, |root, miniature| {
        let small = Miniature {
            n_classes: Some(N_SMALL),
            ..miniature.clone()
        };
        write_miniature(root, &small)
    })?;
    let model = TextImage::new(&inputs, &place)?;

    let mut food = Food101::new();
    if place.is_miniature {
        let classes = Food101::mla_classes()?;
        let classes = ClassNames::new(classes[..N_SMALL].to_vec())?;
        food = food.with_classes(classes).with_held_out(0.25, 0);
    }
    if options.paper_mode {
        // The authors' code has no validation samples.
        food = food.with_held_out(0.0, 0);
    }
    if let Some(lists) = model.lists() {
        food = food.with_splits(lists);
    }
    if place.prepare || place.is_miniature {
        let (folder, tokenizer) = (&place.prepared, model.tokenizer()?);
        let config = place.prepare_config();
        let prepared = food.clone().with_prepared(folder);
        let report =
            prepared.prepare(&place.root, tokenizer, &config, Place::progress("tokens"))?;
        println!("{report}");
    }
    if model.reads_tokens() {
        food = food.with_prepared(&place.prepared);
    }
    let data = food.read(&place.root)?;

    let parts = model.parts(&data, &options, &place)?;
    let session = Session {
        name: "UPMC Food-101",
        modalities: &["text", "image"],
        n_classes: data.classes().len(),
        options: &options,
        place: &place,
        recipe: Recipe::AUTHORS,
        paper: Paper {
            modalities: &[86.47, 69.60],
            fused: 93.33,
        },
    };
    session.run(parts, |device| model.encoders(&options, device))
}

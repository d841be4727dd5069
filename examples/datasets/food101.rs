//! MLA on UPMC Food-101: 101 dishes by the titles of web pages and their images, with pretrained M3AE for each.
//!
//! ```text
//! cargo run --release --example food101                                        # a miniature of 4 classes
//! cargo run --release --example food101 -- --data UPMC_Food101 \
//!     --vocabulary vocab.txt --weights m3ae_base.safetensors --jax             # 5000 samples held out for validation
//! cargo run --release --example food101 -- --data UPMC_Food101 --paper-mode \
//!     --lists my_train_food.txt my_test_food.txt \
//!     --vocabulary vocab.txt --weights m3ae_base.safetensors --jax             # the authors' split and selection
//! cargo run --release --example food101 -- --data UPMC_Food101 --features cached \
//!     --vocabulary vocab.txt --weights m3ae_base.safetensors --jax             # frozen encoders, run once
//! ```
//!
//! Expected: a table with the test accuracy of text, image and both, below the paper's row for MLA. It has not been run
//! on the data set yet.
//!
//! Time and memory of 100 epochs with batches of 64, estimated, not measured: about 8 hours on one data-centre GPU, weeks
//! on a CPU, and 16 GB on either. With cached features, the encoders run once, 5 minutes or 5 hours, and an epoch takes
//! seconds. No preparation is needed.
//!
//! Data: the authors' project page (VISIIR) or the Kaggle copy gianmarco96/upmcfood101: 90,840 images, and 90,688 titles of
//! pages. No licence is stated; the images are from web pages: research only, do not redistribute. Vocabulary:
//! huggingface.co/google-bert/bert-base-uncased. Weights: github.com/young-geng/m3ae_public, converted by
//! `crates/burn-mla-encoders/scripts/m3ae_jax_to_safetensors.py`.

use std::process::ExitCode;

use burn_mla_data::dataset::ClassNames;
use burn_mla_data::dataset::food101::{Food101, write_miniature};
use clap::Parser;
use harness::{Paper, Place, Result, Session, TextImage, TextImageOptions};
use serde::Serialize;

// A CPU backend allocates every result; with the allocator of glibc a step takes a fifth longer.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PAPER: Paper = Paper {
    dataset: "UPMC Food-101",
    modalities: &[("text", 86.47), ("image", 69.60)],
    fused: 93.33,
};

/// Classes of the miniature.
const N_MINIATURE: usize = 4;

/// MLA on UPMC Food-101
#[derive(Parser, Serialize)]
struct Arguments {
    #[command(flatten)]
    #[serde(flatten)]
    pairs: TextImageOptions,
}

fn main() -> ExitCode {
    harness::main(run)
}

fn run(arguments: &Arguments) -> Result<()> {
    let (pairs, options) = (&arguments.pairs, &arguments.pairs.options);
    let few = Some(N_MINIATURE);
    let Some(place) = Place::new("food101", options, few, write_miniature)? else {
        return Ok(());
    };
    let model = TextImage::new(pairs, &place)?;
    let mut set = Food101::new().with_incomplete(options.incomplete.into());
    if place.is_miniature {
        let classes = Food101::mla_classes()?;
        let classes = ClassNames::new(classes[..N_MINIATURE].to_vec())?;
        set = set.with_classes(classes).with_held_out(0.25, 0);
    }
    if let Some(lists) = model.lists(&place, ["my_train_food.txt", "my_test_food.txt"])? {
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
    session.run(&set.read(&place.root)?, None, &model)
}

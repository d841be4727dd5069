//! All projector rules on emoji and on a synthetic task, the basis of the crate's default.
//!
//! ```sh
//! cargo run --release -p burn-mla-studies -- projectors
//! ```
//!
//! Trains every rule, with every reading of the paper, on four pairs of modalities and several
//! seeds, and a selection of them on images. Writes the tables of `docs/projectors.md` (`table.md`)
//! and every run (`cells.jsonl`) to `target/projectors`. Finished runs are not repeated. Trains on
//! the training split only. The choice is by validation accuracy; the tables include test accuracy.

mod cell;
mod rules;
mod run;
mod synthetic;
mod table;

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use burn::tensor::Device;
use burn_mla_data::dataset::emoji::{Emoji, Modality};
use cell::{Cell, Cells, Key};
use clap::Args;
use rules::Setting;

use crate::share::Share;
use crate::small_emoji;

/// Projector rules on pairs of emoji modalities, and on a synthetic task.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Seeds of each setting and pair
    #[arg(long, default_value_t = 5)]
    seeds: u64,

    /// Passes over the data
    #[arg(long, default_value_t = 8)]
    epochs: usize,

    /// Folder for results and finished runs
    #[arg(long, default_value = "target/projectors")]
    out: PathBuf,

    /// Run only one share of the runs, such as 0/2 or 1/2 in two processes; a call without this option
    /// writes the table
    #[arg(long, value_name = "I/N")]
    share: Option<Share>,

    /// Short run of one seed and one epoch
    #[arg(long)]
    quick: bool,
}

/// The pairs that every setting is trained on: thumbnails with texts, and two texts.
const PAIRS: [[Modality; 2]; 4] = [
    [Modality::Gray8, Modality::Label],
    [Modality::Gray8, Modality::Tags],
    [Modality::Label, Modality::Tags],
    [Modality::LabelDe, Modality::Tags],
];

/// A pair with a convolutional encoder, which takes longer. It is trained with selected settings only.
const IMAGE_PAIR: [Modality; 2] = [Modality::Fluent, Modality::Label];

/// Runs everything that is not finished, and writes the tables.
pub fn main(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let (seeds, epochs) = if arguments.quick {
        (1, 1)
    } else {
        (arguments.seeds, arguments.epochs)
    };
    let emoji = Emoji::load(small_emoji::sizes().d_text)?;
    let device = Device::flex();
    std::fs::create_dir_all(&arguments.out)?;
    let mut cells = Cells::open(arguments.out.join("cells.jsonl"))?;

    let mut keys = vec![];
    for seed in 0..seeds {
        for pair in PAIRS {
            for setting in rules::settings() {
                keys.push((setting, pair, seed));
            }
        }
        for setting in rules::chosen() {
            keys.push((setting, IMAGE_PAIR, seed));
        }
    }
    let mut keys = arguments.share.unwrap_or_default().select(keys);
    let (start, mut done) = (Instant::now(), 0);
    keys.retain(|(setting, pair, seed)| cells.get(&key(setting, *pair, *seed, epochs)).is_none());
    for (setting, pair, seed) in &keys {
        let scores = rules::run(setting, &emoji, *pair, epochs, *seed, &device)?;
        let key = key(setting, *pair, *seed, epochs);
        done += 1;
        let left = start.elapsed() * (keys.len() - done) as u32 / done as u32;
        println!("{key}: {scores} | {} s left", left.as_secs());
        cells.add(Cell { key, scores })?;
    }
    if arguments.share.is_some() {
        return Ok(());
    }
    let forgetting = synthetic::compare(seeds, &device)?;
    let table = table::markdown(&cells, &PAIRS, IMAGE_PAIR, seeds, epochs, &forgetting);
    print!("{table}");
    std::fs::write(arguments.out.join("table.md"), table)?;
    Ok(())
}

fn key(setting: &Setting, pair: [Modality; 2], seed: u64, epochs: usize) -> Key {
    Key {
        setting: setting.to_string(),
        pair: pair.map(Modality::name).join("+"),
        seed,
        epochs,
    }
}

//! All fusion rules on emoji, calibrated or not, with clean and with corrupted modalities.
//!
//! ```sh
//! cargo run --release -p burn-mla-studies -- fusion
//! ```
//!
//! Trains MLA on pairs of modalities and several seeds, then scores every rule on the validation
//! and the test split, clean and with noise on the images or words dropped from the texts of
//! one modality. Writes the tables of `docs/fusion.md` (`table.md`), reliability diagrams
//! (`reliability-*.png`) and every run (`cells.jsonl`) to `target/fusion`. Finished
//! runs are not repeated; the whole study takes about six minutes on two cores. Trains on the training
//! split only; all temperatures come from the clean validation split.

mod case;
mod cell;
mod rule;
mod run;
mod score;
mod table;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::tensor::Device;
use burn_mla::evaluation::CalibrationError;
use burn_mla_data::dataset::emoji::{Emoji, Modality};
use cell::{Cell, Cells, Key};
use clap::Args;

use crate::reliability::{self, Diagram};
use crate::small_emoji;
use score::Confidences;
use table::{Group, pair_name};

/// Fusion rules on pairs of emoji modalities.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Seeds of each pair
    #[arg(long, default_value_t = 10)]
    seeds: u64,

    /// Passes over the data
    #[arg(long, default_value_t = 8)]
    epochs: usize,

    /// Label smoothing in training; without it models become over-confident
    #[arg(long, default_value_t = 0.1)]
    label_smoothing: f64,

    /// Folder for results and finished runs
    #[arg(long, default_value = "target/fusion")]
    out: PathBuf,

    /// Short run of one pair, one seed and one epoch
    #[arg(long)]
    quick: bool,
}

/// Thumbnails with texts, and two texts.
const PAIRS: [[Modality; 2]; 4] = [
    [Modality::Gray8, Modality::Label],
    [Modality::Gray8, Modality::Tags],
    [Modality::Label, Modality::Tags],
    [Modality::LabelDe, Modality::Tags],
];

/// A pair with a convolutional encoder.
const IMAGE_PAIR: [Modality; 2] = [Modality::Fluent, Modality::Label];

/// Pairs that share their tables and seeds.
struct Plan {
    title: &'static str,
    pairs: Vec<[Modality; 2]>,
    seeds: u64,
}

/// Runs everything that is not finished, and writes tables and diagrams.
pub fn main(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let plan = |title, pairs: &[[Modality; 2]], seeds| Plan {
        title,
        pairs: pairs.to_vec(),
        seeds,
    };
    let (plans, epochs) = if arguments.quick {
        (vec![plan("Quick", &PAIRS[..1], 1)], 1)
    } else {
        let plans = vec![
            plan("Four pairs of vectors", &PAIRS, arguments.seeds),
            plan("Images and names", &[IMAGE_PAIR], arguments.seeds),
        ];
        (plans, arguments.epochs)
    };
    let emoji = Emoji::load(small_emoji::sizes().d_text)?;
    let device = Device::flex();
    std::fs::create_dir_all(&arguments.out)?;
    let mut cells = Cells::open(arguments.out.join("cells.jsonl"))?;

    let key = |pair, seed| Key {
        pair: pair_name(pair),
        seed,
        epochs,
        label_smoothing: arguments.label_smoothing,
    };
    let mut todo = vec![];
    for plan in &plans {
        for seed in 0..plan.seeds {
            todo.extend(plan.pairs.iter().map(|&pair| (pair, key(pair, seed))));
        }
    }
    todo.retain(|(_, key)| cells.get(key).is_none());
    let start = Instant::now();
    let n_todo = todo.len();
    for (done, (pair, key)) in (1..).zip(todo) {
        let name = key.to_string();
        cells.add(run::run(key, pair, &emoji, &device)?)?;
        let spent = start.elapsed();
        let left = spent * (n_todo - done) as u32 / done as u32;
        println!("{name} | {} s, {} s left", spent.as_secs(), left.as_secs());
    }

    let mut groups = vec![];
    for plan in &plans {
        let of_seed = |seed| -> Vec<&Cell> {
            let keys = plan.pairs.iter().map(|&pair| key(pair, seed));
            keys.filter_map(|key| cells.get(&key)).collect()
        };
        let seeds: Vec<Vec<&Cell>> = (0..plan.seeds).map(of_seed).collect();
        for &pair in &plan.pairs {
            let name = pair_name(pair);
            let runs = seeds.iter().flatten().filter(|cell| cell.key.pair == name);
            let path = arguments.out.join(format!("reliability-{name}.png"));
            draw(&path, pair, &runs.copied().collect::<Vec<&Cell>>())?;
        }
        groups.push(Group {
            title: format!("{}, {} seeds", plan.title, plan.seeds),
            pairs: &plan.pairs,
            seeds,
        });
    }
    let table = table::markdown(&groups);
    print!("{table}");
    std::fs::write(arguments.out.join("table.md"), table)?;
    Ok(())
}

/// Draws reliability diagrams of the clean test split, with the samples of all seeds pooled. The upper
/// row is before calibration, the lower row after it.
fn draw(path: &Path, pair: [Modality; 2], runs: &[&Cell]) -> Result<(), Box<dyn Error>> {
    let diagram = |view: &str, calibrated: usize, branch: &dyn Fn(&Cell) -> Confidences| {
        let mut calibration = CalibrationError::default();
        for (confidence, right) in runs.iter().flat_map(|cell| branch(cell).0) {
            calibration.add(confidence.into(), right);
        }
        let state = ["as it is", "calibrated"][calibrated];
        Diagram {
            view: format!("{view}, {state}"),
            calibration,
        }
    };
    let row = |calibrated: usize| {
        let alone = |modality: usize| {
            diagram(pair[modality].name(), calibrated, &move |cell| {
                cell.reliability.modalities[modality][calibrated].clone()
            })
        };
        let fused = diagram("fused by entropy", calibrated, &|cell| {
            cell.reliability.fused[calibrated].clone()
        });
        vec![alone(0), alone(1), fused]
    };
    let models = match runs.len() {
        1 => "1 model".to_string(),
        n => format!("{n} models together"),
    };
    let caption = format!("{}, clean test split, {models}", pair_name(pair));
    reliability::draw(path, &caption, &[row(0), row(1)])
}

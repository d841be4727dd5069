//! The report of MLA against joint training: `report.json` and a table.

use std::collections::BTreeMap;
use std::fmt::Write;

use burn_mla::evaluation::Confusion;
use serde::{Deserialize, Serialize};

use crate::spread::Spread;

/// Accuracy and macro-F1, in 0..1.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Score {
    pub accuracy: f64,
    pub macro_f1: f64,
}

impl From<&Confusion> for Score {
    fn from(confusion: &Confusion) -> Self {
        Self {
            accuracy: confusion.accuracy(),
            macro_f1: confusion.macro_f1(),
        }
    }
}

/// Scores of each modality alone, and of the fused prediction.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Scores {
    pub modalities: BTreeMap<String, Score>,
    pub multi: Score,
}

impl Scores {
    /// Returns the mean over several runs.
    pub fn mean(runs: &[Scores]) -> Self {
        let mean = |branch: &dyn Fn(&Scores) -> Score| {
            let scores: Vec<Score> = runs.iter().map(branch).collect();
            let n = scores.len() as f64;
            Score {
                accuracy: scores.iter().map(|score| score.accuracy).sum::<f64>() / n,
                macro_f1: scores.iter().map(|score| score.macro_f1).sum::<f64>() / n,
            }
        };
        let names = runs
            .first()
            .map(|run| run.modalities.keys())
            .into_iter()
            .flatten();
        Self {
            modalities: names
                .map(|name| (name.clone(), mean(&|run| run.modalities[name])))
                .collect(),
            multi: mean(&|run| run.multi),
        }
    }
}

/// Scores of a method: their mean, and those of each seed.
#[derive(Debug, Serialize)]
pub struct Method {
    pub name: String,
    #[serde(flatten)]
    pub mean: Scores,
    pub per_seed: Vec<Scores>,
}

impl Method {
    pub fn new(name: &str, per_seed: Vec<Scores>) -> Self {
        Self {
            name: name.to_string(),
            mean: Scores::mean(&per_seed),
            per_seed,
        }
    }
}

/// All results of a run of the study.
#[derive(Debug, Serialize)]
pub struct Report {
    pub dataset: String,
    pub device: String,
    pub seeds: Vec<u64>,
    pub epochs: usize,
    /// Rate at which modalities are missing.
    pub missing_rate: f64,
    pub wall_s: f64,
    pub methods: Vec<Method>,
}

impl Report {
    /// Returns a table for the terminal, in percent, with the standard deviation over the seeds.
    pub fn table(&self, modalities: &[&str]) -> String {
        let mut columns: Vec<String> = modalities.iter().map(|name| name.to_string()).collect();
        columns.push("fused".to_string());
        let mut table = format!("{:<22}", "test, %");
        for column in &columns {
            let _ = write!(table, "{column:>24}");
        }
        let _ = write!(table, "\n{:<22}", "");
        for _ in &columns {
            let _ = write!(table, "{:>24}", "accuracy  macro-F1");
        }
        table.push('\n');
        for method in &self.methods {
            let _ = write!(table, "{:<22}", method.name);
            for (i, column) in columns.iter().enumerate() {
                let branch = |scores: &Scores| {
                    if i < modalities.len() {
                        scores.modalities[column]
                    } else {
                        scores.multi
                    }
                };
                let seeds = method.per_seed.iter();
                let accuracies: Vec<f64> = seeds.map(|scores| branch(scores).accuracy).collect();
                let cell =
                    Spread::from_scores(&accuracies).map_or(String::new(), |cell| cell.to_string());
                let f1 = 100.0 * branch(&method.mean).macro_f1;
                let _ = write!(table, "{:>24}", format!("{cell}  {f1:>8.1}"));
            }
            table.push('\n');
        }
        table
    }
}

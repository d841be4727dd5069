//! The scores of finished trainings, in a file, and their table.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::args::Training;

/// Accuracy by modality, and of the fused prediction.
pub type Accuracies = BTreeMap<String, f64>;

/// The scores of a training.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Scores {
    /// The epoch of the model, chosen on the validation split.
    pub epoch: Option<usize>,
    pub valid: Accuracies,
    pub test: Accuracies,
    /// Seconds of the training, since it was last resumed.
    pub wall_s: f64,
}

/// The trainings of a folder that are finished, by texts and seed.
pub struct Report {
    path: PathBuf,
    content: Content,
}

#[derive(Serialize, Deserialize)]
struct Content {
    training: Training,
    runs: BTreeMap<String, Scores>,
}

impl Report {
    /// Reads the report of `folder`, or begins one.
    pub fn open(folder: &Path, training: &Training) -> Result<Self, Box<dyn Error>> {
        let path = folder.join("report.json");
        let mut content = Content {
            training: training.clone(),
            runs: BTreeMap::new(),
        };
        if path.try_exists()? {
            let place = |error: &dyn Error| format!("{}: {error}", path.display());
            let text = fs::read_to_string(&path).map_err(|error| place(&error))?;
            content = serde_json::from_str(&text).map_err(|error| place(&error))?;
        }
        if content.training != *training {
            let (old, path) = (&content.training, path.display());
            return Err(format!(
                "{path} is of trainings with {old:?}, not {training:?}: choose another --out"
            )
            .into());
        }
        Ok(Self { path, content })
    }

    pub fn get(&self, run: &str) -> Option<&Scores> {
        self.content.runs.get(run)
    }

    /// Adds the scores of a training and writes the file.
    pub fn add(&mut self, run: String, scores: Scores) -> Result<(), Box<dyn Error>> {
        self.content.runs.insert(run, scores);
        let unfinished = self.path.with_extension("json.unfinished");
        fs::write(&unfinished, serde_json::to_string_pretty(&self.content)?)?;
        Ok(fs::rename(&unfinished, &self.path)?)
    }
}

/// Prints mean and standard deviation of the test accuracies, in percent.
pub fn print(rows: &[(&str, Vec<Scores>)]) {
    println!("\ntest accuracy, %, mean ± standard deviation over the seeds");
    for (name, seeds) in rows {
        print!("{name:<16}");
        for branch in ["image", "text", "fused"] {
            let accuracies = seeds.iter().map(|scores| 100.0 * scores.test[branch]);
            let accuracies: Vec<f64> = accuracies.collect();
            let (mean, deviation) = spread(&accuracies);
            print!("  {branch} {mean:5.1} ± {deviation:4.1}");
        }
        println!();
    }
}

fn spread(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (n - 1.0).max(1.0)).sqrt())
}

//! A finished run, as it is stored.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ahead::data::DataName;
use crate::ahead::methods::{Method, Trial};
use crate::ahead::score::{Reading, Score};
use crate::cells::{self, Keyed};

/// The data of a run: a set, the rate at which each modality is missing in all parts, and a seed of split,
/// mask and model. All methods share it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Group {
    pub data: DataName,
    pub rate: f64,
    pub seed: u64,
}

/// The key of a run: what is trained.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Key {
    #[serde(flatten)]
    pub group: Group,
    pub method: Method,
    pub trial: Trial,
    pub epochs: usize,
}

/// The first seed of the search. The tables use smaller ones.
pub const SEARCH_SEED: u64 = 1000;

impl Group {
    /// Returns true for a run of the search. It never scores the test part.
    pub fn is_search(&self) -> bool {
        self.seed >= SEARCH_SEED
    }
}

/// The scores of a trained model with one reading.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    #[serde(flatten)]
    pub reading: Reading,
    /// The mean over both halves of the validation part, each with what is fitted to the other.
    pub valid: Score,
    /// With what is fitted to the whole validation part. `None` in the search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<Score>,
}

/// Results of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Outcome {
    /// In the order of [`Reading::ALL`].
    pub rows: Vec<Row>,
    /// Test accuracy of each modality alone, over the samples that have it, with the weights of the last update
    /// and with their averages. Empty in the search.
    pub modalities: Vec<Vec<f64>>,
    pub seconds: f64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Cell {
    pub key: Key,
    pub outcome: Outcome,
}

impl Keyed for Cell {
    type Key = Key;

    fn key(&self) -> &Key {
        &self.key
    }
}

/// The finished runs.
pub type Cells = cells::Cells<Cell>;

impl Outcome {
    pub fn row(&self, reading: Reading) -> Option<&Row> {
        self.rows.iter().find(|row| row.reading == reading)
    }

    /// Test accuracy of the weakest modality alone.
    pub fn weakest(&self, reading: Reading) -> Option<f64> {
        let accuracies = self.modalities.get(usize::from(reading.averaged))?;
        accuracies.iter().copied().reduce(f64::min)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Group { data, rate, seed } = self.group;
        let trial = self.trial.describe(self.method);
        let data = data.name();
        write!(
            f,
            "{data}, {rate} missing, seed {seed}: {}, {trial}",
            self.method.name()
        )
    }
}

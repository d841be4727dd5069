//! A finished run, as it is stored.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::cells::{self, Keyed};

/// The key of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    pub setting: String,
    pub pair: String,
    pub seed: u64,
    pub epochs: usize,
}

/// Accuracies of a split: both modalities, then fused.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Accuracies {
    pub modalities: [f64; 2],
    pub fused: f64,
}

impl Accuracies {
    pub fn weakest(&self) -> f64 {
        self.modalities[0].min(self.modalities[1])
    }
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Scores {
    pub valid: Accuracies,
    pub test: Accuracies,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Cell {
    #[serde(flatten)]
    pub key: Key,
    #[serde(flatten)]
    pub scores: Scores,
}

impl Keyed for Cell {
    type Key = Key;

    fn key(&self) -> &Key {
        &self.key
    }
}

/// The finished runs.
pub type Cells = cells::Cells<Cell>;

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<42} {:<14} seed {}",
            self.setting, self.pair, self.seed
        )
    }
}

impl fmt::Display for Scores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b] = self.valid.modalities.map(|x| 100.0 * x);
        write!(
            f,
            "valid % {a:4.1} {b:4.1} {:4.1}",
            100.0 * self.valid.fused
        )
    }
}

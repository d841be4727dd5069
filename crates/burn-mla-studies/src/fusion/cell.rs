//! A finished run, as it is stored.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::cells::{self, Keyed};
use crate::fusion::score::{Confidences, Score};

/// The key of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Key {
    pub pair: String,
    pub seed: u64,
    pub epochs: usize,
    pub label_smoothing: f64,
}

/// Scores of a split in one case.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CaseScores {
    pub case: String,
    /// Index of the corrupted modality of the pair, if any.
    pub corrupted: Option<usize>,
    /// Whether this is the test split; the validation split otherwise.
    pub test: bool,
    /// Each modality alone, before and after calibration.
    pub modalities: [[Score; 2]; 2],
    /// The fused prediction, by the name of the rule.
    pub fused: BTreeMap<String, Score>,
}

/// Confidences on the clean test split, before and after calibration.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Reliability {
    pub modalities: [[Confidences; 2]; 2],
    /// Fused by the paper's rule.
    pub fused: [Confidences; 2],
}

/// Temperatures of a rule, from the clean validation split.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Temperatures {
    pub weight: f64,
    pub fused: f64,
}

/// A run: one model, scored with every rule.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Cell {
    #[serde(flatten)]
    pub key: Key,
    /// Calibration temperature of each modality.
    pub calibration: [f64; 2],
    /// Weight temperature and temperature of the fused logits, by the name of the rule.
    pub temperatures: BTreeMap<String, Temperatures>,
    pub cases: Vec<CaseScores>,
    pub reliability: Reliability,
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
        write!(f, "{:<14} seed {}", self.pair, self.seed)
    }
}

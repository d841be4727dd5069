//! A finished run, as it is stored.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::cells::{self, Keyed};
use crate::compare::methods::{Method, Trial};
use burn_mla_data::dataset::emoji::Modality;

/// The modalities that are missing in a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Missing {
    Nothing,
    /// Each modality of each sample with this probability, in all splits. One is always kept.
    Each {
        rate: f64,
    },
    /// One modality of training samples with this probability.
    InTraining {
        modality: usize,
        rate: f64,
    },
}

/// The key of a run: what is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Key {
    pub method: Method,
    pub modalities: Vec<Modality>,
    pub trial: Trial,
    pub missing: Missing,
    pub seed: u64,
    pub epochs: usize,
}

/// Accuracy and macro-F1, in 0..1. Those of a modality are over the samples that have it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SplitScores {
    pub modalities: Vec<Score>,
    pub fused: Score,
    /// Mean negative log-likelihood of the fused prediction, in nats.
    pub fused_loss: f64,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Score {
    pub accuracy: f64,
    pub macro_f1: f64,
}

impl SplitScores {
    pub fn weakest(&self) -> f64 {
        let accuracies = self.modalities.iter().map(|score| score.accuracy);
        accuracies.fold(f64::INFINITY, f64::min)
    }
}

/// A row of the table for one seed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    pub name: String,
    pub valid: SplitScores,
    pub test: SplitScores,
    /// Contribution of each modality to the fused test accuracy.
    pub shapley: Vec<f64>,
}

/// Distance between the features of the modalities on the test split.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Gap {
    /// Mean distance between the means of normalized features of two modalities, 0 to 2.
    pub distance: f64,
    /// Share of the variance along the first two principal components.
    pub explained: [f64; 2],
    /// The features of each modality, projected on them.
    pub points: Vec<Vec<[f64; 2]>>,
}

/// Results of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Outcome {
    /// Validation accuracies after each epoch: of each modality, then fused.
    pub curves: Vec<Vec<f64>>,
    pub rows: Vec<Row>,
    pub gap: Option<Gap>,
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

impl Key {
    pub fn set(&self) -> String {
        set_name(&self.modalities)
    }

    /// Returns a file name of letters, digits, dots and hyphens.
    pub fn file_name(&self) -> String {
        let text = format!("{self}");
        let keep = |c: char| {
            if c.is_ascii_alphanumeric() || c == '.' {
                c
            } else {
                '-'
            }
        };
        text.chars().map(keep).collect()
    }
}

pub fn set_name(modalities: &[Modality]) -> String {
    let names: Vec<&str> = modalities.iter().map(|modality| modality.name()).collect();
    names.join("+")
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let trial = self.trial.describe(self.method);
        write!(f, "{}, {}, {trial}", self.method, self.set())?;
        match self.missing {
            Missing::Nothing => {}
            Missing::Each { rate } => write!(f, ", {rate} missing")?,
            Missing::InTraining { modality, rate } => {
                let name = self.modalities[modality].name();
                write!(f, ", {name} missing in {rate} of training")?;
            }
        }
        write!(f, ", {} epochs, seed {}", self.epochs, self.seed)
    }
}

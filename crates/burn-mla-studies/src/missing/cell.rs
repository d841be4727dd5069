//! A finished run, as it is stored.

use std::fmt;

use burn_mla::evaluation::Evaluation;
use serde::{Deserialize, Serialize};

use crate::cells::{self, Keyed};
use crate::missing::data::DataName;
use crate::missing::methods::{Method, Trial};

/// The data of a run: a data set, a missing rate of its training part, and a seed of split, mask, encoders and
/// models. All methods share it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Group {
    pub data: DataName,
    pub rate: f64,
    pub seed: u64,
}

/// How long a training may take. All methods have the same.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// Most passes over the data.
    pub epochs: usize,
    /// Validations in a row without a better accuracy that end a training.
    pub patience: usize,
}

/// The key of a run: what is trained.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Key {
    #[serde(flatten)]
    pub group: Group,
    pub method: Method,
    pub trial: Trial,
    #[serde(flatten)]
    pub budget: Budget,
}

/// Scores of the fused prediction, in 0..1, and its mean negative log-likelihood in nats.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Score {
    pub accuracy: f64,
    pub macro_f1: f64,
    pub loss: f64,
}

/// Results of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Outcome {
    /// At the missing rate of the training.
    pub valid: Score,
    /// Missing rates of the test part, and the scores there.
    pub tests: Vec<(f64, Score)>,
    /// The epoch with the best validation accuracy, from 1.
    pub epoch: usize,
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

impl From<&Evaluation> for Score {
    fn from(evaluation: &Evaluation) -> Self {
        Self {
            accuracy: evaluation.fused.accuracy(),
            macro_f1: evaluation.fused.macro_f1(),
            loss: evaluation.loss,
        }
    }
}

impl Outcome {
    /// The scores at a missing rate of the test part.
    pub fn at(&self, rate: f64) -> Option<Score> {
        let found = self.tests.iter().find(|(at, _)| *at == rate);
        found.map(|(_, score)| *score)
    }
}

/// A file name of letters, digits, dots and hyphens.
impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.data.name(), self.rate, self.seed)
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
            self.method
        )
    }
}

//! A finished run, as it is stored.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::arriving::scenario::Scenario;
use crate::arriving::ways::{Trial, Way};
use crate::cells::{self, Keyed};

/// The key of a run: what is trained.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Key {
    pub scenario: Scenario,
    /// The seed of split, shares and model, which all ways have in common.
    pub seed: u64,
    pub way: Way,
    pub trial: Trial,
    pub epochs: usize,
}

/// The first seed of the search. The tables use smaller ones.
pub const SEARCH_SEED: u64 = 1000;

impl Key {
    /// Returns true for a run of the search. It never scores the test part.
    pub fn is_search(&self) -> bool {
        self.seed >= SEARCH_SEED
    }
}

/// Accuracies after a phase, in 0..1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct After {
    /// Each modality that the model knows, alone.
    pub modalities: Vec<f64>,
    /// All of them fused.
    pub fused: f64,
    /// Those that the model knew before the phase, fused. `None` after the first phase.
    pub old: Option<f64>,
}

/// Results of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Outcome {
    /// After each phase, on the validation part.
    pub valid: Vec<After>,
    /// After each phase, on the test part. Empty in the search.
    pub test: Vec<After>,
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

/// The scores of a run on a part, after each phase.
pub struct History<'a> {
    phases: &'a [Range<usize>],
    after: &'a [After],
}

impl<'a> History<'a> {
    /// `None` unless there are scores after each phase, and two phases at least.
    pub fn new(phases: &'a [Range<usize>], after: &'a [After]) -> Option<Self> {
        let fits = phases.len() > 1 && phases.len() == after.len();
        fits.then_some(Self { phases, after })
    }

    fn last(&self) -> &After {
        &self.after[self.after.len() - 1]
    }

    /// The accuracy of a modality alone when it was learnt, and at the end.
    pub fn modality(&self, modality: usize) -> [f64; 2] {
        let learnt = self.phases.iter().zip(self.after);
        let learnt = learnt.filter(|(phase, _)| phase.contains(&modality));
        let learnt = learnt.map(|(_, after)| after.modalities[modality]);
        [learnt.sum(), self.last().modalities[modality]]
    }

    /// Number of modalities that were known when the last one arrived.
    pub fn n_old(&self) -> usize {
        self.phases[self.phases.len() - 1].start
    }

    /// The mean of the old modalities alone, when each was learnt, and at the end.
    pub fn each_old(&self) -> [f64; 2] {
        let n = self.n_old() as f64;
        let all = (0..self.n_old()).map(|modality| self.modality(modality));
        all.fold([0.0, 0.0], |sum, [learnt, end]| {
            [sum[0] + learnt / n, sum[1] + end / n]
        })
    }

    /// The old modalities fused, before the last one arrives and after it.
    pub fn fused_old(&self) -> [f64; 2] {
        let before = self.after[self.after.len() - 2].fused;
        [before, self.last().old.unwrap_or(f64::NAN)]
    }

    /// The mean accuracy of the modalities that arrived, alone, each when it was learnt.
    pub fn new_ones(&self) -> f64 {
        let arrived = self.phases[1].start..self.phases[self.phases.len() - 1].end;
        let n = arrived.len() as f64;
        arrived.map(|modality| self.modality(modality)[0] / n).sum()
    }

    /// All modalities fused at the end, by which trials are chosen.
    pub fn fused(&self) -> f64 {
        self.last().fused
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scenario, seed) = (self.scenario.name(), self.seed);
        let (way, trial) = (self.way.name(), self.trial.describe(self.way));
        write!(f, "{scenario}, seed {seed}: {way}, {trial}")
    }
}

//! The runs of the comparison and their order.

use crate::compare::cell::{Cells, Key, Missing};
use crate::compare::methods::{ALL, Method, Trial};
use burn_mla_data::dataset::emoji::Modality;

/// Sets of modalities, seeds and epochs of the comparison.
pub struct Plan {
    pub sets: Vec<Vec<Modality>>,
    pub seeds: u64,
    /// Number of seeds of the search, which the table does not use.
    pub search_seeds: u64,
    pub missing_seeds: u64,
    pub epochs: usize,
}

/// The first seed of the search.
const SEARCH_SEED: u64 = 1000;

/// Rates at which each modality is missing everywhere.
pub const MISSING_RATES: [f64; 4] = [0.1, 0.3, 0.5, 0.7];

/// Methods compared at those rates.
pub const WITH_MISSING: [Method; 3] = [Method::LateFusion, Method::Qmf, Method::Mla];

/// Rates at which the other modality is missing in training.
pub const OTHER_MISSING_RATES: [f64; 3] = [0.25, 0.5, 0.75];

/// Methods compared at those rates.
pub const WITH_OTHER_MISSING: [Method; 2] = [Method::Concat, Method::Mla];

impl Plan {
    pub fn new(seeds: u64, epochs: usize) -> Self {
        use Modality::{Fluent, Label, LabelDe, Noto, Tags};
        Self {
            sets: vec![
                vec![Fluent, Label],
                vec![Fluent, Tags],
                vec![Noto, LabelDe],
                vec![Fluent, Label, Tags],
            ],
            seeds,
            search_seeds: 2,
            missing_seeds: seeds.min(3),
            epochs,
        }
    }

    /// Returns the smallest plan with a run of every kind.
    pub fn quick() -> Self {
        use Modality::{Gray8, Label};
        Self {
            sets: vec![vec![Gray8, Label]],
            seeds: 1,
            search_seeds: 1,
            missing_seeds: 1,
            epochs: 1,
        }
    }

    fn key(&self, method: Method, set: &[Modality], trial: Trial, seed: u64) -> Key {
        Key {
            method,
            modalities: set.to_vec(),
            trial,
            missing: Missing::Nothing,
            seed,
            epochs: self.epochs,
        }
    }

    /// Returns the runs of a trial of the search, on the first set.
    pub fn trial(&self, method: Method, trial: Trial) -> Vec<Key> {
        let seeds = SEARCH_SEED..SEARCH_SEED + self.search_seeds;
        let key = |seed| self.key(method, &self.sets[0], trial, seed);
        seeds.map(key).collect()
    }

    pub fn search(&self) -> Vec<Key> {
        let trials = ALL.iter().flat_map(|&method| {
            let trials = method.trials().into_iter();
            trials.flat_map(move |trial| self.trial(method, trial))
        });
        trials.collect()
    }

    /// Returns the mean fused validation accuracy of a trial; `None` until all its runs are finished.
    pub fn validated(&self, cells: &Cells, method: Method, trial: Trial) -> Option<f64> {
        let runs = self.trial(method, trial);
        let accuracies = runs
            .iter()
            .map(|key| Some(cells.get(key)?.outcome.rows[0].valid.fused.accuracy));
        let accuracies: Vec<f64> = accuracies.collect::<Option<_>>()?;
        Some(accuracies.iter().sum::<f64>() / accuracies.len() as f64)
    }

    /// Returns the best trial on the validation split, the first one of equal trials.
    pub fn winner(&self, cells: &Cells, method: Method) -> Option<Trial> {
        let mut best: Option<(f64, Trial)> = None;
        for trial in method.trials() {
            let accuracy = self.validated(cells, method, trial)?;
            if best.is_none_or(|(so_far, _)| accuracy > so_far) {
                best = Some((accuracy, trial));
            }
        }
        best.map(|(_, trial)| trial)
    }

    /// Returns the runs of the table for a method and a set.
    pub fn table(&self, method: Method, set: &[Modality], trial: Trial) -> Vec<Key> {
        let key = |seed| self.key(method, set, trial, seed);
        (0..self.seeds).map(key).collect()
    }

    /// Returns the runs with modalities missing at a rate, on the first set.
    pub fn missing(&self, method: Method, trial: Trial, missing: Missing) -> Vec<Key> {
        let key = |seed| Key {
            missing,
            ..self.key(method, &self.sets[0], trial, seed)
        };
        (0..self.missing_seeds).map(key).collect()
    }

    /// Returns all runs after the search, the first seeds of the table first.
    pub fn after_search(&self, winner: impl Fn(Method) -> Trial) -> Vec<Key> {
        let mut keys = vec![];
        for seed in 0..self.seeds {
            for set in &self.sets {
                for method in ALL {
                    keys.push(self.key(method, set, winner(method), seed));
                }
            }
            if seed >= self.missing_seeds {
                continue;
            }
            let with = |method: Method, missing: Missing| Key {
                missing,
                ..self.key(method, &self.sets[0], winner(method), seed)
            };
            for rate in MISSING_RATES {
                for method in WITH_MISSING {
                    keys.push(with(method, Missing::Each { rate }));
                }
            }
            for rate in OTHER_MISSING_RATES {
                for method in WITH_OTHER_MISSING {
                    for modality in 0..self.sets[0].len() {
                        keys.push(with(method, Missing::InTraining { modality, rate }));
                    }
                }
            }
        }
        keys
    }
}

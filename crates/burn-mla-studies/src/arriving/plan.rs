//! The runs of the study, and the trials that the search selects.

use crate::arriving::cell::{Cells, History, Key, SEARCH_SEED};
use crate::arriving::scenario::Scenario;
use crate::arriving::ways::{ALL, Trial, Way};
use crate::best::best;

/// Scenarios, seeds and epochs of the study.
pub struct Plan {
    pub scenarios: Vec<Scenario>,
    pub seeds: u64,
    pub search_seeds: u64,
    pub epochs: usize,
    pub n_trials: usize,
    /// Leaves out trials with other rates.
    pub learning_rate: Option<f64>,
}

impl Plan {
    /// The smallest plan with a run of every way.
    pub fn quick() -> Self {
        Self {
            scenarios: vec![Scenario::Thumbnails],
            seeds: 1,
            search_seeds: 1,
            epochs: 1,
            n_trials: 1,
            learning_rate: None,
        }
    }

    pub fn key(&self, scenario: Scenario, seed: u64, way: Way, trial: Trial) -> Key {
        Key {
            scenario,
            seed,
            way,
            trial,
            epochs: self.epochs,
        }
    }

    fn trials(&self, way: Way) -> impl Iterator<Item = Trial> {
        let trials = way.trials().into_iter().filter(|trial| {
            let rate = self.learning_rate;
            rate.is_none_or(|rate| rate == trial.learning_rate)
        });
        trials.take(self.n_trials)
    }

    fn searched(&self) -> impl Iterator<Item = u64> {
        SEARCH_SEED..SEARCH_SEED + self.search_seeds
    }

    /// The runs of the search.
    pub fn search(&self) -> Vec<Key> {
        let mut keys = vec![];
        for seed in self.searched() {
            for &scenario in &self.scenarios {
                for way in ALL {
                    let trials = self.trials(way);
                    keys.extend(trials.map(|trial| self.key(scenario, seed, way, trial)));
                }
            }
        }
        keys
    }

    /// The mean validation accuracy of all modalities fused at the end; `None` until the runs of a trial are
    /// finished.
    fn validated(&self, cells: &Cells, scenario: Scenario, way: Way, trial: Trial) -> Option<f64> {
        let phases = scenario.phases();
        let accuracies = self.searched().map(|seed| {
            let cell = cells.get(&self.key(scenario, seed, way, trial))?;
            Some(History::new(&phases, &cell.outcome.valid)?.fused())
        });
        let accuracies: Vec<f64> = accuracies.collect::<Option<_>>()?;
        Some(accuracies.iter().sum::<f64>() / accuracies.len() as f64)
    }

    /// The best trial of a way in a scenario and its validation accuracy, the first of equal trials.
    pub fn winner(&self, cells: &Cells, scenario: Scenario, way: Way) -> Option<(Trial, f64)> {
        let trials = self.trials(way);
        best(trials.map(|trial| Some((trial, self.validated(cells, scenario, way, trial)?))))
    }

    /// The projector with the best validation accuracy in a scenario.
    pub fn chosen(&self, cells: &Cells, scenario: Scenario) -> Option<Way> {
        let projectors = ALL.into_iter().filter(|way| way.has_projector());
        let (chosen, _) =
            best(projectors.map(|way| Some((way, self.winner(cells, scenario, way)?.1))))?;
        Some(chosen)
    }

    /// The runs of a way in the table of a scenario; `None` before its search is finished.
    pub fn runs(&self, cells: &Cells, scenario: Scenario, way: Way) -> Option<Vec<Key>> {
        let (trial, _) = self.winner(cells, scenario, way)?;
        let keys = (0..self.seeds).map(|seed| self.key(scenario, seed, way, trial));
        Some(keys.collect())
    }

    /// The runs of the tables, the first seeds first; `None` before the search is finished.
    pub fn tables(&self, cells: &Cells) -> Option<Vec<Key>> {
        let mut keys = vec![];
        for &scenario in &self.scenarios {
            for way in ALL {
                keys.extend(self.runs(cells, scenario, way)?);
            }
        }
        keys.sort_by_key(|key| key.seed);
        Some(keys)
    }
}

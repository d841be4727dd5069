//! The runs of the study, and the trials and fusions that the search selects.

use crate::ahead::cell::{Cells, Group, Key, SEARCH_SEED};
use crate::ahead::data::DataName;
use crate::ahead::methods::{ALL, Method, Trial};
use crate::ahead::score::Scoring;
use crate::best::best;
use crate::sets::Modalities;

/// Sets, seeds and epochs of the study.
pub struct Plan {
    /// Sets of the search.
    choose: Vec<DataName>,
    /// Sets and missing rates of the tables.
    pub confirm: Vec<(DataName, f64)>,
    pub seeds: u64,
    search_seeds: u64,
    pub epochs: usize,
    n_trials: usize,
}

/// The missing rate of further tables, on the sets with three or more modalities.
const MISSING: f64 = 0.3;

impl Plan {
    pub fn new(data: Vec<DataName>, seeds: u64, search_seeds: u64, epochs: usize) -> Self {
        let complete = data.iter().map(|&data| (data, 0.0));
        let three = |data: &&DataName| data.modalities().names().len() > 2;
        let missing = data.iter().filter(three).map(|&data| (data, MISSING));
        Self {
            choose: DataName::CHOOSE.to_vec(),
            confirm: complete.chain(missing).collect(),
            seeds,
            search_seeds,
            epochs,
            n_trials: 4,
        }
    }

    /// The smallest plan with a run of every method.
    pub fn quick() -> Self {
        let data = DataName::Thumbnails;
        Self {
            choose: vec![data],
            confirm: vec![(data, 0.0), (data, MISSING)],
            seeds: 1,
            search_seeds: 1,
            epochs: 1,
            n_trials: 1,
        }
    }

    /// All sets that the runs need.
    pub fn all_modalities(&self) -> impl Iterator<Item = Modalities> {
        let confirm = self.confirm.iter().map(|(data, _)| data);
        let all = self.choose.iter().chain(confirm);
        all.map(|data| data.modalities())
    }

    /// The trials of a method.
    pub fn trials(&self, method: Method) -> Vec<Trial> {
        let mut trials = method.trials();
        trials.truncate(self.n_trials);
        trials
    }

    pub fn key(&self, group: Group, method: Method, trial: Trial) -> Key {
        Key {
            group,
            method,
            trial,
            epochs: self.epochs,
        }
    }

    fn search_groups(&self) -> Vec<Group> {
        let seeds = SEARCH_SEED..SEARCH_SEED + self.search_seeds;
        let groups = seeds.flat_map(|seed| {
            let data = self.choose.iter();
            data.map(move |&data| Group {
                data,
                rate: 0.0,
                seed,
            })
        });
        groups.collect()
    }

    /// The runs of the search.
    pub fn search(&self) -> Vec<Key> {
        let mut keys = vec![];
        for group in self.search_groups() {
            for method in ALL {
                let trials = self.trials(method).into_iter();
                keys.extend(trials.map(|trial| self.key(group, method, trial)));
            }
        }
        keys
    }

    /// The mean validation accuracy of a trial with a fusion; `None` until its runs are finished.
    pub fn validated(
        &self,
        cells: &Cells,
        method: Method,
        trial: Trial,
        scoring: Scoring,
    ) -> Option<f64> {
        let groups = self.search_groups();
        let mut sum = 0.0;
        for &group in &groups {
            let cell = cells.get(&self.key(group, method, trial))?;
            sum += cell.outcome.row(scoring)?.valid.accuracy;
        }
        Some(sum / groups.len() as f64)
    }

    /// The best trial of a method with a fusion and its validation accuracy, the first of equal trials.
    pub fn winner(&self, cells: &Cells, method: Method, scoring: Scoring) -> Option<(Trial, f64)> {
        let trials = self.trials(method).into_iter();
        best(trials.map(|trial| Some((trial, self.validated(cells, method, trial, scoring)?))))
    }

    /// The fusion of a method with the best validation accuracy, the simplest of equal ones.
    pub fn best_scoring(&self, cells: &Cells, method: Method) -> Option<(Scoring, f64)> {
        let accuracy = |scoring| Some((scoring, self.winner(cells, method, scoring)?.1));
        best(Scoring::ALL.map(accuracy))
    }

    /// The variant of MLA with the best validation accuracy, and its fusion.
    pub fn chosen(&self, cells: &Cells) -> Option<(Method, Scoring)> {
        let ours = ALL.into_iter().filter(|method| method.is_ours());
        let (chosen, _) = best(ours.map(|method| {
            let (scoring, accuracy) = self.best_scoring(cells, method)?;
            Some(((method, scoring), accuracy))
        }))?;
        Some(chosen)
    }

    /// The groups of a table.
    pub fn groups(&self, data: DataName, rate: f64) -> Vec<Group> {
        let group = |seed| Group { data, rate, seed };
        (0..self.seeds).map(group).collect()
    }

    /// The runs of the tables, the first seeds first; `None` before the search is finished.
    pub fn tables(&self, cells: &Cells) -> Option<Vec<Key>> {
        let mut trials = vec![];
        for method in ALL {
            let mut of_method: Vec<Trial> = vec![];
            for scoring in Scoring::ALL {
                let (trial, _) = self.winner(cells, method, scoring)?;
                if !of_method.contains(&trial) {
                    of_method.push(trial);
                }
            }
            trials.extend(of_method.into_iter().map(|trial| (method, trial)));
        }
        let mut keys = vec![];
        for seed in 0..self.seeds {
            for &(data, rate) in &self.confirm {
                let group = Group { data, rate, seed };
                let of_group = trials.iter();
                keys.extend(of_group.map(|&(method, trial)| self.key(group, method, trial)));
            }
        }
        Some(keys)
    }
}

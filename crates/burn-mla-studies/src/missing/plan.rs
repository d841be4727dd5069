//! The runs of the study, and the trials that the search selects.

use crate::missing::cell::{Budget, Cells, Group, Key};
use crate::missing::data::DataName;
use crate::missing::methods::{Method, Trial};

/// Data sets, rates, seeds and budget of the study.
pub struct Plan {
    pub data: Vec<DataName>,
    /// Missing rates above 0.
    pub rates: Vec<f64>,
    pub seeds: u64,
    pub budget: Budget,
    /// Missing rates of the search.
    pub search_rates: Vec<f64>,
    /// Trials of each method.
    pub n_trials: usize,
}

/// The seed of the search, which the tables do not use.
const SEARCH_SEED: u64 = 1000;

impl Plan {
    pub fn new(data: Vec<DataName>, seeds: u64, budget: Budget) -> Self {
        Self {
            data,
            rates: vec![0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7],
            seeds,
            budget,
            search_rates: vec![0.2, 0.5],
            n_trials: 4,
        }
    }

    /// The smallest plan with a run of every method, without a search.
    pub fn quick() -> Self {
        Self {
            data: vec![DataName::EmojiVectors],
            rates: vec![0.5],
            seeds: 1,
            budget: Budget {
                epochs: 1,
                patience: 1,
            },
            search_rates: vec![],
            n_trials: 1,
        }
    }

    /// The trials of a method.
    pub fn trials(&self, method: Method) -> Vec<Trial> {
        let mut trials = method.trials();
        trials.truncate(self.n_trials);
        trials
    }

    fn key(&self, group: Group, method: Method, trial: Trial) -> Key {
        Key {
            group,
            method,
            trial,
            budget: self.budget,
        }
    }

    /// The groups of the search.
    pub fn search_groups(&self) -> Vec<Group> {
        let groups = self.data.iter().flat_map(|&data| {
            self.search_rates.iter().map(move |&rate| Group {
                data,
                rate,
                seed: SEARCH_SEED,
            })
        });
        groups.collect()
    }

    /// The groups of the tables, the first seeds first.
    pub fn groups(&self) -> Vec<Group> {
        let mut groups = vec![];
        for seed in 0..self.seeds {
            for &data in &self.data {
                let rates = [0.0].into_iter().chain(self.rates.iter().copied());
                groups.extend(rates.map(|rate| Group { data, rate, seed }));
            }
        }
        groups
    }

    /// The runs of the search in a group.
    pub fn search(&self, group: Group, methods: &[Method]) -> Vec<Key> {
        let keys = methods.iter().flat_map(|&method| {
            let trials = self.trials(method).into_iter();
            trials.map(move |trial| self.key(group, method, trial))
        });
        keys.collect()
    }

    /// The mean validation accuracy of a trial on a data set; `None` until its runs are finished.
    pub fn validated(
        &self,
        cells: &Cells,
        data: DataName,
        method: Method,
        trial: Trial,
    ) -> Option<f64> {
        let groups = self.search_groups();
        let groups: Vec<Group> = groups
            .into_iter()
            .filter(|group| group.data == data)
            .collect();
        let mut sum = 0.0;
        for &group in &groups {
            let cell = cells.get(&self.key(group, method, trial))?;
            sum += cell.outcome.valid.accuracy;
        }
        Some(sum / groups.len() as f64)
    }

    /// The best trial on the validation parts of a data set, the first one of equal trials. The only trial
    /// is not searched for.
    pub fn winner(&self, cells: &Cells, data: DataName, method: Method) -> Option<Trial> {
        let trials = self.trials(method);
        if let [only] = trials[..] {
            return Some(only);
        }
        let mut best: Option<(f64, Trial)> = None;
        for trial in trials {
            let accuracy = self.validated(cells, data, method, trial)?;
            if best.is_none_or(|(so_far, _)| accuracy > so_far) {
                best = Some((accuracy, trial));
            }
        }
        best.map(|(_, trial)| trial)
    }

    /// The run of a method in a group of the tables; `None` until the search is finished.
    pub fn run(&self, cells: &Cells, group: Group, method: Method) -> Option<Key> {
        let trial = self.winner(cells, group.data, method)?;
        Some(self.key(group, method, trial))
    }
}

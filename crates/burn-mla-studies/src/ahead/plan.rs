//! The runs of the study, and the trials and fusions that the search selects.

use crate::ahead::cell::{Cells, Group, Key, SEARCH_SEED};
use crate::ahead::data::DataName;
use crate::ahead::methods::{ALL, Method, Trial};
use crate::ahead::score::Reading;
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

    /// The mean validation accuracy of a trial with a reading; `None` until its runs are finished.
    pub fn validated(
        &self,
        cells: &Cells,
        method: Method,
        trial: Trial,
        reading: Reading,
    ) -> Option<f64> {
        let groups = self.search_groups();
        let mut sum = 0.0;
        for &group in &groups {
            let cell = cells.get(&self.key(group, method, trial))?;
            sum += cell.outcome.row(reading)?.valid.accuracy;
        }
        Some(sum / groups.len() as f64)
    }

    /// The best trial of a method, by the mean over its readings: the first of equal trials.
    pub fn trial(&self, cells: &Cells, method: Method) -> Option<Trial> {
        let (trial, _) = best(self.trials(method).into_iter().map(|trial| {
            let readings = Reading::ALL.into_iter();
            let accuracies = readings.map(|reading| self.validated(cells, method, trial, reading));
            Some((trial, accuracies.sum::<Option<f64>>()?))
        }))?;
        Some(trial)
    }

    /// The best reading of a method in its best trial and its validation accuracy, the simplest of equal
    /// ones.
    pub fn reading(&self, cells: &Cells, method: Method) -> Option<(Reading, f64)> {
        let trial = self.trial(cells, method)?;
        let accuracy = |reading| Some((reading, self.validated(cells, method, trial, reading)?));
        best(Reading::ALL.map(accuracy))
    }

    /// The first method with the best validation accuracy.
    fn best_of(&self, cells: &Cells, belongs: fn(Method) -> bool) -> Option<Method> {
        let methods = ALL.into_iter().filter(|&method| belongs(method));
        let (method, _) =
            best(methods.map(|method| Some((method, self.reading(cells, method)?.1))))?;
        Some(method)
    }

    /// The variant of MLA with the best validation accuracy.
    pub fn chosen(&self, cells: &Cells) -> Option<Method> {
        self.best_of(cells, Method::is_ours)
    }

    /// The methods of the tables, baselines first: of the later baselines the best one, and of the variants of
    /// MLA the chosen one beside the paper's and the default.
    pub fn confirmed(&self, cells: &Cells) -> Option<Vec<Method>> {
        let later = self.best_of(cells, Method::is_later)?;
        let mut methods = vec![Method::Concat, Method::Ensemble, Method::Qmf, later];
        methods.extend([Method::Mla, Method::MlaDefault]);
        let chosen = self.chosen(cells)?;
        if !methods.contains(&chosen) {
            methods.push(chosen);
        }
        Some(methods)
    }

    /// The groups of a table.
    pub fn groups(&self, data: DataName, rate: f64) -> Vec<Group> {
        let group = |seed| Group { data, rate, seed };
        (0..self.seeds).map(group).collect()
    }

    /// The runs of the tables, the first seeds first; `None` before the search is finished.
    pub fn tables(&self, cells: &Cells) -> Option<Vec<Key>> {
        let methods = self.confirmed(cells)?.into_iter();
        let trials = methods.map(|method| Some((method, self.trial(cells, method)?)));
        let trials: Vec<(Method, Trial)> = trials.collect::<Option<_>>()?;
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

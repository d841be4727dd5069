//! Results of the finished runs, for `report.json`.

use serde::Serialize;

use crate::ahead::cell::{Cells, Outcome};
use crate::ahead::methods::{ALL, Method};
use crate::ahead::plan::Plan;
use crate::ahead::score::{Reading, Score};
use crate::comparison::{Comparison, compare};

/// All results: `report.json`.
#[derive(Serialize)]
pub struct Results {
    pub device: &'static str,
    pub seeds: Vec<u64>,
    pub epochs: usize,
    /// Time of all runs, including those of earlier calls.
    pub wall_s: f64,
    pub search: Search,
    pub sets: Vec<Set>,
}

/// The search: validation accuracies, and what was chosen.
#[derive(Serialize)]
pub struct Search {
    pub rows: Vec<Searched>,
    /// The variant of MLA with the best validation accuracy, and its best reading.
    pub chosen: (String, String),
}

/// The best trial of a method.
#[derive(Serialize)]
pub struct Searched {
    pub method: String,
    pub trial: String,
    /// Validation accuracy with each reading, in the order of [`Reading::ALL`].
    pub accuracies: Vec<f64>,
    pub best: String,
}

/// The table of a set.
#[derive(Serialize)]
pub struct Set {
    pub data: String,
    pub missing_rate: f64,
    pub rows: Vec<Row>,
    /// The chosen variant against each baseline, each with its own best reading.
    pub paired_tests: Vec<Against>,
}

/// A method with a reading: one score per seed.
#[derive(Serialize)]
pub struct Row {
    pub method: String,
    pub reading: String,
    /// True for the reading that was chosen on validation data.
    pub is_best: bool,
    pub scores: Vec<Score>,
    /// Test accuracy of the weakest modality alone.
    pub weakest: Vec<f64>,
}

#[derive(Serialize)]
pub struct Against {
    pub baseline: String,
    pub reading: String,
    #[serde(flatten)]
    pub test: Comparison,
}

/// Collects the search; `None` until it is finished.
pub fn search(plan: &Plan, cells: &Cells) -> Option<Search> {
    let rows = ALL.into_iter().map(|method| {
        let trial = plan.trial(cells, method)?;
        let readings = Reading::ALL.into_iter();
        let accuracies = readings.map(|reading| plan.validated(cells, method, trial, reading));
        Some(Searched {
            method: method.name(),
            trial: trial.describe(method),
            accuracies: accuracies.collect::<Option<_>>()?,
            best: plan.reading(cells, method)?.0.name(),
        })
    });
    let rows = rows.collect::<Option<_>>()?;
    let chosen = plan.chosen(cells)?;
    let (reading, _) = plan.reading(cells, chosen)?;
    Some(Search {
        rows,
        chosen: (chosen.name(), reading.name()),
    })
}

/// Collects all results; `None` until every run is finished.
pub fn collect(plan: &Plan, cells: &Cells) -> Option<Results> {
    let methods = plan.confirmed(cells)?;
    let sets = plan.confirm.iter().map(|&(data, rate)| {
        let outcomes = |method: Method| -> Option<Vec<&Outcome>> {
            let trial = plan.trial(cells, method)?;
            let groups = plan.groups(data, rate).into_iter();
            let keys = groups.map(|group| plan.key(group, method, trial));
            keys.map(|key| Some(&cells.get(&key)?.outcome)).collect()
        };
        let scores = |method, reading| -> Option<Vec<Score>> {
            let outcomes = outcomes(method)?.into_iter();
            outcomes.map(|outcome| outcome.row(reading)?.test).collect()
        };
        let mut rows = vec![];
        for &method in &methods {
            let (best, _) = plan.reading(cells, method)?;
            for reading in Reading::ALL {
                let weakest = outcomes(method)?.into_iter();
                let weakest = weakest.map(|outcome| outcome.weakest(reading));
                rows.push(Row {
                    method: method.name(),
                    reading: reading.name(),
                    is_best: reading == best,
                    scores: scores(method, reading)?,
                    weakest: weakest.collect::<Option<_>>()?,
                });
            }
        }
        let accuracies = |method: Method| -> Option<Vec<f64>> {
            let scores = scores(method, plan.reading(cells, method)?.0)?.into_iter();
            Some(scores.map(|score| score.accuracy).collect())
        };
        let ours = accuracies(plan.chosen(cells)?)?;
        let baselines = methods.iter().filter(|method| !method.is_ours());
        let baselines: Vec<Method> = baselines.copied().collect();
        let family = baselines
            .iter()
            .map(|&method| Some((ours.clone(), accuracies(method)?)));
        let tests = compare(&family.collect::<Option<Vec<_>>>()?);
        let tests = baselines.iter().zip(tests).map(|(&method, test)| {
            Some(Against {
                baseline: method.name(),
                reading: plan.reading(cells, method)?.0.name(),
                test,
            })
        });
        Some(Set {
            data: data.name(),
            missing_rate: rate,
            rows,
            paired_tests: tests.collect::<Option<_>>()?,
        })
    });
    Some(Results {
        device: "flex",
        seeds: (0..plan.seeds).collect(),
        epochs: plan.epochs,
        wall_s: cells.all().iter().map(|cell| cell.outcome.seconds).sum(),
        search: search(plan, cells)?,
        sets: sets.collect::<Option<_>>()?,
    })
}

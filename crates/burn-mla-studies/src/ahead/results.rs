//! Results of the finished runs, for `report.json`.

use serde::Serialize;

use crate::ahead::cell::{Cells, Outcome};
use crate::ahead::methods::{ALL, Method};
use crate::ahead::plan::Plan;
use crate::ahead::score::{Score, Scoring};
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
    /// Method and fusion with the best validation accuracy among the variants of MLA.
    pub chosen: (String, &'static str),
}

/// A method with a fusion.
#[derive(Serialize)]
pub struct Searched {
    pub method: String,
    pub scoring: &'static str,
    pub trial: String,
    pub accuracy: f64,
}

/// The table of a set.
#[derive(Serialize)]
pub struct Set {
    pub data: String,
    pub missing_rate: f64,
    pub rows: Vec<Row>,
    /// The chosen variant against each baseline with its own best fusion.
    pub paired_tests: Vec<Against>,
}

/// A method with a fusion: one score per seed.
#[derive(Serialize)]
pub struct Row {
    pub method: String,
    pub scoring: &'static str,
    pub scores: Vec<Score>,
    /// Test accuracy of the weakest modality alone.
    pub weakest: Vec<f64>,
}

#[derive(Serialize)]
pub struct Against {
    pub baseline: String,
    pub scoring: &'static str,
    #[serde(flatten)]
    pub test: Comparison,
}

/// Collects the search; `None` until it is finished.
pub fn search(plan: &Plan, cells: &Cells) -> Option<Search> {
    let mut rows = vec![];
    for method in ALL {
        for scoring in Scoring::ALL {
            let (trial, accuracy) = plan.winner(cells, method, scoring)?;
            rows.push(Searched {
                method: method.name(),
                scoring: scoring.name(),
                trial: trial.describe(method),
                accuracy,
            });
        }
    }
    let (method, scoring) = plan.chosen(cells)?;
    Some(Search {
        rows,
        chosen: (method.name(), scoring.name()),
    })
}

/// Collects all results; `None` until every run is finished.
pub fn collect(plan: &Plan, cells: &Cells) -> Option<Results> {
    let sets = plan.confirm.iter();
    let sets = sets.map(|&(data, rate)| {
        let outcomes = |method: Method, scoring: Scoring| -> Option<Vec<&Outcome>> {
            let (trial, _) = plan.winner(cells, method, scoring)?;
            let groups = plan.groups(data, rate).into_iter();
            let keys = groups.map(|group| plan.key(group, method, trial));
            keys.map(|key| Some(&cells.get(&key)?.outcome)).collect()
        };
        let scores = |method, scoring| -> Option<Vec<Score>> {
            let outcomes = outcomes(method, scoring)?.into_iter();
            outcomes.map(|outcome| outcome.row(scoring)?.test).collect()
        };
        let mut rows = vec![];
        for method in ALL {
            for scoring in Scoring::ALL {
                let outcomes = outcomes(method, scoring)?.into_iter();
                rows.push(Row {
                    method: method.name(),
                    scoring: scoring.name(),
                    scores: scores(method, scoring)?,
                    weakest: outcomes.map(Outcome::weakest).collect(),
                });
            }
        }
        let accuracies = |method, scoring| -> Option<Vec<f64>> {
            let scores = scores(method, scoring)?.into_iter();
            Some(scores.map(|score| score.accuracy).collect())
        };
        let (method, scoring) = plan.chosen(cells)?;
        let ours = accuracies(method, scoring)?;
        let mut family = vec![];
        let mut baselines = vec![];
        for method in ALL.into_iter().filter(|method| !method.is_ours()) {
            let (scoring, _) = plan.best_scoring(cells, method)?;
            family.push((ours.clone(), accuracies(method, scoring)?));
            baselines.push((method, scoring));
        }
        let tests = baselines.into_iter().zip(compare(&family));
        Some(Set {
            data: data.name(),
            missing_rate: rate,
            rows,
            paired_tests: tests
                .map(|((method, scoring), test)| Against {
                    baseline: method.name(),
                    scoring: scoring.name(),
                    test,
                })
                .collect(),
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

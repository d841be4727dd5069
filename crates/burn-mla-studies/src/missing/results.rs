//! Results of the finished runs, for `report.json`.

use serde::Serialize;

use crate::comparison::{Comparison, compare};
use crate::missing::cell::{Budget, Cells, Group, Score};
use crate::missing::data::DataName;
use crate::missing::methods::Method;
use crate::missing::plan::Plan;
use crate::spread::Spread;

/// All results: `report.json`.
#[derive(Serialize)]
pub struct Results {
    pub device: &'static str,
    pub seeds: Vec<u64>,
    pub budget: Budget,
    pub masks: String,
    /// Time of all runs, including those of earlier calls.
    pub wall_s: f64,
    pub sets: Vec<Set>,
}

/// A data set.
#[derive(Serialize)]
pub struct Set {
    pub data: &'static str,
    pub modalities: Vec<&'static str>,
    pub search: Vec<Search>,
    pub protocols: Vec<Protocol>,
}

/// The search of a method.
#[derive(Serialize)]
pub struct Search {
    pub method: &'static str,
    pub trials: Vec<SearchedTrial>,
    pub winner: String,
}

#[derive(Serialize)]
pub struct SearchedTrial {
    pub trial: String,
    /// Mean over the groups of the search; none for the only trial.
    pub validation_accuracy: Option<f64>,
}

/// Where modalities are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Where {
    /// At the same rate in the training, validation and test part.
    Everywhere,
    /// In the test part only.
    InTest,
}

/// The table of a protocol.
#[derive(Serialize)]
pub struct Protocol {
    pub missing: Where,
    /// The row with the highest mean accuracy first.
    pub rows: Vec<Row>,
    pub paired_tests: Vec<PairedTests>,
}

/// A row of a table.
#[derive(Serialize)]
pub struct Row {
    pub method: &'static str,
    pub is_oracle: bool,
    #[serde(skip)]
    pub is_ours: bool,
    /// Mean test accuracy over the rates above 0 and the seeds.
    pub mean: f64,
    pub points: Vec<Point>,
}

/// The test scores at a missing rate, one per seed.
#[derive(Serialize)]
pub struct Point {
    pub rate: f64,
    pub scores: Vec<Score>,
}

/// A row against every baseline on the test accuracy at rates above 0, a pair per rate and seed.
#[derive(Serialize)]
pub struct PairedTests {
    pub row: &'static str,
    pub against: Vec<Against>,
}

#[derive(Serialize)]
pub struct Against {
    pub baseline: &'static str,
    #[serde(flatten)]
    pub test: Comparison,
}

impl Where {
    pub const ALL: [Self; 2] = [Self::Everywhere, Self::InTest];

    pub fn title(self) -> &'static str {
        match self {
            Self::Everywhere => "the same rate in training, validation and test",
            Self::InTest => "complete training, missing in test",
        }
    }
}

impl Point {
    pub fn accuracies(&self) -> Vec<f64> {
        self.scores.iter().map(|score| score.accuracy).collect()
    }
}

impl Row {
    /// The test accuracies at rates above 0, by rate and seed.
    fn paired(&self) -> Vec<f64> {
        let points = self.points.iter().filter(|point| point.rate > 0.0);
        points.flat_map(Point::accuracies).collect()
    }
}

/// Collects all results; `None` until every run is finished.
pub fn collect(plan: &Plan, cells: &Cells, methods: &[Method], masks: String) -> Option<Results> {
    let sets = plan.data.iter();
    let sets = sets.map(|&data| set(plan, cells, methods, data));
    Some(Results {
        device: "flex",
        seeds: (0..plan.seeds).collect(),
        budget: plan.budget,
        masks,
        wall_s: cells.all().iter().map(|cell| cell.outcome.seconds).sum(),
        sets: sets.collect::<Option<_>>()?,
    })
}

fn set(plan: &Plan, cells: &Cells, methods: &[Method], data: DataName) -> Option<Set> {
    let search = methods.iter().map(|&method| {
        let trials = plan.trials(method).into_iter();
        let trials = trials.map(|trial| SearchedTrial {
            trial: trial.describe(method),
            validation_accuracy: plan
                .validated(cells, data, method, trial)
                .filter(|accuracy| accuracy.is_finite()),
        });
        Some(Search {
            method: method.name(),
            trials: trials.collect(),
            winner: plan.winner(cells, data, method)?.describe(method),
        })
    });
    let protocols = Where::ALL.map(|missing| protocol(plan, cells, methods, data, missing));
    Some(Set {
        data: data.name(),
        modalities: data.modalities(),
        search: search.collect::<Option<_>>()?,
        protocols: protocols.into_iter().collect::<Option<_>>()?,
    })
}

fn protocol(
    plan: &Plan,
    cells: &Cells,
    methods: &[Method],
    data: DataName,
    missing: Where,
) -> Option<Protocol> {
    let rates = || [0.0].into_iter().chain(plan.rates.iter().copied());
    let mut rows = vec![];
    for &method in methods {
        let points = rates().map(|rate| {
            let scores = (0..plan.seeds).map(|seed| {
                let trained_at = match missing {
                    Where::Everywhere => rate,
                    Where::InTest => 0.0,
                };
                let group = Group {
                    data,
                    rate: trained_at,
                    seed,
                };
                cells
                    .get(&plan.run(cells, group, method)?)?
                    .outcome
                    .at(rate)
            });
            let scores = scores.collect::<Option<_>>()?;
            Some(Point { rate, scores })
        });
        let mut row = Row {
            method: method.name(),
            is_oracle: method.is_oracle(),
            is_ours: method.is_ours(),
            mean: f64::NAN,
            points: points.collect::<Option<_>>()?,
        };
        row.mean = Spread::from_scores(&row.paired())?.mean;
        rows.push(row);
    }
    let tests = rows.iter().filter(|row| row.is_ours);
    let paired_tests = tests.map(|row| tests_of(row, &rows)).collect();
    rows.sort_by(|a, b| b.mean.total_cmp(&a.mean));
    Some(Protocol {
        missing,
        rows,
        paired_tests,
    })
}

fn tests_of(ours: &Row, rows: &[Row]) -> PairedTests {
    let baselines: Vec<&Row> = rows.iter().filter(|row| !row.is_ours).collect();
    let family: Vec<(Vec<f64>, Vec<f64>)> = baselines
        .iter()
        .map(|baseline| (ours.paired(), baseline.paired()))
        .collect();
    let against = baselines.iter().zip(compare(&family));
    PairedTests {
        row: ours.method,
        against: against
            .map(|(baseline, test)| Against {
                baseline: baseline.method,
                test,
            })
            .collect(),
    }
}

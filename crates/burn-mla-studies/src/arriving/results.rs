//! Results of the finished runs, for `report.json`.

use std::ops::Range;

use serde::Serialize;

use crate::arriving::cell::{After, Cells, History};
use crate::arriving::plan::Plan;
use crate::arriving::scenario::Scenario;
use crate::arriving::ways::{ALL, DEFAULT, Way};
use crate::comparison::{Comparison, compare};

/// All results: `report.json`.
#[derive(Serialize)]
pub struct Results {
    pub device: &'static str,
    pub seeds: Vec<u64>,
    pub search_seeds: u64,
    pub epochs: usize,
    /// Time of all runs, including those of earlier calls.
    pub wall_s: f64,
    pub scenarios: Vec<Table>,
}

/// The table of a scenario.
#[derive(Serialize)]
pub struct Table {
    pub scenario: String,
    pub modalities: Vec<&'static str>,
    pub phases: Vec<Range<usize>>,
    pub rows: Vec<Row>,
    /// The default projector and the one chosen by validation against all ways without a projector.
    pub paired_tests: Vec<Against>,
}

/// A way with its best trial.
#[derive(Serialize)]
pub struct Row {
    pub way: &'static str,
    pub trial: String,
    /// Validation accuracy of all modalities fused, by which the trial was chosen.
    pub valid: f64,
    /// Test accuracies after each phase, one list per seed.
    pub runs: Vec<Vec<After>>,
}

/// A test of one of the columns of the table.
#[derive(Serialize)]
pub struct Against {
    pub measure: &'static str,
    pub projector: &'static str,
    pub other: &'static str,
    #[serde(flatten)]
    pub test: Comparison,
}

impl Row {
    /// A score of each seed.
    pub fn scores(&self, phases: &[Range<usize>], score: impl Fn(&History) -> f64) -> Vec<f64> {
        let histories = self.runs.iter().filter_map(|run| History::new(phases, run));
        histories.map(|history| score(&history)).collect()
    }
}

type Measure = (&'static str, fn(&History) -> f64);

/// The measures that are tested.
const MEASURES: [Measure; 3] = [
    ("all fused", |history| history.fused()),
    ("each old", |history| history.each_old()[1]),
    ("new", |history| history.new_ones()),
];

/// Collects all results; `None` until every run is finished.
pub fn collect(plan: &Plan, cells: &Cells) -> Option<Results> {
    let scenarios = plan.scenarios.iter();
    let tables = scenarios.map(|&scenario| table(plan, cells, scenario));
    Some(Results {
        device: "flex",
        seeds: (0..plan.seeds).collect(),
        search_seeds: plan.search_seeds,
        epochs: plan.epochs,
        wall_s: cells.all().iter().map(|cell| cell.outcome.seconds).sum(),
        scenarios: tables.collect::<Option<_>>()?,
    })
}

fn table(plan: &Plan, cells: &Cells, scenario: Scenario) -> Option<Table> {
    let phases = scenario.phases();
    let row = |way: Way| {
        let (trial, valid) = plan.winner(cells, scenario, way)?;
        let runs = plan.runs(cells, scenario, way)?.into_iter();
        let runs = runs.map(|key| Some(cells.get(&key)?.outcome.test.clone()));
        Some(Row {
            way: way.name(),
            trial: trial.describe(way),
            valid,
            runs: runs.collect::<Option<_>>()?,
        })
    };
    let rows: Vec<Row> = ALL.into_iter().map(row).collect::<Option<_>>()?;
    let chosen = plan.chosen(cells, scenario)?;
    let mut projectors = vec![chosen];
    if chosen != DEFAULT {
        projectors.push(DEFAULT);
    }
    Some(Table {
        scenario: scenario.name(),
        modalities: scenario.modalities().names(),
        paired_tests: paired_tests(&rows, &phases, &projectors),
        phases,
        rows,
    })
}

/// One family per measure.
fn paired_tests(rows: &[Row], phases: &[Range<usize>], projectors: &[Way]) -> Vec<Against> {
    let mut tests = vec![];
    for (measure, score) in MEASURES {
        let scores = |way: Way| {
            let row = rows.iter().find(|row| row.way == way.name());
            row.map_or(vec![], |row| row.scores(phases, score))
        };
        let others = || ALL.into_iter().filter(|way| !way.has_projector());
        let pairs = projectors.iter();
        let pairs: Vec<(Way, Way)> = pairs
            .flat_map(|&projector| others().map(move |other| (projector, other)))
            .collect();
        let family: Vec<_> = pairs
            .iter()
            .map(|&(projector, other)| (scores(projector), scores(other)))
            .collect();
        let against = pairs.into_iter().zip(compare(&family));
        tests.extend(against.map(|((projector, other), test)| Against {
            measure,
            projector: projector.name(),
            other: other.name(),
            test,
        }));
    }
    tests
}

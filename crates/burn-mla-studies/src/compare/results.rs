//! Results of the finished runs, for `report.json`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::compare::cell::{Cells, Key, Missing, Outcome, Row};
use crate::compare::fit::Budget;
use crate::compare::methods::{ALL, Method};
use crate::compare::plan::{
    MISSING_RATES, OTHER_MISSING_RATES, Plan, WITH_MISSING, WITH_OTHER_MISSING,
};
use crate::comparison::{Comparison, compare};
use crate::report::{self, Score, Scores};
use crate::spread::Spread;
use burn_mla_data::dataset::emoji::Modality;

/// All results: `report.json`.
#[derive(Serialize)]
pub struct Results {
    pub dataset: &'static str,
    pub device: &'static str,
    pub seeds: Vec<u64>,
    pub epochs: usize,
    /// Time of all runs, including those of earlier calls.
    pub wall_s: f64,
    pub budget: Budget,
    pub search: Vec<Search>,
    pub sets: Vec<Set>,
    pub missing: Vec<Curve>,
    pub other_missing: Vec<Curve>,
    pub modality_gap: BTreeMap<&'static str, f64>,
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
    /// Fused, mean over the seeds of the search.
    pub validation_accuracy: f64,
}

/// A set of modalities.
#[derive(Serialize)]
pub struct Set {
    pub modalities: Vec<&'static str>,
    pub methods: Vec<SetRow>,
    pub paired_tests: Vec<PairedTests>,
}

/// A row of the table.
#[derive(Serialize)]
pub struct SetRow {
    #[serde(flatten)]
    pub test: report::Method,
    pub valid: Scores,
    /// Test accuracy of the modality that is weakest in each seed.
    pub weakest: Vec<f64>,
    /// Mean negative log-likelihood of the fused test predictions of each seed, in nats.
    pub fused_loss: Vec<f64>,
    /// Mean contribution of each modality to the fused test accuracy.
    pub shapley: BTreeMap<String, f64>,
}

/// One row against all baselines on the fused test accuracy, paired by seed.
#[derive(Serialize)]
pub struct PairedTests {
    pub row: &'static str,
    pub what: &'static str,
    pub against: Vec<Against>,
}

#[derive(Serialize)]
pub struct Against {
    pub baseline: String,
    #[serde(flatten)]
    pub test: Comparison,
}

/// Accuracies of a method at several missing rates.
#[derive(Serialize)]
pub struct Curve {
    pub method: &'static str,
    /// `fused`, or the name of the modality.
    pub prediction: String,
    /// The rate, and the test accuracies of the seeds.
    pub points: Vec<(f64, Vec<f64>)>,
}

impl SetRow {
    pub fn name(&self) -> &str {
        &self.test.name
    }

    pub fn fused(&self) -> Vec<f64> {
        let runs = self.test.per_seed.iter();
        runs.map(|run| run.multi.accuracy).collect()
    }

    pub fn modality(&self, name: &str) -> Vec<f64> {
        let runs = self.test.per_seed.iter();
        runs.map(|run| run.modalities[name].accuracy).collect()
    }
}

/// Returns whether a row belongs to this work; all others are baselines.
pub fn is_ours(row: &str) -> bool {
    row.starts_with("MLA")
}

/// Returns whether a row is a joint fusion: one loss on one fused prediction, without a remedy for
/// laziness.
pub fn is_joint_fusion(row: &str) -> bool {
    matches!(row, "Sum" | "Concat" | "LateFusion" | "FiLM" | "BiGated")
}

/// Rows whose differences from the baselines are tested.
pub const TESTED: [&str; 2] = ["MLA", "MLA, crate's default"];

/// Collects all results; `None` until every run is finished.
pub fn collect(plan: &Plan, cells: &Cells, budget: &Budget) -> Option<Results> {
    let search = ALL.iter().map(|&method| search(plan, cells, method));
    let sets = plan.sets.iter().map(|set| set_results(plan, cells, set));
    Some(Results {
        dataset: "emoji",
        device: "flex",
        seeds: (0..plan.seeds).collect(),
        epochs: plan.epochs,
        wall_s: cells.all().iter().map(|cell| cell.outcome.seconds).sum(),
        budget: budget.clone(),
        search: search.collect::<Option<_>>()?,
        sets: sets.collect::<Option<_>>()?,
        missing: missing(plan, cells)?,
        other_missing: other_missing(plan, cells)?,
        modality_gap: first_runs(plan, cells, &WITH_GAP)?
            .into_iter()
            .map(|(name, outcome)| Some((name, outcome.gap.as_ref()?.distance)))
            .collect::<Option<_>>()?,
    })
}

fn search(plan: &Plan, cells: &Cells, method: Method) -> Option<Search> {
    let trials = method.trials().into_iter().map(|trial| {
        Some(SearchedTrial {
            trial: trial.describe(method),
            validation_accuracy: plan.validated(cells, method, trial)?,
        })
    });
    Some(Search {
        method: method.name(),
        trials: trials.collect::<Option<_>>()?,
        winner: plan.winner(cells, method)?.describe(method),
    })
}

/// Returns the outcomes of runs; `None` until all are finished.
pub fn outcomes<'a>(cells: &'a Cells, keys: &[Key]) -> Option<Vec<&'a Outcome>> {
    let outcome = |key| Some(&cells.get(key)?.outcome);
    keys.iter().map(outcome).collect()
}

fn set_results(plan: &Plan, cells: &Cells, set: &[Modality]) -> Option<Set> {
    let names: Vec<&'static str> = set.iter().map(|modality| modality.name()).collect();
    let mut rows = vec![];
    for method in ALL {
        let keys = plan.table(method, set, plan.winner(cells, method)?);
        let runs = outcomes(cells, &keys)?;
        for at in 0..method.rows().len() {
            let of_row: Vec<&Row> = runs.iter().map(|run| &run.rows[at]).collect();
            rows.push(set_row(&names, &of_row));
        }
    }
    let tests = TESTED.iter().flat_map(|&row| tests(&rows, row));
    Some(Set {
        modalities: names,
        paired_tests: tests.collect(),
        methods: rows,
    })
}

fn set_row(names: &[&str], runs: &[&Row]) -> SetRow {
    let scores = |split: &crate::compare::cell::SplitScores| {
        let score = |score: &crate::compare::cell::Score| Score {
            accuracy: score.accuracy,
            macro_f1: score.macro_f1,
        };
        let modalities = names.iter().zip(&split.modalities);
        Scores {
            modalities: modalities
                .map(|(name, found)| (name.to_string(), score(found)))
                .collect(),
            multi: score(&split.fused),
        }
    };
    let mean = |modality: usize| {
        let values = runs.iter().map(|run| run.shapley[modality]);
        values.sum::<f64>() / runs.len() as f64
    };
    let valid: Vec<Scores> = runs.iter().map(|run| scores(&run.valid)).collect();
    let test = runs.iter().map(|run| scores(&run.test)).collect();
    SetRow {
        test: report::Method::new(&runs[0].name, test),
        valid: Scores::mean(&valid),
        weakest: runs.iter().map(|run| run.test.weakest()).collect(),
        fused_loss: runs.iter().map(|run| run.test.fused_loss).collect(),
        shapley: names
            .iter()
            .enumerate()
            .map(|(modality, name)| (name.to_string(), mean(modality)))
            .collect(),
    }
}

fn tests(rows: &[SetRow], row: &'static str) -> Vec<PairedTests> {
    let Some(ours) = rows.iter().find(|found| found.name() == row) else {
        return vec![];
    };
    let test = |what, scores: &dyn Fn(&SetRow) -> Vec<f64>| {
        let baselines: Vec<&SetRow> = rows.iter().filter(|row| !is_ours(row.name())).collect();
        let family: Vec<(Vec<f64>, Vec<f64>)> = baselines
            .iter()
            .map(|baseline| (scores(ours), scores(baseline)))
            .collect();
        let compared = compare(&family);
        let against = baselines.iter().zip(compared);
        PairedTests {
            row,
            what,
            against: against
                .map(|(baseline, test)| Against {
                    baseline: baseline.name().to_string(),
                    test,
                })
                .collect(),
        }
    };
    vec![
        test("fused", &SetRow::fused),
        test("weakest modality", &|row| row.weakest.clone()),
    ]
}

/// Returns the accuracies of a row at missing rates. Those at rate 0 are from the runs of the table.
fn at_rates(
    plan: &Plan,
    cells: &Cells,
    method: Method,
    rates: &[f64],
    missing: impl Fn(f64) -> Missing,
    score: impl Fn(&Row) -> f64,
) -> Option<Vec<(f64, Vec<f64>)>> {
    let trial = plan.winner(cells, method)?;
    let zero = [(0.0, Missing::Nothing)];
    let rates = rates.iter().map(|&rate| (rate, missing(rate)));
    let points = zero.into_iter().chain(rates).map(|(rate, missing)| {
        let runs = outcomes(cells, &plan.missing(method, trial, missing))?;
        Some((rate, runs.iter().map(|run| score(&run.rows[0])).collect()))
    });
    points.collect()
}

fn missing(plan: &Plan, cells: &Cells) -> Option<Vec<Curve>> {
    let curve = |method: Method| {
        let missing = |rate| Missing::Each { rate };
        let fused = |row: &Row| row.test.fused.accuracy;
        Some(Curve {
            method: method.name(),
            prediction: "fused".to_string(),
            points: at_rates(plan, cells, method, &MISSING_RATES, missing, fused)?,
        })
    };
    WITH_MISSING.into_iter().map(curve).collect()
}

fn other_missing(plan: &Plan, cells: &Cells) -> Option<Vec<Curve>> {
    let set = &plan.sets[0];
    let mut curves = vec![];
    for (seen, modality) in set.iter().enumerate() {
        // The other modality of the pair is missing.
        let other = set.len() - 1 - seen;
        for method in WITH_OTHER_MISSING {
            let missing = |rate| Missing::InTraining {
                modality: other,
                rate,
            };
            let alone = |row: &Row| row.test.modalities[seen].accuracy;
            curves.push(Curve {
                method: method.name(),
                prediction: modality.name().to_string(),
                points: at_rates(plan, cells, method, &OTHER_MISSING_RATES, missing, alone)?,
            });
        }
    }
    Some(curves)
}

/// The methods whose modality gap is measured.
pub const WITH_GAP: [Method; 2] = [Method::Concat, Method::Mla];

/// Returns the run of the first seed on the first set for each method.
pub fn first_runs<'a>(
    plan: &Plan,
    cells: &'a Cells,
    methods: &[Method],
) -> Option<Vec<(&'static str, &'a Outcome)>> {
    let first = |&method: &Method| {
        let keys = plan.table(method, &plan.sets[0], plan.winner(cells, method)?);
        Some((method.name(), &cells.get(&keys[0])?.outcome))
    };
    methods.iter().map(first).collect()
}

impl Set {
    pub fn name(&self) -> String {
        self.modalities.join("+")
    }

    /// Returns the baseline with the highest mean fused accuracy.
    pub fn best_baseline(&self) -> Option<&SetRow> {
        let baselines = self.methods.iter().filter(|row| !is_ours(row.name()));
        baselines.max_by(|a, b| {
            let fused = |row: &SetRow| row.test.mean.multi.accuracy;
            fused(a).total_cmp(&fused(b))
        })
    }

    /// Returns the joint fusion with the best weakest modality.
    pub fn best_weakest_of_joint_fusion(&self) -> Option<(&SetRow, Spread)> {
        let rows = self
            .methods
            .iter()
            .filter(|row| is_joint_fusion(row.name()));
        let rows = rows.filter_map(|row| Some((row, Spread::from_scores(&row.weakest)?)));
        rows.max_by(|(_, a), (_, b)| a.mean.total_cmp(&b.mean))
    }
}

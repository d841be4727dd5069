//! The plan of the study, its selection, and a run of every method.

use burn::tensor::Device;

use crate::ahead::cell::{Cell, Cells, Key, Outcome, Row};
use crate::ahead::data::{self, DataName};
use crate::ahead::methods::ALL;
use crate::ahead::plan::Plan;
use crate::ahead::score::{Reading, Score, Scoring};
use crate::ahead::{results, run, tables};
use crate::sets::Sources;
use crate::sets::small::Small;

fn add(cells: &mut Cells, key: Key, accuracy: impl Fn(Reading) -> f64) {
    let score = |accuracy| Score {
        accuracy,
        loss: 1.0,
        calibration_error: 0.1,
    };
    let tested = !key.group.is_search();
    let rows = Reading::ALL.map(|reading| Row {
        reading,
        valid: score(accuracy(reading)),
        test: tested.then(|| score(accuracy(reading) - 0.1)),
    });
    let outcome = Outcome {
        rows: rows.to_vec(),
        modalities: if tested {
            vec![vec![0.5, 0.4], vec![0.5, 0.3]]
        } else {
            vec![]
        },
        seconds: 1.0,
    };
    cells.add(Cell { key, outcome }).unwrap();
}

#[test]
fn every_method_has_the_same_number_of_trials() {
    let mut names = vec![];
    for method in ALL {
        let trials = method.trials();
        assert_eq!(trials.len(), 4, "{}", method.name());
        for (at, trial) in trials.iter().enumerate() {
            assert!(!trials[..at].contains(trial), "{}", method.name());
        }
        assert!(!names.contains(&method.name()));
        names.push(method.name());
    }
    let plan = Plan::new(DataName::CONFIRM.to_vec(), 8, 2, 10);
    assert_eq!(plan.search().len(), 2 * 2 * 4 * ALL.len());
    assert_eq!(plan.confirm.len(), 7 + 3);
}

/// Trials and readings are chosen on the sets of the search, and the tables have the best of the later baselines
/// and the best variant of MLA.
#[test]
fn the_best_variant_on_validation_is_tested_against_each_baseline() {
    let folder = tempfile::tempdir().unwrap();
    let mut cells = Cells::open(folder.path().join("cells.jsonl")).unwrap();
    let plan = Plan::new(
        vec![DataName::NotoLabelDe, DataName::FluentLabelTags],
        3,
        1,
        10,
    );
    let accuracy = |key: &Key, reading: Reading| {
        let method = ALL.iter().position(|&method| method == key.method).unwrap();
        let trials = plan.trials(key.method);
        let trial = trials.iter().position(|&trial| trial == key.trial).unwrap();
        // The second trial is the best one, and stacked averages the best reading of even methods.
        let stacked = reading.averaged && reading.scoring == Scoring::Stacked && method % 2 == 0;
        let noise = 0.003 * ((key.group.seed * 7 + method as u64) % 5) as f64;
        0.5 + 0.01 * method as f64
            + 0.05 * f64::from(u8::from(trial == 1))
            + 0.02 * f64::from(u8::from(stacked))
            + noise
    };
    assert!(results::search(&plan, &cells).is_none() && plan.tables(&cells).is_none());
    for key in plan.search() {
        add(&mut cells, key, |reading| accuracy(&key, reading));
    }
    let search = results::search(&plan, &cells).unwrap();
    assert_eq!(search.rows.len(), ALL.len());
    let best: Vec<&str> = search.rows.iter().map(|row| row.best.as_str()).collect();
    assert_eq!(best[..2], ["stacked, averaged", "as trained"]);
    // Of the last two of 20 methods, the even one has 0.68 + 0.02, the other one 0.69, and noise is at most 0.012.
    let chosen = ALL[ALL.len() - 2];
    assert_eq!(plan.chosen(&cells), Some(chosen));
    let confirmed = plan.confirmed(&cells).unwrap();
    let later = confirmed[3];
    assert!(later.is_later() && confirmed.len() == 7 && confirmed[6] == chosen);
    let keys = plan.tables(&cells).unwrap();
    assert_eq!(keys.len(), 3 * 3 * confirmed.len());
    assert!(
        keys.iter()
            .all(|key| key.trial == plan.trials(key.method)[1])
    );
    assert!(results::collect(&plan, &cells).is_none());
    for key in keys {
        add(&mut cells, key, |reading| accuracy(&key, reading));
    }
    let results = results::collect(&plan, &cells).unwrap();
    assert_eq!(results.search.chosen.1, "stacked, averaged");
    for set in &results.sets {
        assert_eq!(set.rows.len(), confirmed.len() * Reading::ALL.len());
        assert_eq!(set.paired_tests.len(), 4);
        assert_eq!(set.rows[0].weakest, [0.4; 3]);
        assert_eq!(set.rows[9].weakest, [0.3; 3]);
    }
    let text = tables::markdown(&results);
    assert!(
        text.contains("## fluent+label+tags, 30 % missing"),
        "{text}"
    );
    assert!(
        text.contains("| QMF | stacked, averaged (chosen) |"),
        "{text}"
    );
}

/// The search scores no test part.
#[test]
fn every_method_trains_and_is_scored_on_validation() {
    let (plan, set) = (Plan::quick(), Small::new(2, None));
    let keys = plan.search();
    assert_eq!(keys.len(), ALL.len());
    for key in keys {
        let outcome = run::outcome(&set, &key, &Device::flex()).unwrap();
        assert_eq!(outcome.rows.len(), Reading::ALL.len());
        assert!(outcome.modalities.is_empty());
        for row in &outcome.rows {
            assert!(row.valid.loss.is_finite() && row.test.is_none(), "{key}");
        }
    }
}

/// A run of the tables with missing modalities, on the smallest encoders.
#[test]
fn a_run_of_the_tables_is_scored_on_the_test_part() {
    let plan = Plan::quick();
    let sources = Sources::open(plan.all_modalities(), data::sizes(), None).unwrap();
    let mut key = *plan.search().last().unwrap();
    key.group.rate = 0.3;
    key.group.seed = 0;
    let outcome = data::outcome(&sources, &key, &Device::flex()).unwrap();
    assert_eq!(outcome.rows.len(), Reading::ALL.len());
    assert!(outcome.modalities.iter().all(|each| each.len() == 3));
    assert_eq!(outcome.modalities.len(), 2);
    for row in &outcome.rows {
        let scores = [row.valid, row.test.unwrap()];
        assert!(scores.iter().all(|score| score.loss.is_finite()));
    }
}

//! The runs of the comparison, and their file.

use crate::compare::cell::{Cell, Cells, Key, Missing, Outcome, Row, Score, SplitScores};
use crate::compare::methods::{ALL, Method, Trial};
use crate::compare::plan::Plan;

fn outcome(fused: f64) -> Outcome {
    let score = |accuracy| Score {
        accuracy,
        macro_f1: accuracy,
    };
    let scores = SplitScores {
        modalities: vec![score(0.5), score(0.25)],
        fused: score(fused),
        fused_loss: 1.0,
    };
    Outcome {
        curves: vec![vec![0.5, 0.25, fused]],
        rows: vec![Row {
            name: "a row".to_string(),
            valid: scores.clone(),
            test: scores,
            shapley: vec![0.1, 0.2],
        }],
        gap: None,
        seconds: 1.5,
    }
}

fn add(cells: &mut Cells, key: &Key, fused: f64) {
    let cell = Cell {
        key: key.clone(),
        outcome: outcome(fused),
    };
    cells.add(cell).unwrap();
}

#[test]
fn every_method_has_the_same_number_of_trials_and_none_twice() {
    let plan = Plan::new(5, 10);
    let search = plan.search();
    for method in ALL {
        let of_method = search.iter().filter(|key| key.method == method).count();
        assert_eq!(of_method, 4 * plan.search_seeds as usize, "{method}");
    }
    let later = plan.after_search(|method| method.trials()[0]);
    let all: Vec<String> = search.iter().chain(&later).map(Key::file_name).collect();
    let mut distinct = all.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), all.len());
    // The search and the table have no seed in common.
    let seeds = |keys: &[Key]| keys.iter().map(|key| key.seed).max().unwrap();
    assert!(seeds(&later) < search.iter().map(|key| key.seed).min().unwrap());
}

#[test]
fn the_winner_is_the_first_of_the_best_on_validation_and_waits_for_all_runs() {
    let folder = tempfile::tempdir().unwrap();
    let mut cells = Cells::open(folder.path().join("cells.jsonl")).unwrap();
    let plan = Plan::new(2, 3);
    let accuracies = [[0.6, 0.7], [0.7, 0.8], [0.8, 0.7], [0.2, 0.9]];
    let mut keys = vec![];
    for (trial, accuracies) in Method::Qmf.trials().into_iter().zip(accuracies) {
        let runs = plan.trial(Method::Qmf, trial);
        assert_eq!(runs.len(), accuracies.len());
        keys.extend(runs.into_iter().zip(accuracies));
    }
    for (key, accuracy) in &keys {
        assert_eq!(plan.winner(&cells, Method::Qmf), None);
        add(&mut cells, key, *accuracy);
    }
    let second: Trial = Method::Qmf.trials()[1];
    assert_eq!(plan.winner(&cells, Method::Qmf), Some(second));
    assert_eq!(plan.winner(&cells, Method::Sum), None);
}

/// A line in the format of the comparison of `docs/results.md`, whose runs must be found.
const LINE: &str = concat!(
    r#"{"key":{"method":"qmf","modalities":["fluent","label"],"#,
    r#""trial":{"learning_rate":0.004,"own":0.1},"missing":{"each":{"rate":0.3}},"#,
    r#""seed":2,"epochs":10},"outcome":{"curves":[[0.5,0.25,0.75]],"rows":[{"name":"a row","#,
    r#""valid":{"modalities":[{"accuracy":0.5,"macro_f1":0.5},{"accuracy":0.25,"macro_f1":0.25}],"#,
    r#""fused":{"accuracy":0.75,"macro_f1":0.75},"fused_loss":1.0},"#,
    r#""test":{"modalities":[{"accuracy":0.5,"macro_f1":0.5},{"accuracy":0.25,"macro_f1":0.25}],"#,
    r#""fused":{"accuracy":0.75,"macro_f1":0.75},"fused_loss":1.0},"#,
    r#""shapley":[0.1,0.2]}],"gap":null,"seconds":1.5}}"#,
    "\n"
);

#[test]
fn the_runs_of_an_earlier_comparison_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cells.jsonl");
    std::fs::write(&path, LINE).unwrap();
    let mut cells = Cells::open(path.clone()).unwrap();
    let missing = Missing::Each { rate: 0.3 };
    let own = Some(0.1);
    let mut trials = Method::Qmf.trials().into_iter();
    let trial = trials.find(|trial| trial.learning_rate == 0.004 && trial.own == own);
    let keys = Plan::new(5, 10).missing(Method::Qmf, trial.unwrap(), missing);
    let found = cells.get(&keys[2]).unwrap();
    assert_eq!(found.outcome.rows[0].test.fused.accuracy, 0.75);
    for other in [0, 1] {
        assert!(cells.get(&keys[other]).is_none());
    }
    let whole = Key {
        missing: Missing::Nothing,
        ..keys[2].clone()
    };
    assert!(cells.get(&whole).is_none());

    add(&mut cells, &keys[0], 0.75);
    let added = LINE.replace("\"seed\":2", "\"seed\":0");
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, [LINE, &added].concat());
}

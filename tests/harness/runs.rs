//! What the comparison runs, and what it remembers.

use crate::cells::{Cell, Cells, Key, Missing, Outcome, Row, Score, SplitScores};
use crate::methods::{ALL, Method, Trial};
use crate::plan::Plan;

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

#[test]
fn runs_are_remembered_and_a_torn_line_is_done_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cells.jsonl");
    let mut cells = Cells::open(path.clone()).unwrap();
    let keys = Plan::quick().search();
    add(&mut cells, &keys[0], 0.5);
    add(&mut cells, &keys[1], 0.75);
    let whole = std::fs::read_to_string(&path).unwrap();

    std::fs::write(&path, &whole[..whole.len() - 20]).unwrap();
    let mut cells = Cells::open(path.clone()).unwrap();
    assert!(cells.get(&keys[0]).is_some() && cells.get(&keys[1]).is_none());
    add(&mut cells, &keys[1], 0.75);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), whole);
    let again = Cells::open(path.clone()).unwrap();
    assert_eq!(again.all().len(), 2);
    let other = Key {
        missing: Missing::Each { rate: 0.5 },
        ..keys[0].clone()
    };
    assert!(again.get(&other).is_none());

    std::fs::write(&path, whole.replacen("\"seed\"", "\"sead\"", 1)).unwrap();
    let error = Cells::open(path).map(|_| ()).unwrap_err();
    assert!(error.contains("cells.jsonl:1"), "{error}");
}

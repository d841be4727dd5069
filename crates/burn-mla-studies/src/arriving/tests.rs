//! The plan of the study, its selection, its tables and its figure, and a run of every way.

use burn::tensor::Device;

use crate::arriving::cell::{After, Cell, Cells, History, Key, Outcome};
use crate::arriving::plan::Plan;
use crate::arriving::scenario::Scenario;
use crate::arriving::ways::{ALL, Way};
use crate::arriving::{figure, results, run, scenario, tables};
use crate::sets::Sources;
use crate::sets::small::Small;

fn after(modalities: &[f64], fused: f64, old: Option<f64>) -> After {
    After {
        modalities: modalities.to_vec(),
        fused,
        old,
    }
}

#[test]
fn a_history_tells_what_was_lost() {
    let all = [
        after(&[0.75], 0.75, None),
        after(&[0.5, 1.0], 0.8, Some(0.5)),
        after(&[0.25, 0.5, 0.625], 0.9, Some(0.4)),
    ];
    let phases = [0..1, 1..2, 2..3];
    let history = History::new(&phases, &all).unwrap();
    assert_eq!(history.modality(0), [0.75, 0.25]);
    assert_eq!(history.modality(1), [1.0, 0.5]);
    assert_eq!(history.each_old(), [0.875, 0.375]);
    assert_eq!(history.fused_old(), [0.8, 0.4]);
    assert_eq!(history.new_ones(), 0.8125);
    assert_eq!(history.fused(), 0.9);
    assert!(History::new(&phases, &all[..2]).is_none());
}

#[test]
fn every_way_has_its_name_and_three_trials() {
    let mut names = vec![];
    for way in ALL {
        let trials = way.trials();
        for (at, trial) in trials.iter().enumerate() {
            assert!(!trials[..at].contains(trial), "{}", way.name());
        }
        assert!(!names.contains(&way.name()));
        names.push(way.name());
    }
    assert_eq!(Scenario::Tags.name(), "fluent+label, then tags");
    assert_eq!(
        Scenario::EmojiInTurn.name(),
        "fluent, then label, then tags"
    );
    assert_eq!(Scenario::ViewsInTurn.phases().len(), 6);
}

/// Scores that a way and a trial determine, with a little noise by seed.
fn made_up(plan: &Plan, key: &Key) -> Outcome {
    let way = ALL.iter().position(|&way| way == key.way).unwrap();
    let trial = way_trials(key.way).position(|trial| trial == key.trial);
    // The second trial is the best one, and of the projectors the last.
    let best = f64::from(u8::from(trial == Some(1)));
    let noise = 0.003 * ((key.seed * 7 + way as u64) % 5) as f64;
    let score = 0.5 + 0.01 * way as f64 + 0.05 * best + noise;
    let phases = [
        after(&[score, 0.6], 0.7, None),
        after(&[score - 0.1, 0.6, 0.8], score, Some(0.65)),
    ];
    let is_tested = !key.is_search();
    assert_eq!(key.epochs, plan.epochs);
    Outcome {
        valid: phases.to_vec(),
        test: phases.iter().filter(|_| is_tested).cloned().collect(),
        seconds: 1.0,
    }
}

fn way_trials(way: Way) -> impl Iterator<Item = crate::arriving::ways::Trial> {
    way.trials().into_iter()
}

#[test]
fn the_best_trials_on_validation_are_tabulated_and_tested() {
    let folder = tempfile::tempdir().unwrap();
    let mut cells = Cells::open(folder.path().join("cells.jsonl")).unwrap();
    let plan = Plan {
        scenarios: vec![Scenario::Tags, Scenario::LabelDe],
        seeds: 3,
        search_seeds: 2,
        epochs: 10,
        n_trials: 3,
        learning_rate: None,
    };
    let add = |cells: &mut Cells, key: Key| {
        let outcome = made_up(&plan, &key);
        cells.add(Cell { key, outcome }).unwrap();
    };
    assert!(plan.tables(&cells).is_none());
    let search = plan.search();
    assert_eq!(search.len(), 2 * 2 * 3 * ALL.len());
    search.into_iter().for_each(|key| add(&mut cells, key));
    let keys = plan.tables(&cells).unwrap();
    assert_eq!(keys.len(), 2 * 3 * ALL.len());
    assert!(results::collect(&plan, &cells).is_none());
    keys.into_iter().for_each(|key| add(&mut cells, key));

    let results = results::collect(&plan, &cells).unwrap();
    for table in &results.scenarios {
        assert_eq!(table.rows.len(), ALL.len());
        assert!(table.rows[0].trial.contains("0.004"), "the second trial");
        // The chosen projector and the default, against four ways, on three measures.
        assert_eq!(table.paired_tests.len(), 2 * 4 * 3);
        assert_eq!(table.paired_tests[0].projector, "subspace, update");
    }
    let text = tables::markdown(&results);
    assert!(text.contains("## fluent+label, then tags"), "{text}");
    assert!(text.contains("| 60.0 → 60.0 | 80.0 |"), "{text}");
    assert!(
        text.contains("| all fused | leaky, gradient | fine-tuning |"),
        "{text}"
    );
    let path = folder.path().join("arriving.png");
    figure::draw(&path, &results).unwrap();
    assert!(image::open(path).unwrap().width() > 900);
}

#[test]
fn ways_can_be_compared_at_one_learning_rate() {
    let plan = Plan {
        n_trials: 3,
        learning_rate: Some(8e-3),
        ..Plan::quick()
    };
    let search = plan.search();
    assert_eq!(search.len(), ALL.len());
    assert!(search.iter().all(|key| key.trial.learning_rate == 8e-3));
    assert_eq!(super::rate("0.008"), Ok(8e-3));
    for (text, reason) in [
        ("0.002", "replay of 5 % has no trial with it"),
        ("NaN", "fine-tuning has no trial with it"),
        ("high", "invalid float literal"),
    ] {
        assert_eq!(super::rate(text), Err(reason.to_string()));
    }
}

/// Heads that do not change and heads that are not shared forget nothing.
#[test]
fn every_way_learns_and_only_some_forget() {
    let plan = Plan::quick();
    for way in ALL {
        let trial = way.trials()[0];
        let key = Key {
            epochs: 4,
            ..plan.key(Scenario::Thumbnails, 0, way, trial)
        };
        let make = |presence| Ok(Small::new(3, presence));
        let phases = key.scenario.phases();
        let outcome = run::outcome(make, &phases, &key, &Device::flex()).unwrap();
        let [before, after] = [&outcome.test[0], &outcome.test[1]];
        assert_eq!((before.modalities.len(), after.modalities.len()), (2, 3));
        assert_eq!(outcome.valid.len(), 2);
        if matches!(way, Way::FrozenHead | Way::OwnHeads) {
            assert_eq!(after.modalities[..2], before.modalities, "{}", way.name());
            assert_eq!(after.old, Some(before.fused), "{}", way.name());
        }
    }
}

/// A run of the search on the smallest encoders, which does not score the test part.
#[test]
fn the_search_scores_no_test_part() {
    let plan = Plan::quick();
    let modalities = Scenario::Thumbnails.modalities();
    let sources = Sources::open([modalities], crate::small_emoji::sizes(), None).unwrap();
    let key = plan.search()[0];
    let outcome = scenario::outcome(&sources, &key, &Device::flex()).unwrap();
    assert!(outcome.test.is_empty());
    let phases = Scenario::Thumbnails.phases();
    let history = History::new(&phases, &outcome.valid).unwrap();
    assert!(history.fused() > 0.0 && history.new_ones() > 0.0);
}

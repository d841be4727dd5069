//! The plan of the study, its masks, and a run of every method.

use burn::tensor::{Device, Tensor, TensorData};
use burn_mla::dataset::InMemory;
use burn_mla::modality::{MissingProtocol, ModalityInput};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::missing::cell::{Budget, Cell, Cells, Group, Key, Outcome, Score};
use crate::missing::data::DataName;
use crate::missing::frozen::{Data, Frozen};
use crate::missing::masks::Masks;
use crate::missing::methods::{ALL, Method, Target};
use crate::missing::plan::Plan;
use crate::missing::run::Run;
use crate::missing::{results, tables};

const BUDGET: Budget = Budget {
    epochs: 20,
    patience: 5,
};

fn plan() -> Plan {
    Plan::new(vec![DataName::Emoji, DataName::Mfeat], 2, BUDGET)
}

fn score(accuracy: f64) -> Score {
    Score {
        accuracy,
        macro_f1: accuracy,
        loss: 1.0,
    }
}

fn add(cells: &mut Cells, key: Key, valid: f64, tests: &[(f64, f64)]) {
    let tests = tests.iter();
    let outcome = Outcome {
        valid: score(valid),
        tests: tests.map(|&(rate, test)| (rate, score(test))).collect(),
        epoch: 3,
        seconds: 1.5,
    };
    cells.add(Cell { key, outcome }).unwrap();
}

#[test]
fn every_method_has_the_same_number_of_trials_and_the_search_its_own_seed() {
    let plan = plan();
    for method in ALL {
        let trials = plan.trials(method);
        assert_eq!(trials.len(), 4, "{method}");
        for (at, trial) in trials.iter().enumerate() {
            assert!(!trials[..at].contains(trial), "{method}");
        }
    }
    let names: Vec<&str> = ALL.iter().map(|method| method.name()).collect();
    assert_eq!(crate::distinct::distinct(names.iter().copied()), names);
    let groups = plan.groups();
    assert_eq!(groups.len(), 2 * 2 * 8);
    let search = plan.search_groups();
    assert!(
        search
            .iter()
            .all(|found| groups.iter().all(|group| group.seed < found.seed))
    );
}

#[test]
fn a_trial_is_chosen_for_each_data_set_on_its_validation_parts() {
    let folder = tempfile::tempdir().unwrap();
    let mut cells = Cells::open(folder.path().join("cells.jsonl")).unwrap();
    let plan = plan();
    let (data, method) = (DataName::Mfeat, Method::Qmf);
    let accuracies = [[0.6, 0.7], [0.7, 0.8], [0.8, 0.7], [0.2, 0.9]];
    let groups = plan
        .search_groups()
        .into_iter()
        .filter(|group| group.data == data);
    for (at, group) in groups.enumerate() {
        assert_eq!(plan.winner(&cells, data, method), None);
        for (key, accuracies) in plan.search(group, &[method]).into_iter().zip(accuracies) {
            add(&mut cells, key, accuracies[at], &[]);
        }
    }
    let second = plan.trials(method)[1];
    assert_eq!(plan.winner(&cells, data, method), Some(second));
    assert_eq!(plan.winner(&cells, DataName::Emoji, method), None);
    let only = Plan::quick();
    assert_eq!(
        only.winner(&cells, DataName::Emoji, method),
        Some(plan.trials(method)[0])
    );
}

#[test]
fn tables_have_both_protocols_ordered_by_accuracy() {
    let folder = tempfile::tempdir().unwrap();
    let mut cells = Cells::open(folder.path().join("cells.jsonl")).unwrap();
    let plan = Plan {
        seeds: 2,
        ..Plan::quick()
    };
    for group in plan.groups() {
        for (at, &method) in ALL.iter().enumerate() {
            assert!(results::collect(&plan, &cells, &ALL, String::new()).is_none());
            let key = plan.run(&cells, group, method).unwrap();
            let noise = 0.002 * group.seed as f64 * (at % 3) as f64;
            let accuracy = 0.5 + 0.01 * at as f64 + noise;
            let at_half = accuracy - 0.2 - 0.1 * f64::from(group.rate == 0.0);
            let tests = if group.rate == 0.0 {
                vec![(0.0, accuracy), (0.5, at_half)]
            } else {
                vec![(0.5, at_half)]
            };
            add(&mut cells, key, 0.5, &tests);
        }
    }
    let results = results::collect(&plan, &cells, &ALL, "CpmNets".to_string()).unwrap();
    let [everywhere, in_test] = &results.sets[0].protocols[..] else {
        panic!("two protocols")
    };
    assert_eq!(everywhere.rows[0].method, "MLA, crate's default");
    assert_eq!(everywhere.rows.len(), ALL.len());
    let gap = everywhere.rows[0].mean - in_test.rows[0].mean;
    assert!((gap - 0.1).abs() < 1e-12);
    let n_ours = ALL.iter().filter(|method| method.is_ours()).count();
    assert_eq!(everywhere.paired_tests.len(), n_ours);
    assert_eq!(everywhere.paired_tests[0].against.len(), ALL.len() - n_ours);

    let text = tables::markdown(&results);
    assert!(text.contains("| TATE (Oracle) |"), "{text}");
    assert!(
        text.contains("### emoji-vectors, complete training, missing in test"),
        "{text}"
    );
    let mut csv = vec![];
    tables::csv(&results, &mut csv).unwrap();
    let lines = String::from_utf8(csv).unwrap().lines().count();
    assert_eq!(lines, 1 + 2 * 2 * ALL.len());
    crate::missing::figures::draw(folder.path(), &results).unwrap();
    assert!(folder.path().join("missing-emoji-vectors.png").exists());
}

#[test]
fn masks_come_from_one_file_and_other_ones_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let group = Group {
        data: DataName::Emoji,
        rate: 0.3,
        seed: 1,
    };
    let open =
        |protocol, sizes| Masks::open(folder.path(), &group, protocol, &["a", "b", "c"], sizes);
    let first = open(MissingProtocol::CpmNets, [30, 10, 20]).unwrap();
    let again = open(MissingProtocol::CpmNets, [30, 10, 20]).unwrap();
    assert_eq!(first.train, again.train);
    assert_ne!(first.train.missing_share(0), 0.0);
    let error = |result: Result<Masks, Box<dyn std::error::Error>>| {
        result.err().expect("an error").to_string()
    };
    let other = error(open(MissingProtocol::Independent, [30, 10, 20]));
    assert!(other.contains("emoji-0.3-1.json: the masks are"), "{other}");
    assert!(error(open(MissingProtocol::CpmNets, [31, 10, 20])).contains("31"));
}

const WIDTHS: [usize; 3] = [8, 6, 10];
const N_CLASSES: usize = 4;

/// Views in which the class shows, of unequal width.
fn part(n: usize, seed: u64) -> Data {
    let mut random = StdRng::seed_from_u64(seed);
    let labels: Vec<usize> = (0..n).map(|i| i % N_CLASSES).collect();
    let inputs = WIDTHS.map(|width| {
        let values = labels.iter().flat_map(|&label| {
            let value = |j: usize| f32::from(u8::from(j % N_CLASSES == label)) * 2.0;
            (0..width).map(value).collect::<Vec<f32>>()
        });
        let noisy = values.map(|value| value + random.random_range(-1.0..1.0));
        let data = TensorData::new(noisy.collect::<Vec<f32>>(), [n, width]);
        Some(ModalityInput::all(Tensor::from_data(data, &Device::flex())))
    });
    InMemory::new(inputs.to_vec(), labels).unwrap()
}

#[test]
fn every_method_trains_and_an_oracle_repeats_itself() {
    let folder = tempfile::tempdir().unwrap();
    let sizes = [64, 20, 24];
    let group = Group {
        data: DataName::Emoji,
        rate: 0.4,
        seed: 2,
    };
    let names = ["a", "b", "c"];
    let masks = Masks::open(
        folder.path(),
        &group,
        MissingProtocol::CpmNets,
        &names,
        sizes,
    );
    let masks = masks.unwrap();
    let tests = [(0.4, masks.test.clone())];
    let parts = [part(sizes[0], 0), part(sizes[1], 1), part(sizes[2], 2)];
    let frozen = Frozen::new(WIDTHS.to_vec(), N_CLASSES, parts, masks);
    for method in ALL {
        let key = Key {
            group,
            method,
            trial: method.trials()[0],
            budget: Budget {
                epochs: 2,
                patience: 2,
            },
        };
        let run = Run {
            key: &key,
            frozen: &frozen,
            tests: &tests,
            device: &Device::flex(),
        };
        let outcome = run.outcome().unwrap();
        let score = outcome.at(0.4).unwrap();
        assert!(score.loss.is_finite(), "{method}");
        assert!((1..=2).contains(&outcome.epoch), "{method}");
        if method == Method::Tate(Target::Oracle) {
            assert_eq!(run.outcome().unwrap().tests, outcome.tests, "{method}");
        }
    }
}

//! The alternating loader: whose turn it is, when an epoch ends, what is skipped.

use std::sync::Arc;

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
use burn::data::dataset::InMemDataset;
use burn::tensor::{Device, Tensor};
use burn_mla::baseline::{ConcatConfig, JointConfig};
use burn_mla::loader::{Blocks, EpochLength, FixedOrder};
use burn_mla::method::MultimodalMethod;
use burn_mla::modality::UnimodalBatch;
use burn_mla::modality::{ModalityInputs, OneOf2};
use burn_mla::prelude::*;
use proptest::prelude::{ProptestConfig, prop_assert, prop_assert_eq, proptest};
use proptest::{collection, sample, strategy::Strategy};

use crate::common::{D_A, D_B, D_FEATURE, MlpInputs, MlpTurn, N_CLASSES, devices, mlps};

/// An item's label, and whether it has modality 0 and 1.
type Item = (usize, bool, bool);

#[derive(Clone)]
struct PairBatcher;

impl Batcher<Item, MultimodalBatch<MlpInputs>> for PairBatcher {
    fn batch(&self, items: Vec<Item>, device: &Device) -> MultimodalBatch<MlpInputs> {
        let rows = |has: fn(&Item) -> bool| -> Vec<usize> {
            items
                .iter()
                .enumerate()
                .filter(|(_, item)| has(item))
                .map(|(i, _)| i)
                .collect()
        };
        let (a, b) = (rows(|item| item.1), rows(|item| item.2));
        let inputs = (
            ModalityInput::rows(Tensor::zeros([a.len(), D_A], device), a),
            ModalityInput::rows(Tensor::zeros([b.len(), D_B], device), b),
        );
        let labels: Vec<usize> = items.iter().map(|item| item.0).collect();
        MultimodalBatch::new(inputs, Targets::new(labels, device))
    }
}

#[derive(Clone)]
struct UnimodalBatcher(usize);

impl Batcher<usize, UnimodalBatch<Tensor<2>>> for UnimodalBatcher {
    fn batch(&self, labels: Vec<usize>, device: &Device) -> UnimodalBatch<Tensor<2>> {
        let input = Tensor::zeros([labels.len(), self.0], device);
        UnimodalBatch::new(input, Targets::new(labels, device))
    }
}

fn paired(items: Vec<Item>) -> Arc<dyn DataLoader<MultimodalBatch<MlpInputs>>> {
    DataLoaderBuilder::new(PairBatcher)
        .batch_size(2)
        .set_device(Device::flex())
        .build(InMemDataset::new(items))
}

fn complete(n: usize) -> Arc<dyn DataLoader<MultimodalBatch<MlpInputs>>> {
    paired((0..n).map(|i| (i, true, true)).collect())
}

fn single(n: usize, width: usize) -> Arc<dyn DataLoader<UnimodalBatch<Tensor<2>>>> {
    DataLoaderBuilder::new(UnimodalBatcher(width))
        .batch_size(2)
        .set_device(Device::flex())
        .build(InMemDataset::new((0..n).collect()))
}

/// Modality and labels of each turn of an epoch.
fn epoch(loader: &dyn DataLoader<MlpTurn>) -> Vec<(usize, Vec<i64>)> {
    let turns = loader.iter().map(|turn| {
        let turn = turn.unwrap();
        (
            MlpInputs::modality(&turn.input),
            turn.targets.labels().to_vec(),
        )
    });
    turns.collect()
}

#[test]
fn every_batch_serves_every_modality_once() {
    let loader = AlternatingLoader::paired(complete(5), 2, RoundRobin).unwrap();
    let expected = [
        (0, vec![0, 1]),
        (1, vec![0, 1]),
        (0, vec![2, 3]),
        (1, vec![2, 3]),
        (0, vec![4]),
        (1, vec![4]),
    ];
    assert_eq!(epoch(&loader), expected);
    assert_eq!(epoch(&loader), expected, "the second epoch is as the first");
    assert_eq!((loader.step(), loader.skipped()), (12, 0));
}

#[test]
fn blocks_see_every_batch_of_every_modality() {
    let loader = AlternatingLoader::paired(complete(8), 2, Blocks::new(2).unwrap()).unwrap();
    let turns = epoch(&loader);
    let modalities: Vec<usize> = turns.iter().map(|turn| turn.0).collect();
    assert_eq!(modalities, [0, 0, 1, 1, 0, 0, 1, 1]);
    for modality in 0..2 {
        let labels: Vec<i64> = turns
            .iter()
            .filter(|turn| turn.0 == modality)
            .flat_map(|turn| turn.1.clone())
            .collect();
        assert_eq!(labels, [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}

#[test]
fn the_step_counts_on_over_epochs() {
    let order = FixedOrder::new(vec![0, 0, 1], 2).unwrap();
    let loader = AlternatingLoader::paired(complete(2), 2, order)
        .unwrap()
        .with_epoch(EpochLength::Turns(2));
    let modalities = |turns: Vec<(usize, Vec<i64>)>| -> Vec<usize> {
        turns.into_iter().map(|turn| turn.0).collect()
    };
    assert_eq!(modalities(epoch(&loader)), [0, 0]);
    assert_eq!(modalities(epoch(&loader)), [1, 0]);
    assert_eq!(modalities(epoch(&loader)), [0, 1]);
}

#[test]
fn unpaired_data_wraps_around_or_stops() {
    let unpaired = |epoch| {
        AlternatingLoader::unpaired((single(2, D_A), single(6, D_B)), RoundRobin)
            .unwrap()
            .with_epoch(epoch)
    };
    let longest = epoch(&unpaired(EpochLength::Longest));
    let of = |turns: &[(usize, Vec<i64>)], m: usize| -> Vec<i64> {
        turns
            .iter()
            .filter(|turn| turn.0 == m)
            .flat_map(|turn| turn.1.clone())
            .collect()
    };
    assert_eq!(of(&longest, 1), [0, 1, 2, 3, 4, 5], "the longest once");
    assert_eq!(
        of(&longest, 0),
        [0, 1, 0, 1, 0, 1],
        "the shortest again and again"
    );
    let shortest = epoch(&unpaired(EpochLength::Shortest));
    assert_eq!(shortest, [(0, vec![0, 1])]);
    assert_eq!(epoch(&unpaired(EpochLength::Turns(5))).len(), 5);
}

#[test]
fn a_modality_absent_in_a_whole_batch_is_skipped_and_counted() {
    let has = [
        (true, true),
        (true, true),
        (true, false),
        (true, false),
        (false, true),
        (true, true),
    ];
    let items = has
        .iter()
        .enumerate()
        .map(|(i, &(a, b))| (i, a, b))
        .collect();
    let loader = AlternatingLoader::paired(paired(items), 2, RoundRobin).unwrap();
    let turns = epoch(&loader);
    let expected = [
        (0, vec![0, 1]),
        (1, vec![0, 1]),
        (0, vec![2, 3]),
        (0, vec![5]),
        (1, vec![4, 5]),
    ];
    assert_eq!(turns, expected);
    assert_eq!((loader.step(), loader.skipped()), (6, 1));
    assert_eq!(epoch(&loader), expected);
    assert_eq!(loader.skipped(), 2);
}

#[test]
fn trailing_absences_do_not_start_a_second_pass() {
    let items = vec![
        (0, true, true),
        (1, true, true),
        (2, true, false),
        (3, true, false),
    ];
    let loader = AlternatingLoader::paired(paired(items), 2, RoundRobin).unwrap();
    let expected = [(0, vec![0, 1]), (1, vec![0, 1]), (0, vec![2, 3])];
    assert_eq!(epoch(&loader), expected);
    assert_eq!(loader.skipped(), 1);
}

#[test]
fn a_modality_that_is_never_there_is_an_error_of_the_first_pass() {
    for absent in 0..2 {
        for length in [
            EpochLength::Longest,
            EpochLength::Shortest,
            EpochLength::Turns(3),
        ] {
            let items = (0..4).map(|i| (i, absent != 0, absent != 1)).collect();
            let loader = AlternatingLoader::paired(paired(items), 2, RoundRobin).unwrap();
            let loader = loader.with_epoch(length);
            let error = loader.iter().find_map(Result::err).unwrap();
            let expected = format!(
                "modality {absent} is absent in the whole data set: train on data that has it, or \
                 build the model without it"
            );
            assert_eq!(error.to_string(), expected, "{length:?}");
        }
    }
}

#[test]
fn joint_training_needs_every_modality_too() {
    for device in devices() {
        let device = device.autodiff();
        let head = ConcatConfig::new(vec![D_FEATURE; 2], N_CLASSES);
        let joint = JointConfig::new().init(mlps(&device), head.init(&device).unwrap());
        let joint = joint.unwrap();
        let training =
            |items: Vec<Item>| joint.training_loader(paired(items).into()).unwrap().loader;
        let whole = training((0..4).map(|i| (i, true, i == 3)).collect());
        assert_eq!(whole.iter().filter(Result::is_ok).count(), 2);
        assert!(whole.iter().all(|batch| batch.is_ok()));
        // A part of the data may lack it.
        assert!(whole.slice(0, 2).iter().all(|batch| batch.is_ok()));
        let without = training((0..4).map(|i| (i, true, false)).collect());
        for _ in 0..2 {
            let batches: Vec<_> = without.iter().collect();
            assert_eq!(batches.len(), 3, "two batches, and the error");
            let error = batches[2].as_ref().map(|_| ()).unwrap_err().to_string();
            assert!(
                error.contains("modality 1 is absent in the whole data set"),
                "{error}"
            );
        }
    }
}

#[test]
fn an_empty_data_set_is_named() {
    let error = AlternatingLoader::unpaired((single(2, D_A), single(0, D_B)), RoundRobin);
    let error = error.map(|_| ()).unwrap_err();
    assert_eq!(error, MlaError::AbsentModality { modality: 1 });
    let error = AlternatingLoader::paired(complete(0), 2, RoundRobin).map(|_| ());
    assert_eq!(
        error.unwrap_err().to_string(),
        "the data of the alternating loader has no samples: check the split, its filters and where \
         it is read from"
    );
    // A slice of a loader may be empty; an epoch of it is not.
    let loader = AlternatingLoader::paired(complete(4), 2, RoundRobin).unwrap();
    let error = loader.slice(0, 0).iter().find_map(Result::err).unwrap();
    assert!(error.to_string().contains("has no samples"), "{error}");
}

#[test]
fn a_sample_with_nothing_present_stops_the_loader() {
    let loader = AlternatingLoader::paired(
        paired(vec![(0, true, true), (1, false, false)]),
        2,
        RoundRobin,
    );
    let error = loader
        .unwrap()
        .iter()
        .next()
        .unwrap()
        .map(|_| ())
        .unwrap_err();
    assert_eq!(error.to_string(), "sample 1 has no modality present");
}

#[test]
fn progress_is_complete_at_the_last_turn_and_not_before() {
    let loader = AlternatingLoader::paired(complete(5), 2, RoundRobin).unwrap();
    assert_eq!(loader.num_items(), 10);
    let mut turns = loader.iter();
    let mut completed = vec![];
    while let Some(turn) = turns.next() {
        turn.unwrap();
        completed.push(turns.progress().is_completed());
    }
    assert_eq!(completed, [false, false, false, false, false, true]);
}

#[test]
fn copies_on_other_devices_count_together() {
    let loader = AlternatingLoader::paired(complete(5), 2, RoundRobin)
        .unwrap()
        .with_step(1);
    let other = devices().pop().unwrap();
    let copy = loader.to_device(&other);
    assert_eq!(epoch(&*copy)[0].0, 1, "the schedule starts at step 1");
    assert_eq!(loader.step(), 7);
}

/// Any schedule, any data: no turn is lost, every modality goes through its own data evenly.
fn schedules() -> impl Strategy<Value = (Vec<usize>, Vec<(bool, bool)>, usize)> {
    let order = collection::vec(0usize..2, 1..6).prop_filter("both modalities", |order| {
        order.contains(&0) && order.contains(&1)
    });
    let presence = sample::select(vec![(true, true), (true, false), (false, true)]);
    let presence = collection::vec(presence, 1..7).prop_filter("both modalities", |has| {
        has.iter().any(|has| has.0) && has.iter().any(|has| has.1)
    });
    (order, presence, 1usize..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn turns_are_even_for_any_schedule((order, has, n_turns) in schedules()) {
        // Batches of one: a batch has what its sample has.
        let items: Vec<Item> = has.iter().enumerate().map(|(i, &(a, b))| (i, a, b)).collect();
        let loader = DataLoaderBuilder::new(PairBatcher)
            .batch_size(1)
            .set_device(Device::flex())
            .build(InMemDataset::new(items));
        let loader = AlternatingLoader::paired(loader, 2, FixedOrder::new(order, 2).unwrap());
        let loader = loader.unwrap();
        let own = |m: usize| -> Vec<i64> {
            let present = has.iter().enumerate().filter(|(_, has)| if m == 0 { has.0 } else { has.1 });
            present.map(|(i, _)| i as i64).collect()
        };
        let served = |turns: &[(usize, Vec<i64>)], m: usize| -> Vec<i64> {
            turns.iter().filter(|turn| turn.0 == m).map(|turn| turn.1[0]).collect()
        };
        let longest = epoch(&loader);
        for m in 0..2 {
            for label in own(m) {
                prop_assert!(served(&longest, m).contains(&label), "{m} lacks {label}");
            }
        }
        let turns = epoch(&loader.with_epoch(EpochLength::Turns(n_turns)));
        prop_assert_eq!(turns.len(), n_turns);
        for m in 0..2 {
            let expected: Vec<i64> = own(m).into_iter().cycle().take(served(&turns, m).len()).collect();
            prop_assert_eq!(served(&turns, m), expected);
        }
    }
}

#[test]
fn slices_part_the_samples() {
    let loader = AlternatingLoader::paired(complete(8), 2, RoundRobin).unwrap();
    let (first, second) = (loader.slice(0, 8), loader.slice(8, 16));
    assert_eq!(epoch(&*first).len(), 4);
    let labels: Vec<i64> = epoch(&*first)
        .into_iter()
        .chain(epoch(&*second))
        .filter(|turn| turn.0 == 1)
        .flat_map(|turn| turn.1)
        .collect();
    assert_eq!(labels, [0, 1, 2, 3, 4, 5, 6, 7]);
    let other = devices().pop().unwrap();
    let moved = first.to_device(&other);
    let turn = moved.iter().next().unwrap().unwrap();
    let OneOf2::A(input) = turn.input else {
        panic!("modality 0 comes first")
    };
    assert!(input.device() == other);
}

/// A schedule that has only one modality.
#[derive(Debug, Clone)]
struct Only(usize);

impl Schedule for Only {
    fn modality(&self, _: u64, _: usize) -> usize {
        self.0
    }
}

/// Without the check the epoch would wait for the other modality for ever.
#[test]
fn a_schedule_that_leaves_a_modality_out_is_an_error_that_names_it() {
    let single = |width| {
        DataLoaderBuilder::new(UnimodalBatcher(width))
            .batch_size(2)
            .build(InMemDataset::new((0..6).collect::<Vec<usize>>()))
    };
    for modality in 0..2 {
        let loaders = [
            AlternatingLoader::paired(complete(6), 2, Only(modality)).unwrap(),
            AlternatingLoader::unpaired((single(D_A), single(D_B)), Only(modality)).unwrap(),
        ];
        for loader in loaders {
            let turns: Vec<_> = loader.iter().collect();
            assert_eq!(turns.len(), 4, "a pass, then the error");
            let error = turns[3].as_ref().unwrap_err().to_string();
            let other = format!(
                "no turn of modality {} in the 4194304 steps from step 3",
                1 - modality
            );
            assert!(error.contains(&other), "{error}");
            // A number of turns does not wait.
            let loader = loader.with_epoch(EpochLength::Turns(5));
            assert_eq!(epoch(&loader).len(), 5);
        }
    }
    // Neither does a schedule that comes back late.
    let late = Blocks::new(1000).unwrap();
    let loader = AlternatingLoader::paired(complete(6), 2, late).unwrap();
    assert_eq!(epoch(&loader).len(), 1003);
}

/// Modality 0 has no data, and the schedule has no other.
#[test]
fn a_schedule_of_only_what_is_absent_ends() {
    let items = (0..4).map(|label| (label, false, true)).collect();
    let loader = AlternatingLoader::paired(paired(items), 2, Only(0)).unwrap();
    let loader = loader.with_epoch(EpochLength::Turns(3));
    let turns: Vec<_> = loader.iter().collect();
    assert_eq!(turns.len(), 1);
    let error = turns[0].as_ref().unwrap_err().to_string();
    assert!(error.contains("modality 0 is absent"), "{error}");
}

#[test]
fn a_schedule_out_of_range_is_an_error() {
    let loader = AlternatingLoader::paired(complete(4), 2, Only(2)).unwrap();
    let error = loader.iter().next().unwrap().unwrap_err().to_string();
    assert!(error.contains("modality 2 does not exist"), "{error}");
}

type Bytes = Vec<Option<ModalityInput<u8>>>;

/// Batches of one sample each.
struct Single;

impl Batcher<usize, MultimodalBatch<Bytes>> for Single {
    fn batch(&self, _: Vec<usize>, device: &Device) -> MultimodalBatch<Bytes> {
        MultimodalBatch::paired(vec![0, 1], Targets::new([0], device))
    }
}

/// Time of an epoch in which a whole pass of one modality waits.
fn time_of_blocks(n: usize) -> std::time::Duration {
    let batches = DataLoaderBuilder::new(Single)
        .batch_size(1)
        .set_device(Device::flex())
        .build(InMemDataset::new((0..n).collect::<Vec<usize>>()));
    let loader = AlternatingLoader::paired(batches, 2, Blocks::new(n).unwrap()).unwrap();
    let start = std::time::Instant::now();
    assert_eq!(loader.iter().count(), 2 * n);
    start.elapsed()
}

/// 16 times the batches took 256 times as long when each turn scanned those that wait.
#[test]
fn a_turn_costs_the_same_however_many_batches_wait() {
    time_of_blocks(500);
    let (short, long) = (time_of_blocks(2000), time_of_blocks(32_000));
    assert!(long < 80 * short, "{short:?} and {long:?}");
}

//! Turns in the order of the modalities' losses: the loader, `fit`, and a loop of one's own.

use std::sync::Arc;

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
use burn::data::dataset::InMemDataset;
use burn::module::Module;
use burn::optim::AdamWConfig;
use burn::tensor::{Device, Tensor};
use burn::train::metric::LossMetric;
use burn::train::{ExecutionStrategy, Learner, SupervisedTraining};
use burn_mla::checkpoint::{CheckpointStore, TurnStatistics};
use burn_mla::dataset::InMemory;
use burn_mla::loader::{
    EpochLength, FixedOrder, FusedTurnLoader, LossRanking, TrainingData, UnimodalThenFused,
};
use burn_mla::mla::FusedTurnConfig;
use burn_mla::modality::{ModalityInputs, UnimodalBatch};
use burn_mla::prelude::*;
use proptest::prelude::{ProptestConfig, prop_assert_eq, prop_oneof, proptest};
use proptest::{array, collection, strategy::Just, strategy::Strategy};

use crate::common::*;

type Bytes = Vec<Option<ModalityInput<u8>>>;

/// Batches of one sample, whose label is its position, with some of three modalities.
struct Some3;

impl Batcher<(usize, [bool; 3]), MultimodalBatch<Bytes>> for Some3 {
    fn batch(&self, items: Vec<(usize, [bool; 3])>, device: &Device) -> MultimodalBatch<Bytes> {
        let (label, has) = items[0];
        let inputs = has.map(|has| has.then(|| ModalityInput::all(0)));
        MultimodalBatch::new(inputs.to_vec(), Targets::new([label], device))
    }
}

fn batches(has: &[[bool; 3]]) -> Arc<dyn DataLoader<MultimodalBatch<Bytes>>> {
    let items = has.iter().copied().enumerate().collect();
    DataLoaderBuilder::new(Some3)
        .batch_size(1)
        .set_device(Device::flex())
        .build(InMemDataset::new(items))
}

fn complete(n: usize) -> Arc<dyn DataLoader<MultimodalBatch<Bytes>>> {
    batches(&vec![[true; 3]; n])
}

/// Modality and label of each turn of an epoch.
fn epoch<In: ModalityInputs>(loader: &dyn DataLoader<Turn<In::One>>) -> Vec<(usize, i64)> {
    let turns = loader.iter().map(|turn| turn.unwrap());
    turns
        .map(|turn| (In::modality(&turn.input), turn.targets.labels()[0]))
        .collect()
}

fn modalities<In: ModalityInputs>(loader: &dyn DataLoader<Turn<In::One>>) -> Vec<usize> {
    epoch::<In>(loader).into_iter().map(|turn| turn.0).collect()
}

/// Losses of up to four epochs, NaN for a modality without turns, and the modalities of some batches.
fn trainings() -> impl Strategy<Value = (Vec<[f64; 3]>, Vec<[bool; 3]>)> {
    let loss = prop_oneof![3 => 0.0..4.0, 1 => Just(1.0), 1 => Just(f64::NAN)];
    let has = array::uniform3(proptest::bool::ANY);
    let has = has.prop_filter("one of them", |has| has.contains(&true));
    let has = collection::vec(has, 1..6).prop_filter("each of them", |all| {
        (0..3).all(|modality| all.iter().any(|has| has[modality]))
    });
    (collection::vec(array::uniform3(loss), 0..4), has)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// In each round every modality has its turn once, unless the batch lacks it, from the largest known
    /// loss to the smallest.
    #[test]
    fn rounds_are_permutations_in_the_order_of_the_losses((epochs, has) in trainings()) {
        let loader = AlternatingLoader::paired(batches(&has), 3, RoundRobin).unwrap();
        let loader = loader.with_ranking(LossRanking::WeakestFirst);
        let handle = loader.handle();
        let mut known = [f64::INFINITY; 3];
        let mut order = [0, 1, 2];
        for losses in epochs.iter().map(Some).chain([None]) {
            let rounds = has.iter().enumerate();
            let expected: Vec<(usize, i64)> = rounds
                .flat_map(|(round, has)| {
                    order.into_iter().filter(|&m| has[m]).map(move |m| (m, round as i64))
                })
                .collect();
            prop_assert_eq!(epoch::<Bytes>(&loader), expected);
            let Some(losses) = losses else { break };
            handle.rank(losses).unwrap();
            for (known, &loss) in known.iter_mut().zip(losses) {
                if !loss.is_nan() {
                    *known = loss;
                }
            }
            // By selection: the largest of the rest, the first of equal ones.
            let mut rest = vec![0, 1, 2];
            order = std::array::from_fn(|_| {
                let largest = rest.iter().map(|&m| known[m]).fold(f64::NEG_INFINITY, f64::max);
                let at = rest.iter().position(|&m| known[m] == largest).unwrap();
                rest.remove(at)
            });
        }
    }
}

#[test]
fn the_strongest_can_go_first() {
    let loader = AlternatingLoader::paired(complete(2), 3, RoundRobin).unwrap();
    let loader = loader.with_ranking(LossRanking::StrongestFirst);
    assert_eq!(modalities::<Bytes>(&loader), [0, 1, 2, 0, 1, 2]);
    loader.handle().rank(&[0.7, 0.9, 0.2]).unwrap();
    assert_eq!(modalities::<Bytes>(&loader), [2, 0, 1, 2, 0, 1]);
}

/// A schedule of ranks: the weakest of three has two of four turns.
#[test]
fn the_weakest_can_have_more_turns() {
    let order = FixedOrder::new(vec![0, 0, 1, 2], 3).unwrap();
    let loader = AlternatingLoader::paired(complete(3), 3, order).unwrap();
    let loader = loader
        .with_ranking(LossRanking::WeakestFirst)
        .with_epoch(EpochLength::Turns(6));
    assert_eq!(modalities::<Bytes>(&loader), [0, 0, 1, 2, 0, 0]);
    loader.handle().rank(&[0.1, 0.9, 0.5]).unwrap();
    let second = epoch::<Bytes>(&loader);
    let expected = [(1, 0), (1, 1), (2, 0), (0, 0), (1, 2), (1, 0)];
    assert_eq!(second, expected, "a new round, and data that repeat");
}

#[test]
fn a_loader_without_a_ranking_ignores_losses() {
    let loader = AlternatingLoader::paired(complete(2), 3, RoundRobin).unwrap();
    loader.handle().rank(&[0.0, 1.0]).unwrap();
    assert_eq!(modalities::<Bytes>(&loader), [0, 1, 2, 0, 1, 2]);
    assert_eq!(
        loader.handle().position().ok(),
        None,
        "the order of Burn's loader"
    );
}

#[test]
fn a_position_of_other_modalities_is_refused() {
    let device = Device::flex();
    let loader = || {
        let batches = shuffled(&device).batches;
        let turns = AlternatingLoader::paired(batches, 2, RoundRobin).unwrap();
        turns.with_ranking(LossRanking::WeakestFirst)
    };
    let first = loader();
    first.handle().rank(&[1.0, 2.0]).unwrap();
    let position = first.handle().position().unwrap();
    let mut forged = position.clone();
    forged.losses.push(None);
    let second = loader();
    let error = second.handle().restore(&forged).unwrap_err().to_string();
    let expected = "losses (one per modality): expected 2, got 3";
    assert_eq!(error, expected);
    assert_eq!(modalities::<MlpInputs>(&second)[..2], [0, 1], "unchanged");
    second.handle().restore(&position).unwrap();
    assert_eq!(modalities::<MlpInputs>(&second)[..2], [1, 0]);
}

/// Without the losses the order would stay as it is, and the option would have no effect.
#[test]
fn an_epoch_without_the_losses_of_the_one_before_is_refused() {
    let loader = AlternatingLoader::paired(complete(2), 3, RoundRobin).unwrap();
    let loader = loader.with_ranking(LossRanking::WeakestFirst);
    assert_eq!(
        loader.iter().take(2).count(),
        2,
        "a part of an epoch counts"
    );
    for _ in 0..2 {
        let turns: Vec<_> = loader.iter().collect();
        assert_eq!(turns.len(), 1);
        let error = turns[0].as_ref().unwrap_err().to_string();
        assert_eq!(error, MlaError::NotRanked.to_string());
    }
    let error = loader.handle().rank(&[1.0, 2.0]).unwrap_err();
    let expected = "losses (one per modality): expected 3, got 2";
    assert_eq!(error.to_string(), expected);
    loader.handle().rank(&[1.0, 2.0, 3.0]).unwrap();
    assert_eq!(modalities::<Bytes>(&loader)[..3], [2, 1, 0]);
}

#[test]
fn copies_and_slices_have_the_same_order() {
    let loader = AlternatingLoader::paired(complete(4), 3, RoundRobin).unwrap();
    let loader = loader.with_ranking(LossRanking::WeakestFirst);
    let copy = loader.to_device(&devices().pop().unwrap());
    let slices = [loader.slice(0, 6), loader.slice(6, 12)];
    for (losses, expected) in [([0.5; 3], [0, 1, 2]), ([0.1, 0.2, 0.3], [2, 1, 0])] {
        loader.handle().rank(&losses).unwrap();
        // One may start when another one is at its end.
        for (half, slice) in slices.iter().enumerate() {
            let labels = [2 * half as i64, 2 * half as i64 + 1];
            let turns = labels
                .into_iter()
                .flat_map(|label| expected.into_iter().map(move |modality| (modality, label)));
            assert_eq!(epoch::<Bytes>(&**slice), turns.collect::<Vec<_>>());
        }
        assert!(
            slices
                .iter()
                .all(|slice| slice.iter().next().unwrap().is_err())
        );
    }
    loader.handle().rank(&[0.1, 0.3, 0.2]).unwrap();
    assert_eq!(modalities::<Bytes>(&*copy)[..3], [1, 2, 0]);
}

#[derive(Clone)]
struct Single(usize);

impl Batcher<usize, UnimodalBatch<Tensor<2>>> for Single {
    fn batch(&self, labels: Vec<usize>, device: &Device) -> UnimodalBatch<Tensor<2>> {
        let input = Tensor::zeros([labels.len(), self.0], device);
        UnimodalBatch::new(input, Targets::new(labels, device))
    }
}

/// The first epoch ends within a round.
#[test]
fn an_epoch_of_unpaired_data_starts_with_a_new_round() {
    let single = |n: usize, width| -> Arc<dyn DataLoader<UnimodalBatch<Tensor<2>>>> {
        DataLoaderBuilder::new(Single(width))
            .batch_size(1)
            .set_device(Device::flex())
            .build(InMemDataset::new((0..n).collect()))
    };
    let loaders = (single(3, D_A), single(1, D_B));
    let loader = AlternatingLoader::unpaired(loaders, RoundRobin).unwrap();
    let loader = loader.with_ranking(LossRanking::WeakestFirst);
    let expected = [(0, 0), (1, 0), (0, 1), (1, 0), (0, 2)];
    assert_eq!(epoch::<MlpInputs>(&loader), expected);
    assert_eq!(loader.step(), 5);
    loader.handle().rank(&[1.0, 2.0]).unwrap();
    let expected = [(1, 0), (0, 0), (1, 0), (0, 1), (1, 0), (0, 2)];
    assert_eq!(epoch::<MlpInputs>(&loader), expected);
    loader.handle().rank(&[3.0, f64::NAN]).unwrap();
    assert_eq!(modalities::<MlpInputs>(&loader), [0, 1, 0, 1, 0]);
}

/// Modality 1 has nothing but zeros: its loss stays the largest.
fn data() -> InMemory<MlpInputs> {
    let (labels, a, b) = samples(30, 1);
    let device = Device::flex();
    let nothing = matrix(b, D_B, &device).zeros_like();
    InMemory::paired((matrix(a, D_A, &device), nothing), labels).unwrap()
}

fn shuffled(device: &Device) -> TrainingData<MlpInputs> {
    data().shuffled(8, 5, device).unwrap()
}

fn model(ranking: Option<LossRanking>, device: &Device) -> MlpMla<RlsProjector> {
    mlp_mla(MlaConfig::new().with_ranking(ranking), rls(0.1), device)
}

const EPOCHS: usize = 3;
const RATE: f64 = 0.05;

fn config() -> FitConfig {
    FitConfig::new(EPOCHS)
        .with_progress(false)
        .with_learning_rate(RATE)
        .with_best(false)
        .with_calibration(false)
}

/// Trains batch by batch without a loader of turns. The order of an epoch is that of its mean losses.
fn by_hand(device: &Device, order: impl Fn([f64; 2]) -> [usize; 2]) -> MlpMla<RlsProjector> {
    let mut model = model(None, device);
    let mut optimizer = AdamWConfig::new().init();
    let batches = shuffled(device).batches.loader;
    let mut modalities = [0, 1];
    for _ in 0..EPOCHS {
        let mut losses = [0.0; 2];
        for batch in batches.iter() {
            let mut turns = batch.unwrap().into_turns().unwrap();
            for modality in modalities {
                let turn = turns[modality].take().unwrap();
                let n_samples = turn.targets.len() as f64;
                let output = model.try_step(turn).unwrap();
                losses[modality] += f64::from(values(output.item.loss)[0]) * n_samples / 30.0;
                model
                    .try_optimize(&mut optimizer, RATE, output.grads)
                    .unwrap();
            }
        }
        modalities = order(losses);
    }
    model
}

#[test]
fn fit_trains_the_hard_modality_first_from_the_second_epoch_on() {
    for device in devices() {
        let train = |ranking| {
            let device = device.clone().autodiff();
            let valid = data().in_order(16, &device).unwrap();
            let model = model(ranking, &device);
            fit(model, shuffled(&device), valid, &config())
                .unwrap()
                .model
        };
        let on = device.clone().autodiff();
        let hard_first = by_hand(&on, |losses| {
            assert!(losses[1] > losses[0] + 0.03, "{losses:?}");
            [1, 0]
        });
        let always = by_hand(&on, |_| [0, 1]);
        let weakest_first = train(Some(LossRanking::WeakestFirst));
        assert_eq!(state(&weakest_first), state(&hard_first));
        assert_ne!(state(&hard_first), state(&always));
        assert_eq!(
            state(&train(Some(LossRanking::StrongestFirst))),
            state(&always)
        );
        assert_eq!(state(&train(None)), state(&always));
    }
}

#[test]
fn a_loop_of_ones_own_reports_the_losses() {
    for device in devices() {
        let device = device.autodiff();
        let mut model = model(None, &device);
        let mut optimizer = AdamWConfig::new().init();
        let turns = AlternatingLoader::paired(shuffled(&device).batches, 2, RoundRobin).unwrap();
        let turns = turns.with_ranking(LossRanking::WeakestFirst);
        let handle = turns.handle();
        for _ in 0..EPOCHS {
            let mut statistics = [TurnStatistics::default(), TurnStatistics::default()];
            for turn in turns.iter() {
                let output = model.try_step(turn.unwrap()).unwrap();
                let item = output.item;
                let loss = f64::from(values(item.loss)[0]);
                statistics[item.modality.unwrap()].add(item.targets.len(), loss);
                model
                    .try_optimize(&mut optimizer, RATE, output.grads)
                    .unwrap();
            }
            let losses = statistics.map(|modality| modality.loss());
            handle.rank(&losses).unwrap();
            let saved = losses.map(Some);
            assert_eq!(handle.position().unwrap().losses, saved);
        }
        let expected = by_hand(&device, |_| [1, 0]);
        assert_eq!(state(&model), state(&expected));
    }
}

/// Fused turns are of no modality, and their losses do not rank.
#[test]
fn fused_turns_follow_ranked_rounds() {
    for device in devices() {
        let device = device.autodiff();
        let turns = AlternatingLoader::paired(shuffled(&device).batches, 2, RoundRobin).unwrap();
        let turns = turns.with_ranking(LossRanking::WeakestFirst);
        let schedule = UnimodalThenFused::new();
        let loader = FusedTurnLoader::new(turns, shuffled(&device).batches, schedule).unwrap();
        let modalities = || -> Vec<Option<usize>> {
            let turns = loader.iter().map(Result::unwrap);
            turns.map(|turn| turn.modality()).collect()
        };
        let (a, b) = (Some(0), Some(1));
        assert_eq!(modalities(), [a, b, None].repeat(4));
        loader.handle().rank(&[0.3, 0.4]).unwrap();
        assert_eq!(modalities(), [b, a, None].repeat(4));

        let folder = tempfile::tempdir().unwrap();
        let model = model(Some(LossRanking::WeakestFirst), &device);
        let model = FusedTurnConfig::new().init(model).unwrap();
        let valid = data().in_order(16, &device).unwrap();
        let config = config().with_directory(folder.path());
        let fitted = fit(model, shuffled(&device), valid, &config).unwrap();
        let last = fitted.history.epochs.last().unwrap();
        assert_eq!(last.joint.turns, 4);
        let expected: Vec<_> = last.training.iter().map(|m| Some(m.loss())).collect();
        let store = CheckpointStore::open(folder.path()).unwrap();
        let progress = store.latest().unwrap().unwrap().progress;
        assert_eq!(progress.loader.losses, expected);
    }
}

/// Burn's own strategies do not report losses to the loader.
#[test]
fn burns_own_loop_stops_before_the_second_epoch() {
    let device = Device::flex();
    let training = device.clone().autodiff();
    let folder = tempfile::tempdir().unwrap();
    let turns = AlternatingLoader::paired(shuffled(&training).batches, 2, RoundRobin).unwrap();
    let turns = turns.with_ranking(LossRanking::WeakestFirst);
    let valid = data().in_order(16, &device).unwrap();
    let result = SupervisedTraining::new(folder.path(), Arc::new(turns), valid)
        .with_training_strategy(ExecutionStrategy::single(training.clone()).into())
        .with_application_logger(None)
        .metrics((LossMetric::new(),))
        .num_epochs(2)
        .launch(Learner::new(model(None, &training), sgd(), RATE));
    let error = result.error.unwrap().to_string();
    assert!(error.contains(&MlaError::NotRanked.to_string()), "{error}");
    assert_eq!(result.model.valid().projection().n_steps(), 8, "an epoch");
}

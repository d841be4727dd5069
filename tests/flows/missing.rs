//! Missing modalities: masks kept in a file, training and evaluation with them, zeros in their
//! place, and the scores of every subset of modalities.

use std::sync::Arc;

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
use burn::data::dataset::{DatasetError, InMemDataset};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use burn_mla::evaluation::{evaluate, evaluate_subsets};
use burn_mla::loader::EpochLength;
use burn_mla::loader::{IndexedBatch, MappedLoader, SeededLoader, WithIndex};
use burn_mla::modality::UnimodalBatch;
use burn_mla::modality::{
    KeepPresent, MissingManifest, MissingRate, ModalityInputs, OneOf2, Presence, ZeroImputation,
};
use burn_mla::prelude::*;

use crate::common::*;

const N_TRAIN: usize = 48;
const N_TEST: usize = 30;

type Batch = MultimodalBatch<MlpInputs>;
type Loader = Arc<dyn DataLoader<Batch>>;
type Indexed = Arc<dyn DataLoader<IndexedBatch<MlpInputs>>>;

/// A label and the inputs of both modalities.
type Sample = (usize, Vec<f32>, Vec<f32>);

struct Complete;

impl Batcher<Sample, Batch> for Complete {
    fn batch(&self, samples: Vec<Sample>, device: &Device) -> Batch {
        let labels: Vec<usize> = samples.iter().map(|sample| sample.0).collect();
        let a = samples.iter().flat_map(|sample| sample.1.clone()).collect();
        let b = samples.iter().flat_map(|sample| sample.2.clone()).collect();
        let inputs = (matrix(a, D_A, device), matrix(b, D_B, device));
        MultimodalBatch::paired(inputs, Targets::new(labels, device))
    }
}

fn data(n: usize, seed: u64) -> Vec<Sample> {
    let (labels, a, b) = samples(n, seed);
    let rows = |values: Vec<f32>, width| -> Vec<Vec<f32>> {
        values.chunks(width).map(<[f32]>::to_vec).collect()
    };
    let inputs = rows(a, D_A).into_iter().zip(rows(b, D_B));
    labels
        .into_iter()
        .zip(inputs)
        .map(|(label, (a, b))| (label, a, b))
        .collect()
}

fn indexed(data: &[Sample], batch_size: usize, shuffle: Option<u64>, device: &Device) -> Indexed {
    let builder = DataLoaderBuilder::new(WithIndex(Complete))
        .batch_size(batch_size)
        .set_device(device.clone());
    let builder = match shuffle {
        Some(seed) => builder.shuffle(seed),
        None => builder,
    };
    builder.build(WithIndex(InMemDataset::new(data.to_vec())))
}

fn masked(loader: Indexed, presence: &Presence) -> Loader {
    Arc::new(MappedLoader::masked(loader, presence.clone()).unwrap())
}

fn train_on(
    turns: &dyn DataLoader<MlpTurn>,
    epochs: usize,
    device: &Device,
) -> MlpMla<RlsProjector> {
    let mut model = mlp_mla(MlaConfig::new(), rls(0.1), device);
    let mut optimizer = sgd();
    for _ in 0..epochs {
        for turn in turns.iter() {
            let output = model.try_step(turn.unwrap()).unwrap();
            model
                .try_optimize(&mut optimizer, 0.1, output.grads)
                .unwrap();
        }
    }
    model
}

/// The predicted class of each sample of a batch.
fn classes(model: &MlpMla<RlsProjector>, batch: Batch) -> Vec<usize> {
    let fused = model.predict(batch).unwrap().fused;
    values(fused)
        .chunks(N_CLASSES)
        .map(|row| {
            (0..N_CLASSES)
                .max_by(|&i, &j| row[i].total_cmp(&row[j]))
                .unwrap()
        })
        .collect()
}

#[test]
fn a_mask_from_a_file_trains_and_evaluates() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing.json");
    let half = MissingRate::new(0.5, 3).unwrap();
    let splits = [("train", N_TRAIN), ("test", N_TEST)];
    let saved = MissingManifest::new(half, ["a", "b"], splits).unwrap();
    saved.save(&path).unwrap();
    let manifest = MissingManifest::load(&path).unwrap();
    assert_eq!(manifest, saved);
    assert!(manifest.check("train", N_TRAIN + 1).is_err());

    for device in devices() {
        let training_device = device.clone().autodiff();
        let train = manifest.check("train", N_TRAIN).unwrap();
        let loader = indexed(&data(N_TRAIN, 0), 8, Some(1), &training_device);
        let turns = AlternatingLoader::paired(masked(loader, train), 2, RoundRobin).unwrap();
        let model = train_on(&turns, 15, &training_device).valid();

        let test = manifest.check("test", N_TEST).unwrap();
        let complete = data(N_TEST, 5);
        let scores =
            evaluate(&model, &*masked(indexed(&complete, 7, None, &device), test)).unwrap();
        for (modality, confusion) in scores.modalities.iter().enumerate() {
            assert_eq!(confusion.n_samples(), test.rows(modality).len());
        }
        assert_eq!(scores.fused.n_samples(), N_TEST);
        assert!(scores.fused.accuracy() > 0.8, "{:?}", scores.fused);

        // The same model, with other things missing at test time.
        let others = MissingRate::new(0.7, 8).unwrap();
        let others = others.presence("test", N_TEST, 2).unwrap();
        let loader = masked(indexed(&complete, 7, None, &device), &others);
        let scores = evaluate(&model, &*loader).unwrap();
        assert!(scores.fused.accuracy() > 0.7, "{:?}", scores.fused);
    }
}

/// What a loader hides is what its mask removes; the batch is otherwise the masked one.
#[test]
fn a_loader_keeps_what_it_masks_as_hidden() {
    let presence = MissingRate::new(0.4, 2).unwrap();
    let presence = presence.presence("train", N_TRAIN, 2).unwrap();
    let (all, flex) = (data(N_TRAIN, 0), Device::flex());
    let complete = || indexed(&all, 12, Some(9), &flex);
    let hiding = MappedLoader::masked_with_hidden(complete(), presence.clone()).unwrap();
    let masking = masked(complete(), &presence);
    let part =
        |part: Option<ModalityInput<Tensor<2>>>| part.map(|part| (values(part.input), part.rows));
    for (hiding, masking) in hiding.iter().zip(masking.iter()) {
        let (hiding, masking) = (hiding.unwrap(), masking.unwrap());
        assert_eq!(hiding.samples, masking.samples);
        let (found, expected) = (hiding.inputs.0, masking.inputs.0);
        assert_eq!(part(found), part(expected));
        let samples = hiding.samples.unwrap();
        let lacks = |&row: &usize| !presence.is_present(samples[row], 0);
        let rows: Vec<usize> = (0..samples.len()).filter(lacks).collect();
        let values = rows.iter().flat_map(|&row| all[samples[row]].1.clone());
        let expected = (
            values.collect(),
            burn_mla::modality::Rows::Some(rows.clone()),
        );
        let hidden = part(hiding.hidden.unwrap().0);
        assert_eq!(hidden, (!rows.is_empty()).then_some(expected));
    }
    let other = Presence::all(N_TRAIN + 1, 2);
    assert!(MappedLoader::masked_with_hidden(complete(), other).is_err());
}

/// Whatever the order, the batch size, the device or the slice, a sample lacks the same.
#[test]
fn a_mask_stays_with_its_samples() {
    let presence = MissingRate::new(0.4, 2).unwrap();
    let presence = presence.presence("train", N_TRAIN, 2).unwrap();
    let all = data(N_TRAIN, 0);
    let flex = Device::flex();
    let seen = |loader: &dyn DataLoader<Batch>, device: &Device| -> Vec<(Vec<f32>, bool)> {
        let mut seen = vec![];
        for batch in loader.iter() {
            let (a, b) = batch.unwrap().inputs;
            let b = b.map_or(vec![], |b| match b.rows {
                burn_mla::modality::Rows::All => panic!("something is missing in each batch"),
                burn_mla::modality::Rows::Some(rows) => rows,
            });
            let Some(a) = a else { continue };
            assert!(a.input.device() == *device);
            let rows = match a.rows {
                burn_mla::modality::Rows::All => (0..a.input.dims()[0]).collect(),
                burn_mla::modality::Rows::Some(rows) => rows,
            };
            let inputs = values(a.input);
            for (row, input) in rows.iter().zip(inputs.chunks(D_A)) {
                seen.push((input.to_vec(), b.contains(row)));
            }
        }
        seen.sort_by(|one, other| one.0.partial_cmp(&other.0).unwrap());
        seen
    };
    let mut expected: Vec<(Vec<f32>, bool)> = presence
        .rows(0)
        .into_iter()
        .map(|i| (all[i].1.clone(), presence.is_present(i, 1)))
        .collect();
    expected.sort_by(|one, other| one.0.partial_cmp(&other.0).unwrap());
    let in_order = masked(indexed(&all, 12, None, &flex), &presence);
    let shuffled = masked(indexed(&all, 12, Some(9), &flex), &presence);
    assert_eq!(seen(&*in_order, &flex), expected);
    assert_eq!(seen(&*shuffled, &flex), expected);
    let other = devices().pop().unwrap();
    let moved = shuffled.to_device(&other);
    assert_eq!(seen(&*moved, &other), expected);

    assert_eq!(in_order.num_items(), N_TRAIN);
    let (first, second) = (in_order.slice(0, 24), in_order.slice(24, N_TRAIN));
    assert_eq!((first.num_items(), second.num_items()), (24, 24));
    let mut parts = seen(&*first, &flex);
    parts.extend(seen(&*second, &flex));
    parts.sort_by(|one, other| one.0.partial_cmp(&other.0).unwrap());
    assert_eq!(parts, expected);

    let mut batches = in_order.iter();
    batches.next().unwrap().unwrap();
    let progress = batches.progress();
    assert_eq!(
        (progress.items_processed, progress.items_total),
        (12, N_TRAIN)
    );
}

#[test]
fn a_mask_of_another_split_is_refused_and_errors_are_handed_on() {
    let flex = Device::flex();
    let loader = || indexed(&data(6, 0), 2, None, &flex);
    let error = MappedLoader::masked(loader(), Presence::all(7, 2));
    assert!(matches!(
        error.map(|_| ()).unwrap_err(),
        MlaError::Size {
            expected: 6,
            got: 7,
            ..
        }
    ));
    let three = masked(loader(), &Presence::all(6, 3));
    let error = three.iter().next().unwrap().unwrap_err().to_string();
    assert!(error.contains("has 3 modalities"), "{error}");

    // Only the second batch fails.
    let picky = MappedLoader::new(loader(), |(samples, batch): IndexedBatch<MlpInputs>| {
        let limit = if samples.contains(&2) { 0 } else { N_CLASSES };
        batch.targets.check(limit)?;
        Ok(batch)
    });
    let good: Vec<bool> = picky.iter().map(|batch| batch.is_ok()).collect();
    assert_eq!(good, [true, false, true]);
}

/// Batches of two, of which the second lacks modality 1 and the third modality 0.
fn holes() -> Presence {
    let rows = [
        [true, true],
        [true, true],
        [true, false],
        [true, false],
        [false, true],
        [false, true],
    ];
    Presence::from_mask(rows.concat(), 2).unwrap()
}

#[test]
fn a_turn_whose_modality_is_absent_in_the_batch_is_skipped_and_counted() {
    for device in devices() {
        let loader = masked(indexed(&data(6, 0), 2, None, &device.autodiff()), &holes());
        let turns = AlternatingLoader::paired(loader, 2, RoundRobin).unwrap();
        let modalities: Vec<usize> = turns
            .iter()
            .map(|turn| MlpInputs::modality(&turn.unwrap().input))
            .collect();
        assert_eq!(modalities, [0, 1, 0, 1]);
        assert_eq!(turns.skipped(), 2);
    }
}

#[test]
fn zero_input_differs_from_skipping() {
    for device in devices() {
        let training_device = device.clone().autodiff();
        let samples = data(6, 0);
        let loader = || masked(indexed(&samples, 2, None, &training_device), &holes());
        let complete = Complete.batch(samples.clone(), &training_device);
        let policy = ZeroImputation::like(&complete).unwrap();

        let skipping = AlternatingLoader::paired(loader(), 2, RoundRobin).unwrap();
        let zeros = MappedLoader::zero_imputation(loader(), policy.clone());
        let zeros: Arc<dyn DataLoader<_>> = Arc::new(zeros);
        let zeros = AlternatingLoader::paired(zeros, 2, RoundRobin).unwrap();
        let fed: Vec<Vec<f32>> = zeros
            .iter()
            .map(|turn| match turn.unwrap().input {
                OneOf2::A(input) | OneOf2::B(input) => values(input),
            })
            .collect();
        assert_eq!(fed.len(), 6, "every turn is held");
        assert_eq!(
            (fed[3].clone(), fed[4].clone()),
            (vec![0.0; 2 * D_B], vec![0.0; 2 * D_A])
        );

        let skipped = train_on(&skipping, 2, &training_device).valid();
        let zeroed = train_on(&zeros, 2, &training_device).valid();
        assert_eq!(skipping.skipped(), 4);
        assert_eq!(zeros.skipped(), 0);
        assert_eq!(skipped.projection().n_steps(), 8);
        assert_eq!(zeroed.projection().n_steps(), 12);
        assert_ne!(state(&skipped.head), state(&zeroed.head));

        // At test time a modality fed as zeros weighs something, a missing one nothing.
        let batch = Complete.batch(samples.clone(), &device);
        let batch = batch.with_presence(&holes()).unwrap();
        let weights = values(skipped.predict(batch.clone()).unwrap().weights);
        assert_eq!(weights[4..8], [1.0, 0.0, 1.0, 0.0]);
        let filled = batch.clone().with_zero_imputation().unwrap();
        let again = policy.fill(batch).unwrap();
        assert!(filled.presence().unwrap().is_complete());
        let weights = values(skipped.predict(filled).unwrap().weights);
        assert!(weights.iter().all(|&weight| weight > 0.0), "{weights:?}");
        assert_eq!(values(skipped.predict(again).unwrap().weights), weights);
    }
}

/// Each sample on its own, with what the subset does not have taken out of its batch by hand.
#[test]
fn subset_scores_are_those_of_batches_without_the_other_modalities() {
    for device in devices() {
        let model = mlp_mla(MlaConfig::new(), rls(0.1), &device).valid();
        let samples = data(N_TEST, 5);
        let presence = MissingRate::new(0.4, 6).unwrap();
        let presence = presence.presence("test", N_TEST, 2).unwrap();
        let loader = masked(indexed(&samples, 7, None, &device), &presence);
        let evaluation = evaluate_subsets(&model, &*loader).unwrap();
        assert_eq!(evaluation.n_samples(), N_TEST);

        let mut values = vec![1.0 / N_CLASSES as f64];
        for subset in [vec![0], vec![1], vec![0, 1]] {
            let (mut right, mut left_out) = (0, 0);
            for (i, (label, a, b)) in samples.iter().enumerate() {
                let has = |m: usize| subset.contains(&m) && presence.is_present(i, m);
                let part = |m, values: &[f32], width| {
                    has(m).then(|| ModalityInput::all(matrix(values.to_vec(), width, &device)))
                };
                let inputs = (part(0, a, D_A), part(1, b, D_B));
                if inputs.0.is_none() && inputs.1.is_none() {
                    left_out += 1;
                    continue;
                }
                let batch = MultimodalBatch::new(inputs, Targets::new([*label], &device));
                right += usize::from(classes(&model, batch)[0] == *label);
            }
            let score = evaluation.subset(&subset).unwrap();
            assert_eq!(score.modalities, subset);
            assert_eq!(score.n_left_out, left_out, "{subset:?}");
            let counted = N_TEST - left_out;
            assert_eq!(score.confusion.n_samples(), counted);
            let accuracy = right as f64 / counted as f64;
            assert_eq!(score.confusion.accuracy(), accuracy, "{subset:?}");
            values.push((right as f64 + left_out as f64 / N_CLASSES as f64) / N_TEST as f64);
        }
        assert!(evaluation.subset(&[0]).unwrap().n_left_out > 0);
        close_all(&evaluation.values(), &values);
        let fused = evaluate(&model, &*loader).unwrap().fused;
        assert_eq!(evaluation.full().unwrap().confusion, fused);
    }
}

fn close_all(got: &[f64], expected: &[f64]) {
    assert_eq!(got.len(), expected.len());
    for (got, expected) in got.iter().zip(expected) {
        assert!(
            (got - expected).abs() < 1e-12,
            "{got} instead of {expected}"
        );
    }
}

/// Every subset of three equal modalities, without a weight of those that are out.
#[test]
fn subsets_of_three_modalities_match_masked_batches() {
    for device in devices() {
        let encoder = |seed| {
            let encoder = MlpEncoderConfig::new(D_A, D_FEATURE).init(&device).unwrap();
            set_parameters(encoder, seed)
        };
        let encoders: Vec<MlpEncoder> = (1..4).map(encoder).collect();
        let head = set_parameters(linear_head(&device), 4);
        let fusion = EntropyFusionConfig::new(3).init(&device).unwrap();
        let model = Mla::new(encoders, head, rls(0.1), fusion).unwrap().valid();
        let mut numbers = Numbers::new(7);
        let inputs: Vec<Tensor<2>> = (0..3).map(|_| numbers.tensor([20, D_A], &device)).collect();
        let targets = Targets::new((0..20).map(|i| i % N_CLASSES), &device);
        let batch = MultimodalBatch::paired(inputs, targets.clone());

        struct Whole<B>(B);
        impl<B: Clone + Send + Sync> Batcher<usize, B> for Whole<B> {
            fn batch(&self, _: Vec<usize>, _: &Device) -> B {
                self.0.clone()
            }
        }
        let loader: Arc<dyn DataLoader<_>> = DataLoaderBuilder::new(Whole(batch.clone()))
            .batch_size(1)
            .build(InMemDataset::new(vec![0usize]));
        let evaluation = evaluate_subsets(&model, &*loader).unwrap();
        assert_eq!(evaluation.iter().count(), 7);
        for score in evaluation.iter() {
            let row: Vec<bool> = (0..3).map(|m| score.modalities.contains(&m)).collect();
            let mask = Presence::from_mask(row.repeat(20), 3).unwrap();
            let part = batch.clone().with_presence(&mask).unwrap();
            let prediction = model.predict(part).unwrap();
            let mut expected = burn_mla::evaluation::Confusion::new(N_CLASSES);
            let all: Vec<usize> = (0..20).collect();
            expected
                .add_logits(prediction.fused, targets.labels(), &all)
                .unwrap();
            assert_eq!(score.confusion, expected, "{:?}", score.modalities);
        }
    }
}

#[test]
fn a_label_that_is_no_class_is_named_by_the_subsets() {
    let device = Device::flex();
    let model = mlp_mla(MlaConfig::new(), rls(0.1), &device).valid();
    let mut samples = data(4, 0);
    samples[3].0 = N_CLASSES;
    let loader = masked(indexed(&samples, 4, None, &device), &Presence::all(4, 2));
    let error = evaluate_subsets(&model, &*loader).unwrap_err();
    assert!(
        error.to_string().starts_with("label 3 of sample 3"),
        "{error}"
    );
}

/// Masked rows of a batch that is on an autodiff device stay on the tape's device.
#[test]
fn inputs_keep_their_device_and_order() {
    let device = Device::flex().autodiff();
    let batch = Complete.batch(data(6, 0), &device);
    let first = values(batch.inputs.0.clone().unwrap().input);
    let inputs = batch.inputs.keep_present(&holes()).unwrap();
    let kept = inputs.0.unwrap();
    assert!(kept.input.device() == device);
    assert_eq!(values(kept.input), first[..4 * D_A]);
}

#[derive(Clone)]
struct Single(usize);

impl Batcher<usize, UnimodalBatch<Tensor<2>>> for Single {
    fn batch(&self, labels: Vec<usize>, device: &Device) -> UnimodalBatch<Tensor<2>> {
        let input = Tensor::zeros([labels.len(), self.0], device);
        UnimodalBatch::new(input, Targets::new(labels, device))
    }
}

/// With a number of turns each epoch starts at the first batches, goes round again where a data
/// set is short, and leaves the rest of a long one.
#[test]
fn unpaired_turns_go_round_the_short_data_set_and_start_over() {
    let single = |n: usize, width| {
        DataLoaderBuilder::new(Single(width))
            .batch_size(2)
            .set_device(Device::flex())
            .build(InMemDataset::new((0..n).collect()))
    };
    let loader = AlternatingLoader::unpaired((single(4, D_A), single(8, D_B)), RoundRobin)
        .unwrap()
        .with_epoch(EpochLength::Turns(6));
    for _ in 0..2 {
        let turns: Vec<(usize, Vec<i64>)> = loader
            .iter()
            .map(|turn| {
                let turn = turn.unwrap();
                let modality = MlpInputs::modality(&turn.input);
                (modality, turn.targets.labels().to_vec())
            })
            .collect();
        let expected = [
            (0, vec![0, 1]),
            (1, vec![0, 1]),
            (0, vec![2, 3]),
            (1, vec![2, 3]),
            (0, vec![0, 1]),
            (1, vec![4, 5]),
        ];
        assert_eq!(turns, expected);
    }
    assert_eq!((loader.step(), loader.skipped()), (12, 0));
    // The shortest ends it, whichever modality that is.
    let loader = AlternatingLoader::unpaired((single(8, D_A), single(4, D_B)), RoundRobin)
        .unwrap()
        .with_epoch(EpochLength::Shortest);
    assert_eq!(loader.iter().count(), 4);
}

/// A data set that leaves out a sample when several are read.
struct LeavesOut(Vec<Sample>);

impl burn::data::dataset::Dataset<Sample> for LeavesOut {
    fn get(&self, index: usize) -> std::result::Result<Sample, DatasetError> {
        Ok(self.0[index].clone())
    }

    fn get_many(&self, indexes: Vec<usize>) -> std::result::Result<Vec<Sample>, DatasetError> {
        let kept = indexes.into_iter().filter(|&index| index != 3);
        kept.map(|index| self.get(index)).collect()
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

/// A batcher that leaves out its first sample.
struct Shorter;

impl Batcher<Sample, Batch> for Shorter {
    fn batch(&self, samples: Vec<Sample>, device: &Device) -> Batch {
        Complete.batch(samples[1..].to_vec(), device)
    }
}

#[test]
fn a_sample_left_out_is_an_error_and_shifts_no_mask() {
    let samples = data(6, 0);
    let loader: Indexed = Arc::new(
        SeededLoader::new(
            WithIndex(LeavesOut(samples.clone())),
            WithIndex(Complete),
            6,
            1,
            &Device::flex(),
        )
        .unwrap(),
    );
    let message = |loader: Loader| loader.iter().next().unwrap().unwrap_err().to_string();
    let error = message(masked(loader, &Presence::all(6, 2)));
    assert!(
        error.contains("items of the data set (one per requested position): expected 6, got 5"),
        "{error}"
    );
    let builder = || DataLoaderBuilder::new(WithIndex(Shorter)).batch_size(4);
    let shorter = builder().build(WithIndex(InMemDataset::new(samples.clone())));
    let error = message(Arc::new(MappedLoader::with_samples(shorter)));
    assert!(error.contains("expected 3, got 4"), "{error}");
    let shorter = builder().build(WithIndex(InMemDataset::new(samples)));
    let error = message(masked(shorter, &holes()));
    assert!(error.contains("expected 3, got 4"), "{error}");
}

/// A complete mask drawn for data with gaps may leave a sample without modality; one drawn within the
/// gaps does not.
#[test]
fn masks_are_drawn_within_the_gaps_of_the_data() {
    let natural = holes();
    let loader = || {
        let loader = indexed(&data(6, 0), 6, None, &Device::flex());
        let natural = natural.clone();
        MappedLoader::new(loader, move |(samples, batch): IndexedBatch<MlpInputs>| {
            let batch = batch.with_presence(&natural.select(&samples)?)?;
            Ok((samples, batch))
        })
    };
    let rate = MissingRate::new(0.9, 3).unwrap();
    let first = |presence: &Presence| {
        let loader = MappedLoader::masked(Arc::new(loader()), presence.clone()).unwrap();
        let batch = loader.iter().next().unwrap();
        batch.map(|batch| batch.presence().unwrap())
    };
    let drawn = rate.presence("train", 6, 2).unwrap();
    let error = first(&drawn).unwrap_err().to_string();
    assert!(error.contains("of the data set)"), "{error}");
    let drawn = rate.presence_within("train", &natural).unwrap();
    assert_eq!(first(&drawn).unwrap(), drawn);
}

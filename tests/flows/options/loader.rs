//! Slices of loaders, wherever they begin, and what wrappers keep of a batch.

use std::sync::Arc;

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
use burn::data::dataset::InMemDataset;
use burn::tensor::{Device, Tensor};
use burn_mla::loader::{IndexedBatch, MappedLoader, SeededLoader, WithIndex};
use burn_mla::modality::{MissingRate, ModalityInputs, Presence, UnimodalBatch, ZeroImputation};
use burn_mla::prelude::*;

use crate::common::{D_A, D_B, MlpInputs, MlpTurn, devices, values};

/// Batches whose labels are their items.
struct Numbered;

impl Batcher<usize, MultimodalBatch<MlpInputs>> for Numbered {
    fn batch(&self, items: Vec<usize>, device: &Device) -> MultimodalBatch<MlpInputs> {
        let ones = |width| Tensor::ones([items.len(), width], device);
        MultimodalBatch::paired((ones(D_A), ones(D_B)), Targets::new(items, device))
    }
}

struct Single;

impl Batcher<usize, UnimodalBatch<Tensor<2>>> for Single {
    fn batch(&self, items: Vec<usize>, device: &Device) -> UnimodalBatch<Tensor<2>> {
        let input = Tensor::ones([items.len(), D_A], device);
        UnimodalBatch::new(input, Targets::new(items, device))
    }
}

struct Collect;

impl Batcher<usize, Vec<usize>> for Collect {
    fn batch(&self, items: Vec<usize>, _: &Device) -> Vec<usize> {
        items
    }
}

fn seeded(n: usize) -> SeededLoader<usize, Vec<usize>> {
    let items = InMemDataset::new((0..n).collect());
    SeededLoader::new(items, Collect, 4, 7, &Device::flex()).unwrap()
}

fn pass(loader: &dyn DataLoader<Vec<usize>>) -> Vec<usize> {
    let batches = loader.iter().map(|batch| batch.unwrap());
    batches.collect::<Vec<_>>().concat()
}

fn sorted(mut items: Vec<usize>) -> Vec<usize> {
    items.sort_unstable();
    items
}

#[test]
fn a_slice_of_a_slice_begins_within_it() {
    let whole = seeded(23);
    let part = whole.slice(5, 20);
    assert_eq!(sorted(pass(&*part)), (5..20).collect::<Vec<_>>());
    let inner = part.slice(3, 9);
    assert_eq!(inner.num_items(), 6);
    assert_eq!(sorted(pass(&*inner)), (8..14).collect::<Vec<_>>());
    // The end of the slice is the end of what is in it.
    let last = part.slice(10, 99);
    assert_eq!(sorted(pass(&*last)), (15..20).collect::<Vec<_>>());
    assert_eq!(part.slice(99, 100).num_items(), 0);
}

#[test]
fn a_slice_goes_on_with_the_passes_of_its_loader() {
    let orders: Vec<Vec<usize>> = {
        let slice = seeded(23).slice(5, 20);
        (0..4).map(|_| pass(&*slice)).collect()
    };
    assert!(orders[0] != orders[1] && orders[1] != orders[2]);
    let whole = seeded(23);
    for _ in 0..2 {
        pass(&whole);
    }
    let slice = whole.slice(5, 20);
    assert_eq!([pass(&*slice), pass(&*slice)], orders[2..]);
}

/// Modality and labels of each turn.
fn turns(loader: &dyn DataLoader<MlpTurn>) -> Vec<(usize, Vec<i64>)> {
    let turns = loader.iter().map(|turn| {
        let turn = turn.unwrap();
        let modality = MlpInputs::modality(&turn.input);
        (modality, turn.targets.labels().to_vec())
    });
    turns.collect()
}

fn paired(n: usize) -> Arc<dyn DataLoader<MultimodalBatch<MlpInputs>>> {
    DataLoaderBuilder::new(Numbered)
        .batch_size(2)
        .set_device(Device::flex())
        .build(InMemDataset::new((0..n).collect()))
}

#[test]
fn a_slice_of_turns_goes_on_with_the_schedule() {
    let loader = AlternatingLoader::paired(paired(8), 2, RoundRobin).unwrap();
    let loader = loader.with_step(1);
    // Items and modalities are counted together: the second half of both.
    let half = turns(&*loader.slice(8, 16));
    let expected = [
        (1, vec![4, 5]),
        (0, vec![4, 5]),
        (1, vec![6, 7]),
        (0, vec![6, 7]),
    ];
    assert_eq!(half, expected);
    assert_eq!(loader.step(), 1, "a slice counts on its own");
}

#[test]
fn a_slice_of_unpaired_data_is_a_share_of_each_modality() {
    let single = |n: usize| -> Arc<dyn DataLoader<UnimodalBatch<Tensor<2>>>> {
        DataLoaderBuilder::new(Single)
            .batch_size(2)
            .set_device(Device::flex())
            .build(InMemDataset::new((0..n).collect()))
    };
    let loaders = (single(4), single(8));
    let loader = AlternatingLoader::unpaired(loaders, RoundRobin).unwrap();
    let half = turns(&*loader.slice(6, 12));
    let expected = [
        (0, vec![2, 3]),
        (1, vec![4, 5]),
        (0, vec![2, 3]),
        (1, vec![6, 7]),
    ];
    assert_eq!(half, expected);
}

fn indexed(n: usize, device: &Device) -> Arc<dyn DataLoader<IndexedBatch<MlpInputs>>> {
    DataLoaderBuilder::new(WithIndex(Numbered))
        .batch_size(3)
        .set_device(device.clone())
        .build(WithIndex(InMemDataset::new(
            (0..n).map(|i| 100 + i).collect(),
        )))
}

type Batches = Vec<MultimodalBatch<MlpInputs>>;

fn batches(loader: &dyn DataLoader<MultimodalBatch<MlpInputs>>) -> Batches {
    loader.iter().map(|batch| batch.unwrap()).collect()
}

fn positions(batches: &Batches) -> Vec<Vec<usize>> {
    let positions = batches.iter().map(|batch| batch.samples.clone().unwrap());
    positions.collect()
}

#[test]
fn a_batch_has_the_positions_of_its_samples_in_slices_too() {
    for device in devices() {
        let loader = MappedLoader::with_samples(indexed(10, &device));
        let whole = positions(&batches(&loader));
        assert_eq!(whole.concat(), (0..10).collect::<Vec<_>>());
        let slice = loader.slice(4, 9);
        assert_eq!(slice.num_items(), 5);
        let part = batches(&*slice);
        let labels: Vec<i64> = part
            .iter()
            .flat_map(|b| b.targets.labels().to_vec())
            .collect();
        assert_eq!(labels, [104, 105, 106, 107, 108]);
        assert_eq!(positions(&part).concat(), [4, 5, 6, 7, 8]);
    }
}

/// Sample 1 of four lacks the first modality, sample 2 the second.
#[test]
fn masks_and_zeros_keep_the_positions_of_samples() {
    for device in devices() {
        let mask = [[true, true], [false, true], [true, false], [true, true]];
        let mask = Presence::from_mask(mask.concat(), 2).unwrap();
        let masked = MappedLoader::masked(indexed(4, &device), mask.clone()).unwrap();
        let found = batches(&masked);
        assert_eq!(positions(&found), [vec![0, 1, 2], vec![3]]);
        assert_eq!(
            found[0].presence().unwrap(),
            mask.select(&[0, 1, 2]).unwrap()
        );
        let slice = masked.slice(1, 3);
        let found = batches(&*slice);
        assert_eq!(positions(&found), [vec![1, 2]]);
        assert_eq!(found[0].presence().unwrap(), mask.select(&[1, 2]).unwrap());

        let template = ZeroImputation::like(&Numbered.batch(vec![0], &device)).unwrap();
        let filled = MappedLoader::zero_imputation(Arc::new(masked), template);
        let found = batches(&*filled.slice(1, 4));
        assert_eq!(positions(&found), [[1, 2, 3]]);
        let (first, second) = &found[0].inputs;
        let column = |input: &Option<ModalityInput<Tensor<2>>>| {
            let input = input.as_ref().unwrap().input.clone();
            values(input.slice([0..3, 0..1]))
        };
        assert_eq!(column(first), [0.0, 1.0, 1.0]);
        assert_eq!(column(second), [1.0, 0.0, 1.0]);
    }
}

/// `eta - eta^M / M` for `M` modalities.
#[test]
fn the_expected_share_of_missing_samples_is_that_of_the_formula() {
    let share = |n_modalities| {
        let half = MissingRate::new(0.5, 0).unwrap();
        half.expected_share(n_modalities)
    };
    assert_eq!([0, 1, 2, 4].map(share), [0.0, 0.0, 0.375, 0.484375]);
}

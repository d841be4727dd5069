//! Data sets in memory, their loaders and splits.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use burn_mla::dataset::InMemory;
use burn_mla::modality::{MissingRate, ModalityInput, Presence};
use burn_mla::prelude::*;

use crate::common::*;

type Inputs = (
    Option<ModalityInput<Tensor<2>>>,
    Option<ModalityInput<Vec<String>>>,
);

/// Six samples: the first modality holds the position, sample 1 lacks it; the second one is a word,
/// given in another order, which samples 0 and 4 lack.
fn small() -> InMemory<Inputs> {
    let row = |at: usize| (at != 1).then_some([at as f32, 10.0 * at as f32]);
    let rows: Vec<_> = (0..6).map(row).collect();
    let first = ModalityInput::from_rows(&rows, &Device::flex()).unwrap();
    let words = ["five", "three", "one", "two"].map(String::from).to_vec();
    let second = ModalityInput::rows(words, vec![5, 3, 1, 2]);
    InMemory::new((first, second), [0, 1, 2, 0, 1, 2]).unwrap()
}

#[test]
fn batches_hold_what_their_samples_have() {
    for device in devices() {
        let batch = small().batch(&[4, 2, 1], &device).unwrap();
        assert_eq!(batch.targets.labels(), [1, 2, 1]);
        assert_eq!(batch.samples, Some(vec![4, 2, 1]));
        let presence = batch.presence().unwrap();
        assert_eq!(
            (presence.rows(0), presence.rows(1)),
            (vec![0, 1], vec![1, 2])
        );
        let (first, second) = batch.inputs;
        let first = first.unwrap().input;
        assert_eq!(first.device(), device);
        assert_eq!(values(first), [4.0, 40.0, 2.0, 20.0]);
        assert_eq!(second.unwrap().input, ["two", "one"]);

        let none = small().batch(&[0], &device).unwrap();
        assert!(none.inputs.1.is_none());
        assert!(small().batch(&[6], &device).is_err());
    }
}

#[test]
fn loaders_give_every_sample_once() {
    for device in devices() {
        let ordered = small().in_order(4, &device).unwrap();
        let samples = ordered.iter().map(|batch| batch.unwrap().samples.unwrap());
        assert_eq!(samples.collect::<Vec<_>>(), [vec![0, 1, 2, 3], vec![4, 5]]);

        let shuffled = small().shuffled(4, 3, &device.clone().autodiff()).unwrap();
        assert_eq!(
            (shuffled.n_batches, shuffled.batches.loader.num_items()),
            (2, 6)
        );
        let pass = || -> Vec<usize> {
            let batches = &shuffled.batches.loader;
            let batches: Vec<_> = batches.iter().map(Result::unwrap).collect();
            assert!(batches[0].targets.tensor().device().is_autodiff());
            batches
                .into_iter()
                .flat_map(|batch| batch.samples.unwrap())
                .collect()
        };
        let (first, second) = (pass(), pass());
        assert_ne!(first, second);
        let mut all = first;
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3, 4, 5]);
    }
}

#[test]
fn a_mask_is_applied_to_every_part() {
    let device = Device::flex();
    let (labels, a, b) = samples(100, 1);
    let inputs = (matrix(a, D_A, &device), matrix(b, D_B, &device));
    let data = InMemory::paired(inputs, labels).unwrap();
    let mask = MissingRate::new(0.5, 0)
        .unwrap()
        .presence("train", 100, 2)
        .unwrap();
    let masked = data.with_presence(&mask).unwrap();
    assert_eq!(masked.presence().unwrap(), mask);
    assert!(data.presence().unwrap().is_complete());

    let (rest, held_out) = masked.stratified_split(0.3, 1).unwrap();
    let batch = held_out.batch(&[2, 0], &device).unwrap();
    let origins = held_out.origins();
    let expected = mask.select(&[origins[2], origins[0]]).unwrap();
    assert_eq!(batch.presence().unwrap(), expected);

    // Of a part: only its samples change.
    let first = Presence::from_mask([true, false].repeat(rest.len()), 2).unwrap();
    let has_first: Vec<usize> = (0..rest.len())
        .filter(|&at| rest.presence().unwrap().is_present(at, 0))
        .collect();
    let rest = rest.select(&has_first).unwrap();
    let first = first.select(&has_first).unwrap();
    let only = rest.with_presence(&first).unwrap();
    assert!(only.presence().unwrap().rows(1).is_empty());
    assert!(rest.with_presence(&Presence::all(3, 2)).is_err());
}

#[test]
fn malformed_data_are_refused_by_name() {
    let device = Device::flex();
    let pair = |n: usize| {
        (
            Some(ModalityInput::all(Tensor::<2>::zeros([n, 2], &device))),
            ModalityInput::rows(vec!["a".to_string()], vec![0]),
        )
    };
    let message =
        |n: usize, labels: Vec<usize>| InMemory::new(pair(n), labels).unwrap_err().to_string();
    assert_eq!(
        message(3, vec![0, 1]),
        "the input of modality 0 has 3 rows, expected 2: one per sample"
    );
    assert_eq!(message(0, vec![]), "the data set is empty");
    let none: Inputs = (None, ModalityInput::rows(vec!["a".to_string()], vec![0]));
    assert_eq!(
        InMemory::new(none, [0, 1]).unwrap_err(),
        MlaError::NothingPresent { sample: 1 }
    );
    let ragged = [Some(vec![1.0, 2.0]), None, Some(vec![1.0])];
    let error = ModalityInput::from_rows(&ragged, &device).unwrap_err();
    assert_eq!(error.to_string(), "values of a row: expected 2, got 1");
    assert!(
        ModalityInput::from_rows(&[None::<[f32; 2]>], &device)
            .unwrap()
            .is_none()
    );
    let error = ModalityInput::from_array(vec![1.0; 5], [2, 3], &device).unwrap_err();
    assert_eq!(error.to_string(), "values of an array: expected 6, got 5");
    let data = small();
    assert!(data.shuffled(0, 0, &device).is_err() && data.in_order(0, &device).is_err());
    assert!(data.select(&[]).is_err() && data.select(&[6]).is_err());
}

fn with_labels(labels: Vec<usize>) -> InMemory<MlpInputs> {
    let device = Device::flex();
    let n = labels.len();
    let inputs = (
        Tensor::zeros([n, D_A], &device),
        Tensor::zeros([n, D_B], &device),
    );
    InMemory::paired(inputs, labels).unwrap()
}

fn counts(data: &InMemory<MlpInputs>) -> Vec<usize> {
    (0..4)
        .map(|class| {
            data.labels()
                .iter()
                .filter(|&&label| label == class)
                .count()
        })
        .collect()
}

#[test]
fn a_stratified_split_keeps_the_shares_of_the_classes() {
    // 50, 30, 19 and 1 samples.
    let labels: Vec<usize> = (0..100)
        .map(|at| [50, 80, 99, 100].iter().position(|&end| at < end).unwrap())
        .collect();
    let data = with_labels(labels);
    let (rest, held_out) = data.stratified_split(0.1, 4).unwrap();
    assert_eq!(counts(&held_out), [5, 3, 2, 0]);
    assert_eq!(counts(&rest), [45, 27, 17, 1]);
    let mut all = [rest.origins(), held_out.origins()].concat();
    assert!(rest.origins().is_sorted() && held_out.origins().is_sorted());
    all.sort_unstable();
    assert_eq!(all, (0..100).collect::<Vec<_>>());
    let (_, again) = data.stratified_split(0.1, 4).unwrap();
    assert_eq!(again.origins(), held_out.origins());
    let (_, other) = data.stratified_split(0.1, 5).unwrap();
    assert_ne!(other.origins(), held_out.origins());
    let (rest, most) = data.stratified_split(0.999, 4).unwrap();
    assert_eq!(
        counts(&rest),
        [1; 4],
        "every class stays: {:?}",
        counts(&most)
    );
    for share in [0.0, 1.0, -0.1, f64::NAN] {
        let error = data.stratified_split(share, 0).unwrap_err();
        assert!(error.to_string().starts_with("held_out must be in (0, 1)"));
    }
    assert!(
        data.stratified_split(0.001, 0).is_err(),
        "a part would be empty"
    );
}

/// Another order needs another seed of everything that was split: the expected positions were computed by
/// ChaCha12 and the shuffle in Python.
#[test]
fn a_split_never_changes() {
    let data = with_labels(vec![0, 1, 0, 1, 0, 1, 0, 1, 0, 1]);
    let (_, held_out) = data.stratified_split(0.4, 3).unwrap();
    assert_eq!(held_out.origins(), [0, 5, 6, 9]);
    let groups = [0, 0, 1, 1, 2, 2, 3, 3, 4, 4];
    let (_, held_out) = data.grouped_split(&groups, 0.4, 3).unwrap();
    assert_eq!(held_out.origins(), [0, 1, 6, 7]);
}

#[test]
fn a_grouped_split_parts_no_group() {
    let data = with_labels((0..60).map(|at| at % 3).collect());
    let speakers: Vec<String> = (0..60).map(|at| format!("speaker {}", at % 7)).collect();
    for seed in 0..20 {
        let (rest, held_out) = data.grouped_split(&speakers, 0.3, seed).unwrap();
        assert!((10..=18).contains(&held_out.len()), "{}", held_out.len());
        let of = |data: &InMemory<MlpInputs>| -> Vec<usize> {
            data.origins().iter().map(|at| at % 7).collect()
        };
        let (rest, held_out) = (of(&rest), of(&held_out));
        assert!(held_out.iter().all(|speaker| !rest.contains(speaker)));
    }
    // No group fits: the smallest one.
    let halves: Vec<bool> = (0..60).map(|at| at < 35).collect();
    let (rest, held_out) = data.grouped_split(&halves, 0.1, 0).unwrap();
    assert_eq!((rest.len(), held_out.len()), (35, 25));
    assert!(data.grouped_split(&[0; 60], 0.3, 0).is_err());
    assert!(data.grouped_split(&[0; 59], 0.3, 0).is_err());
}

#[test]
fn samples_without_labels_are_only_predicted() {
    for device in devices() {
        let (_, a, b) = samples(6, 1);
        let inputs = (
            Some(ModalityInput::all(matrix(a, D_A, &device))),
            ModalityInput::rows(matrix(b[..2 * D_B].to_vec(), D_B, &device), vec![4, 0]),
        );
        let model = MlaConfig::new()
            .init_default(mlps(&device), linear_head(&device))
            .unwrap();
        let batch = MultimodalBatch::unlabelled(inputs.clone(), 6, &device);
        let labelled = MultimodalBatch::new(inputs.clone(), Targets::new([0; 6], &device));
        let predicted = model.valid().predict(batch.clone()).unwrap();
        let expected = model.valid().predict(labelled).unwrap();
        assert_eq!(values(predicted.fused), values(expected.fused));
        let refused = model.valid().try_evaluate(batch.clone()).unwrap_err();
        assert_eq!(refused, MlaError::NoLabel { sample: 0 });
        let turn = batch.into_turns().unwrap().swap_remove(0).unwrap();
        let refused = model.try_step(turn).map(|_| ()).unwrap_err();
        assert_eq!(refused, MlaError::NoLabel { sample: 0 });

        let data = InMemory::unlabelled(inputs, 6).unwrap();
        let batch = data
            .in_order(6, &device)
            .unwrap()
            .iter()
            .next()
            .unwrap()
            .unwrap();
        assert_eq!(batch.targets.labels(), [Targets::NO_LABEL; 6]);
        let error = data.stratified_split(0.5, 0).unwrap_err();
        assert_eq!(error, MlaError::NoLabel { sample: 0 });
    }
}

#[test]
fn a_sample_that_is_there_twice_has_one_mask() {
    let device = Device::flex();
    let (labels, a, b) = samples(3, 1);
    let data =
        InMemory::paired((matrix(a, D_A, &device), matrix(b, D_B, &device)), labels).unwrap();
    let twice = data.select(&[2, 2]).unwrap();
    let same = Presence::from_mask(vec![true, false, true, false], 2).unwrap();
    let masked = twice.with_presence(&same).unwrap();
    assert_eq!(masked.presence().unwrap(), same);
    let other = Presence::from_mask(vec![true, false, false, true], 2).unwrap();
    let error = twice.with_presence(&other).map(|_| ()).unwrap_err();
    assert_eq!(error, MlaError::RepeatedSample { sample: 1 });
}

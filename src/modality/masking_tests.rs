//! Tests of masking and imputation, which share their batches.

use burn::tensor::Device;

use crate::error::MlaError;
use crate::modality::{
    KeepPresent, ModalityInput, MultimodalBatch, Presence, Rows, Targets, ZeroImputation,
};

type Pair = (
    Option<ModalityInput<Vec<u32>>>,
    Option<ModalityInput<Vec<char>>>,
);

/// Samples 0, 1, 2; the second modality's rows are samples 2 and 0.
fn partial() -> MultimodalBatch<Pair> {
    let inputs = (
        Some(ModalityInput::all(vec![10, 11, 12])),
        ModalityInput::rows(vec!['c', 'a'], vec![2, 0]),
    );
    MultimodalBatch::new(inputs, Targets::new([0, 1, 0], &Device::flex()))
}

fn presence(rows: [[bool; 2]; 3]) -> Presence {
    Presence::from_mask(rows.concat(), 2).unwrap()
}

fn part<I: Clone>(part: &Option<ModalityInput<I>>) -> (I, Rows) {
    let part = part.clone().unwrap();
    (part.input, part.rows)
}

#[test]
fn a_partial_batch_keeps_what_is_in_both() {
    let mask = presence([[false, true], [true, true], [true, false]]);
    let batch = partial().with_presence(&mask).unwrap();
    assert_eq!(
        part(&batch.inputs.0),
        (vec![11, 12], Rows::Some(vec![1, 2]))
    );
    assert_eq!(part(&batch.inputs.1), (vec!['a'], Rows::Some(vec![0])));

    let without_second = presence([[true, false], [true, false], [true, false]]);
    let batch = partial().with_presence(&without_second).unwrap();
    assert!(batch.inputs.1.is_none());
    assert_eq!(
        part(&batch.inputs.0),
        (vec![10, 11, 12], Rows::All),
        "nothing is copied"
    );
}

#[test]
fn a_sample_that_loses_everything_is_named() {
    let mask = presence([[true, true], [false, true], [true, true]]);
    assert_eq!(
        partial().with_presence(&mask).unwrap_err(),
        MlaError::NothingPresent { sample: 1 }
    );
}

#[test]
fn a_presence_of_another_size_is_refused() {
    assert!(matches!(
        partial().with_presence(&Presence::all(4, 2)),
        Err(MlaError::Size {
            expected: 3,
            got: 4,
            ..
        })
    ));
    assert!(matches!(
        partial().with_presence(&Presence::all(3, 3)),
        Err(MlaError::ModalityCount {
            expected: 2,
            got: 3,
            ..
        })
    ));
}

#[test]
fn missing_rows_are_filled_with_zeros() {
    let batch = partial().with_zero_imputation().unwrap();
    assert_eq!(part(&batch.inputs.0), (vec![10, 11, 12], Rows::All));
    assert_eq!(part(&batch.inputs.1), (vec!['a', '\0', 'c'], Rows::All));
}

#[test]
fn the_shape_of_an_absent_modality_is_asked_for() {
    let mut batch = partial();
    batch.inputs.1 = None;
    let error = MlaError::UnknownShape { modality: 1 };
    assert_eq!(batch.clone().with_zero_imputation().unwrap_err(), error);
    assert_eq!(ZeroImputation::like(&batch).map(|_| ()).unwrap_err(), error);
    let filled = ZeroImputation::like(&partial())
        .unwrap()
        .fill(batch)
        .unwrap();
    assert_eq!(part(&filled.inputs.1), (vec!['\0'; 3], Rows::All));
}

#[test]
fn inputs_with_other_rows_than_they_say_are_named() {
    let mut batch = partial();
    batch.inputs.0 = Some(ModalityInput::all(vec![10, 11]));
    let error = MlaError::InputRows {
        modality: 0,
        expected: 3,
        got: 2,
    };
    assert_eq!(batch.clone().with_zero_imputation().unwrap_err(), error);
    let mask = presence([[true, false], [true, true], [true, true]]);
    assert_eq!(batch.with_presence(&mask).unwrap_err(), error);
}

#[test]
fn equal_modalities_in_a_vec_work_alike() {
    let inputs = vec![Some(ModalityInput::all(vec![1, 2])), None];
    let targets = Targets::new([0, 1], &Device::flex());
    let batch = MultimodalBatch::new(inputs, targets.clone());
    let like = MultimodalBatch::paired(vec![vec![5], vec![6]], Targets::new([0], &Device::flex()));
    let filled = ZeroImputation::like(&like).unwrap().fill(batch).unwrap();
    assert_eq!(part(&filled.inputs[1]), (vec![0, 0], Rows::All));

    let mask = Presence::from_mask(vec![true, false, false, true], 2).unwrap();
    let kept = filled.with_presence(&mask).unwrap();
    assert_eq!(part(&kept.inputs[0]), (vec![1], Rows::Some(vec![0])));
    assert_eq!(part(&kept.inputs[1]), (vec![0], Rows::Some(vec![1])));

    let three = MultimodalBatch::paired(vec![vec![1, 2]; 3], targets);
    let error = ZeroImputation::like(&like).unwrap().fill(three);
    assert!(matches!(error, Err(MlaError::ModalityCount { .. })));
}

/// The parts of an input of several tensors must have the same rows.
#[test]
fn parts_that_do_not_fit_name_the_modality() {
    let inputs = (
        Some(ModalityInput::all(vec![1, 2])),
        Some(ModalityInput::all((vec![1, 2], vec![3]))),
    );
    let mask = Presence::from_mask(vec![true, true, true, false], 2).unwrap();
    let error = inputs.keep_present(&mask).map(|_| ()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "modality 1: rows of the parts of an input: expected 2, got 1"
    );
}

#[test]
fn hidden_inputs_are_what_a_mask_removes() {
    let mask = presence([[false, true], [true, true], [true, false]]);
    let batch = partial().with_hidden(&mask).unwrap();
    assert_eq!(
        batch.presence().unwrap(),
        presence([[false, true], [true, false], [true, false]])
    );
    let hidden = batch.hidden.clone().unwrap();
    assert_eq!(part(&hidden.0), (vec![10], Rows::Some(vec![0])));
    assert_eq!(part(&hidden.1), (vec!['c'], Rows::Some(vec![2])));
    assert_eq!(
        batch.clone().with_hidden(&mask).unwrap_err(),
        MlaError::HiddenTwice
    );
    let turns = batch.into_turns().unwrap();
    let labels = |m: usize| turns[m].as_ref().unwrap().targets.len();
    assert_eq!([labels(0), labels(1)], [2, 1]);
    let nothing = partial().with_hidden(&Presence::all(3, 2)).unwrap();
    let hidden = nothing.hidden.unwrap();
    assert!(hidden.0.is_none() && hidden.1.is_none());
    assert!(partial().with_hidden(&Presence::all(3, 3)).is_err());
}

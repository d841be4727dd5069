//! Turns that are divided over several devices of this process.

mod methods;
mod statistics;
mod training;

use burn::tensor::Device;
use burn_mla::baseline::{JointConfig, LateFusionConfig, OgmConfig, SumConfig};
use burn_mla::dataset::InMemory;
use burn_mla::fit::fit_over;
use burn_mla::prelude::*;

use crate::alone;
use crate::common::*;
use crate::divided::{Outcome, TURNS_PER_EPOCH, Training, whole};

fn one() -> Outcome {
    let one = whole(&[Device::flex()]);
    assert_eq!(one.skipped, 2, "one batch of each epoch lacks a modality");
    assert_eq!(one.updates, 2 * TURNS_PER_EPOCH);
    one
}

/// Missing modalities, turns with fewer samples than devices, skipped turns, the projector.
#[test]
fn divided_turns_make_the_training_of_one_device() {
    let _alone = alone();
    let one = one();
    let other = devices().pop().unwrap();
    for devices in [
        vec![Device::flex(); 2],
        vec![Device::flex(), other.clone()],
        vec![other, Device::flex(), Device::flex()],
        vec![Device::flex(); 7],
    ] {
        let what = format!("{} devices", devices.len());
        let outcome = whole(&devices);
        assert_eq!(outcome.skipped, one.skipped);
        outcome.assert_close(&one, 1e-4, &what);
        // The order of sums does not depend on which device is faster.
        assert_eq!(whole(&devices).state, outcome.state, "{what}");
    }
}

#[test]
fn a_divided_training_resumes_on_any_number_of_devices() {
    let _alone = alone();
    let one = one();
    let devices = vec![Device::flex(); 3];
    let expected = whole(&devices);
    for (before, after) in [(3, 3), (3, 1), (1, 3), (2, 3)] {
        let folder = tempfile::tempdir().unwrap();
        let stopping = Training {
            stop_at: Some(9),
            ..Training::new(&devices[..before], folder.path())
        };
        let stopped = stopping.run().unwrap();
        assert!(stopped.updates > TURNS_PER_EPOCH && stopped.updates < 2 * TURNS_PER_EPOCH);
        let resumed = Training::new(&devices[..after], folder.path())
            .run()
            .unwrap();
        let what = format!("{before} devices, then {after}");
        resumed.assert_close(&one, 1e-4, &what);
        if before == after {
            assert_eq!(resumed.state, expected.state, "{what}");
            assert_eq!(resumed.history, expected.history, "{what}");
        }
    }
}

/// Losses whose parts do not add up to that of the batch.
#[test]
fn a_method_that_cannot_be_divided_is_refused() {
    let _alone = alone();
    let (device, training) = (Device::flex(), Device::flex().autodiff());
    let widths = vec![D_FEATURE; 2];
    let own_losses = LateFusionConfig::new(widths.clone(), N_CLASSES).with_unimodal_losses(true);
    let own_losses = own_losses.init(&training).unwrap();
    let own_losses = JointConfig::new()
        .init(mlps(&training), own_losses)
        .unwrap();
    let modulated = JointConfig::new().with_modulation(Some(OgmConfig::new(0.5)));
    let sum = SumConfig::new(widths, N_CLASSES).init(&training).unwrap();
    let modulated = modulated.init(mlps(&training), sum).unwrap();

    let (labels, a, b) = samples(8, 4);
    let input = |values: Vec<f32>, d: usize| {
        let rows: Vec<_> = values.chunks(d).map(|row| Some(row.to_vec())).collect();
        ModalityInput::from_rows(&rows, &device).unwrap()
    };
    let data = InMemory::new((input(a, D_A), input(b, D_B)), labels).unwrap();
    let train = || data.shuffled(4, 0, &device).unwrap();
    let valid = || data.in_order(4, &device).unwrap();
    let config = FitConfig::new(1).with_progress(false);
    let others = [device.clone()];
    let refused = [
        fit_over(own_losses.clone(), train(), valid(), &others, &config).map(drop),
        fit_over(modulated, train(), valid(), &others, &config).map(drop),
    ];
    for refused in refused {
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("cannot be divided"), "{error}");
    }
    // On its own device, the model trains as ever.
    fit_over(own_losses, train(), valid(), &[], &config).unwrap();
}

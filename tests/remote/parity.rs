//! Trainings on workers end where the same training on this machine ends.

use burn::tensor::Device;
use burn::train::{ExecutionStrategy, MultiDeviceOptim};

use crate::training::{Outcome, TURNS_PER_EPOCH, Training, whole};
use crate::worker::{connect_both, workers};

/// The order of sums differs: on a worker the projector takes the path of GPUs, and parts of a batch are
/// summed one after the other.
const ROUNDING: f64 = 1e-4;

/// The training on one flex device of this process, which has skipped turns and a used projector.
fn expected() -> Outcome {
    let expected = whole(&[Device::flex()]);
    assert_eq!(expected.skipped, 2);
    assert_eq!(expected.updates, 2 * TURNS_PER_EPOCH);
    let projector = expected
        .state
        .iter()
        .filter(|(path, _)| path.contains("projection"));
    assert!(projector.flat_map(|(_, of)| of).any(|x| x.abs() > 1e-3));
    expected
}

#[test]
fn workers_train_as_this_machine() {
    let expected = expected();
    for n in [1, 2, 3] {
        let (_workers, devices) = workers(n);
        let outcome = whole(&devices);
        assert_eq!(outcome.skipped, expected.skipped);
        outcome.assert_close(&expected, ROUNDING, &format!("{n} workers"));
        // And again: nothing is drawn or summed in another order.
        assert_eq!(whole(&devices).state, outcome.state, "{n} workers");
    }
}

/// Two devices of a worker, of this process, and of both kinds.
#[test]
fn devices_of_any_kind_share_a_batch() {
    let expected = expected();
    let (workers, mut devices) = workers(1);
    let both = connect_both(&workers[0].address);
    assert_eq!(both.len(), 2);
    whole(&both).assert_close(&expected, ROUNDING, "two of a worker");
    whole(&vec![Device::flex(); 2]).assert_close(&expected, ROUNDING, "flex twice");
    devices.push(Device::flex());
    whole(&devices).assert_close(&expected, ROUNDING, "a worker and flex");
    devices.reverse();
    whole(&devices).assert_close(&expected, ROUNDING, "flex and a worker");
}

/// A stop in the middle of the second epoch, then other devices.
#[test]
fn a_training_resumes_on_other_devices() {
    let expected = expected();
    let (_workers, remote) = workers(3);
    let local = [Device::flex()];
    let plans: [(&[Device], &[Device]); 5] = [
        (&remote[..1], &local),
        (&local, &remote[..1]),
        (&remote[..2], &local),
        (&remote, &remote[1..]),
        (&remote[..1], &remote[1..]),
    ];
    for (before, after) in plans {
        let what = format!("{} devices, then {}", before.len(), after.len());
        let folder = tempfile::tempdir().unwrap();
        let stopped = Training {
            stop_at: Some(9),
            ..Training::new(before, folder.path())
        };
        let stopped = stopped.run().unwrap();
        assert!(stopped.updates > TURNS_PER_EPOCH && stopped.updates < 2 * TURNS_PER_EPOCH);
        let resumed = Training::new(after, folder.path()).run().unwrap();
        resumed.assert_close(&expected, ROUNDING, &what);
    }
}

/// Resumed on as many workers as before, a training is the same bit for bit.
#[test]
fn a_training_on_workers_resumes_exactly() {
    for n in [1, 2] {
        let (_workers, devices) = workers(n);
        let expected = whole(&devices);
        let folder = tempfile::tempdir().unwrap();
        for stop_at in [3, 9] {
            let stopping = Training {
                stop_at: Some(stop_at),
                ..Training::new(&devices, folder.path())
            };
            stopping.run().unwrap();
        }
        let resumed = Training::new(&devices, folder.path()).run().unwrap();
        assert_eq!(resumed.state, expected.state, "{n} workers");
        assert_eq!(resumed.history, expected.history, "{n} workers");
    }
}

/// Burn's own strategy, whose devices read slices of the data.
#[test]
fn burns_strategy_for_several_devices_runs_on_workers() {
    let (_workers, devices) = workers(2);
    let autodiff = |devices: &[Device]| -> Vec<Device> {
        devices
            .iter()
            .map(|device| device.clone().autodiff())
            .collect()
    };
    let multi = |devices| ExecutionStrategy::multi(devices, MultiDeviceOptim::OptimMainDevice);
    let local = crate::training::with_burns_loop(multi(autodiff(&vec![Device::flex(); 2])));
    let remote = crate::training::with_burns_loop(multi(autodiff(&devices)));
    assert_eq!(remote.len(), local.len());
    for ((path, got), (_, expected)) in remote.iter().zip(&local) {
        let expected: Vec<f64> = expected.iter().map(|&x| f64::from(x)).collect();
        crate::common::close(got, &expected, ROUNDING, path);
    }
}

/// What the training needs from a device besides arithmetic.
#[test]
fn a_worker_seeds_its_random_numbers() {
    use burn::tensor::{Distribution, Tensor};
    let (_workers, devices) = workers(1);
    let draw = |seed| {
        devices[0].seed(seed);
        let drawn = Tensor::<1>::random([8], Distribution::Default, &devices[0]);
        crate::common::values(drawn)
    };
    let first = draw(3);
    assert_ne!(draw(4), first);
    assert_eq!(draw(3), first);
}

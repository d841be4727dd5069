//! Workers that die, hang, return or are others.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use burn::remote::ConnectError;
use burn::tensor::Device;
use burn_mla::MlaError;
use burn_mla::checkpoint::CheckpointStore;

use crate::proxy::Proxy;
use crate::training::{Event, TURNS_PER_EPOCH, Training, whole};
use crate::worker::{Worker, connect};

/// The batch before which a fault happens, in the second epoch.
const FAULT: usize = 9;

fn at_the_fault(act: impl Fn() + Send + Sync + 'static) -> Option<Event> {
    let event: Event = Arc::new(move |batch| {
        if batch == FAULT {
            act();
        }
    });
    Some(event)
}

fn assert_names(error: &MlaError, address: &str) {
    let port = address.rsplit(':').next().unwrap();
    assert!(matches!(error, MlaError::LostDevices { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("127.0.0.1") && text.contains(port),
        "{text}, of {address}"
    );
}

/// The last checkpoint is whole, of a turn before the fault, and the training resumes from it on `devices`.
fn assert_resumes(folder: &Path, devices: &[Device]) {
    let store = CheckpointStore::open(folder.join("checkpoints")).unwrap();
    let turns = store.latest().unwrap().unwrap().progress.turns;
    assert!(
        (TURNS_PER_EPOCH..2 * TURNS_PER_EPOCH).contains(&turns),
        "{turns}"
    );
    let resumed = Training::new(devices, folder).run().unwrap();
    resumed.assert_close(&whole(&[Device::flex()]), 1e-4, "resumed after a fault");
}

#[test]
fn a_worker_that_is_killed_ends_the_training_with_its_name() {
    for (n, victim) in [(1, 0), (2, 0), (2, 1)] {
        let workers: Vec<_> = (0..n).map(|_| Worker::start()).collect();
        let connected = workers
            .iter()
            .map(|worker| connect(&worker.address).unwrap());
        let devices: Vec<_> = connected.collect();
        let address = workers[victim].address.clone();
        let workers = Arc::new(Mutex::new(workers));
        let killed = workers.clone();
        let folder = tempfile::tempdir().unwrap();
        let training = Training {
            event: at_the_fault(move || killed.lock().unwrap()[victim].kill()),
            ..Training::new(&devices, folder.path())
        };
        assert_names(&training.run().unwrap_err(), &address);

        // On what is left, or on another worker.
        let another = Worker::start();
        let left = match n {
            1 => another.address.clone(),
            _ => workers.lock().unwrap()[1 - victim].address.clone(),
        };
        assert_resumes(folder.path(), &[connect(&left).unwrap()]);
    }
}

/// The connection ends within a message.
#[test]
fn a_worker_that_is_cut_off_within_a_step_ends_the_training_with_its_name() {
    for bytes in [1, 3000, 20_000] {
        let workers = [Worker::start(), Worker::start()];
        let proxy = Arc::new(Proxy::before(&workers[1].address));
        let devices = [
            connect(&workers[0].address).unwrap(),
            connect(&proxy.address).unwrap(),
        ];
        let cut = proxy.clone();
        let folder = tempfile::tempdir().unwrap();
        let training = Training {
            event: at_the_fault(move || cut.cut_after(bytes)),
            ..Training::new(&devices, folder.path())
        };
        assert_names(&training.run().unwrap_err(), &proxy.address);
        assert_resumes(folder.path(), &[connect(&workers[0].address).unwrap()]);
    }
}

#[test]
fn a_worker_that_hangs_ends_the_training_after_the_time_limit() {
    let workers = [Worker::start(), Worker::start()];
    let proxy = Arc::new(Proxy::before(&workers[1].address));
    let devices = [
        connect(&workers[0].address).unwrap(),
        connect(&proxy.address).unwrap(),
    ];
    let stalled = proxy.clone();
    let folder = tempfile::tempdir().unwrap();
    let training = Training {
        event: at_the_fault(move || stalled.stall()),
        time_limit: Some(Duration::from_secs(10)),
        ..Training::new(&devices, folder.path())
    };
    let start = Instant::now();
    let error = training.run().unwrap_err();
    assert_names(&error, &proxy.address);
    assert!(error.to_string().contains("no answer in 10s"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(60));
    assert_resumes(folder.path(), &[connect(&workers[0].address).unwrap()]);
}

/// With a limit that no worker reaches, nothing changes.
#[test]
fn a_time_limit_changes_no_training() {
    let worker = Worker::start();
    let devices = [connect(&worker.address).unwrap(), Device::flex()];
    let expected = whole(&devices);
    let folder = tempfile::tempdir().unwrap();
    let training = Training {
        time_limit: Some(Duration::from_secs(120)),
        ..Training::new(&devices, folder.path())
    };
    assert_eq!(training.run().unwrap().state, expected.state);
}

/// Burn does not open a session again: a worker that returns serves new ones.
#[test]
fn a_worker_that_returns_serves_new_sessions_only() {
    let mut worker = Worker::start();
    let before = connect(&worker.address).unwrap();
    before.sync().unwrap();
    worker.kill();
    let returned = Worker::start_at(worker.port());
    assert_eq!(returned.address, worker.address);
    let folder = tempfile::tempdir().unwrap();
    let devices = [Device::flex(), before];
    let error = Training::new(&devices, folder.path()).run().unwrap_err();
    assert_names(&error, &returned.address);

    let folder = tempfile::tempdir().unwrap();
    let devices = [connect(&returned.address).unwrap()];
    Training::new(&devices, folder.path()).run().unwrap();
}

#[test]
fn a_worker_of_another_version_is_refused_by_name() {
    let worker = Worker::start();
    let proxy = Proxy::before(&worker.address);
    proxy.change_version();
    let error = connect(&proxy.address).unwrap_err();
    let ConnectError::IncompatibleProtocol {
        client_version,
        server_version,
    } = error
    else {
        panic!("{error}");
    };
    assert_eq!(server_version, client_version + 1);
    // The proxy changes one answer.
    connect(&proxy.address).unwrap();
}

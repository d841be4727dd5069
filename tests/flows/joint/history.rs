//! The history of losses in QMF.

use burn::module::Module;
use burn::store::ModuleRecord;

use super::*;

/// The history of a model, `[N_DATA, 2 M]`.
fn history(model: &MlpJoint) -> Vec<f32> {
    let state = state(model);
    let found = state.iter().find(|(path, _)| path.ends_with("history"));
    found.unwrap().1.clone()
}

/// What a batch of three modalities adds to the history, from the model's own predictions.
fn added(model: &MlpJoint, batch: Batch, into: &mut [f64]) {
    let ids = batch.samples.clone().unwrap();
    let labels = batch.targets.labels().to_vec();
    let mask = batch.presence().unwrap();
    let each = model.valid().predict(batch).unwrap().modalities;
    for modality in 0..3 {
        let logits = rows(each.modality(modality));
        for row in mask.rows(modality) {
            let at = ids[row] * 6 + modality;
            into[at] += cross_entropy(&logits[row], labels[row] as usize);
            into[at + 3] += 1.0;
        }
    }
}

/// Samples that repeat within a batch and across two batches.
fn batches(device: &Device) -> Vec<Batch> {
    let mask = presence(&[
        [true, false, true],
        [true, true, true],
        [false, true, false],
        [true, true, true],
    ]);
    let ids = [vec![7, 3, 39, 7], vec![0, 1, 7, 2], vec![7, 3, 7, 3]];
    let samples_of = |(seed, ids): (usize, Vec<usize>)| {
        let batch = batch_of(4, 3, seed as u64, device)
            .with_presence(&mask)
            .unwrap();
        batch.with_samples(ids)
    };
    ids.into_iter().enumerate().map(samples_of).collect()
}

#[test]
fn losses_and_counts_add_up_by_sample() {
    for device in devices() {
        let device = device.autodiff();
        let mut model = joint(Kind::Qmf, 3, JointConfig::new(), &device);
        let mut optimizer = sgd();
        let mut expected = vec![0.0; N_DATA * 6];
        for batch in batches(&device) {
            added(&model, batch.clone(), &mut expected);
            update(&mut model, &mut optimizer, 0.05, batch);
            close(&history(&model), &expected, 1e-5, "history");
        }
        assert_eq!(
            expected[7 * 6 + 3..][..3],
            [3.0, 3.0, 3.0],
            "sample 7 counts"
        );
    }
}

#[test]
fn a_step_alone_remembers_nothing() {
    let device = Device::flex().autodiff();
    let model = joint(Kind::Qmf, 3, JointConfig::new(), &device);
    let before = state(&model);
    for batch in batches(&device) {
        model.try_step(batch).unwrap();
    }
    assert_eq!(state(&model), before);
}

#[test]
fn the_history_is_saved_with_the_model() {
    for device in devices() {
        let device = device.autodiff();
        let mut model = joint(Kind::Qmf, 3, JointConfig::new(), &device);
        for batch in batches(&device) {
            update(&mut model, &mut sgd(), 0.05, batch);
        }
        let bytes = model.clone().into_record().into_bytes().unwrap();
        let fresh = joint(Kind::Qmf, 3, JointConfig::new(), &device);
        let record = ModuleRecord::from_bytes(bytes).unwrap();
        let mut loaded = fresh.try_load_record(record).unwrap();
        assert_eq!(loaded.n_steps(), 3);
        assert_eq!(state(&loaded), state(&model));
        for batch in batches(&device) {
            let expected = update(&mut model, &mut sgd(), 0.05, batch.clone());
            assert_eq!(update(&mut loaded, &mut sgd(), 0.05, batch), expected);
        }
        assert_eq!(state(&loaded), state(&model));
        // On every backend.
        for other in devices() {
            let moved = model.clone().fork(&other.clone().autodiff());
            assert!(moved.devices().iter().all(|device| *device == other));
            assert_eq!(history(&moved), history(&model));
        }
    }
}

#[test]
fn samples_that_are_not_told_are_errors() {
    for device in devices() {
        let device = device.autodiff();
        let model = joint(Kind::Qmf, 2, JointConfig::new(), &device);
        let before = state(&model);
        let batch = batch_of(4, 2, 0, &device);
        let error = |samples: Option<Vec<usize>>| {
            let batch = Batch {
                samples,
                ..batch.clone()
            };
            model.try_step(batch).map(|_| ()).unwrap_err()
        };
        assert_eq!(error(None), MlaError::UnknownSamples);
        assert_eq!(
            error(Some(vec![0, 1, N_DATA, 2])),
            MlaError::RowOutOfRange {
                row: N_DATA,
                n_rows: N_DATA
            }
        );
        for n in [0, 3, 5] {
            assert_eq!(
                error(Some((0..n).collect())),
                MlaError::Size {
                    what: "positions of samples (one per label)",
                    expected: 4,
                    got: n
                }
            );
        }
        assert_eq!(state(&model), before);
        // Predictions need no positions.
        let plain = device.clone().inner();
        let batch = batch_of(4, 2, 0, &plain);
        let batch = Batch {
            samples: None,
            ..batch
        };
        assert!(model.valid().try_evaluate(batch).is_ok());
    }
}

#[test]
fn without_ranking_no_sample_needs_to_be_told() {
    for device in devices() {
        let device = device.autodiff();
        let config = QmfConfig::new(FEATURES[..2].to_vec(), N_CLASSES, 1);
        let head = config.with_ranking_weight(0.0).init(&device).unwrap();
        let head = AnyHead::Qmf(head);
        let mut model = JointConfig::new().init(encoders(2, &device), head).unwrap();
        let batch = Batch {
            samples: None,
            ..batch_of(4, 2, 0, &device)
        };
        update(&mut model, &mut sgd(), 0.05, batch);
        assert_eq!(history(&model), [0.0; 4]);
    }
}

#[test]
fn values_out_of_range_are_refused() {
    let device = Device::flex();
    let config = || QmfConfig::new(vec![3, 4], 2, 5);
    let error = |config: QmfConfig| config.init(&device).map(|_| ()).unwrap_err().to_string();
    for weight in [-1.0, f64::NAN, f64::INFINITY] {
        let error = error(config().with_ranking_weight(weight));
        assert!(
            error.starts_with("ranking_weight must be finite and >= 0"),
            "{error}"
        );
    }
    assert_eq!(
        error(QmfConfig::new(vec![3, 4], 2, 0)),
        "n_data must be at least 1, got 0"
    );
}

/// Shortest time of a step and its update.
fn time_of_a_step(n_data: usize, device: &Device) -> std::time::Duration {
    let head = QmfConfig::new(FEATURES[..2].to_vec(), N_CLASSES, n_data);
    let head = AnyHead::Qmf(head.init(device).unwrap());
    let mut model = JointConfig::new().init(encoders(2, device), head).unwrap();
    let mut optimizer = sgd();
    let mut step = |seed| {
        let batch = batch_of(16, 2, seed, device);
        let batch = batch.with_samples((0..16).map(|i| i * 7919 % n_data).collect());
        let start = std::time::Instant::now();
        update(&mut model, &mut optimizer, 0.05, batch);
        start.elapsed()
    };
    (0..8).map(&mut step).min().unwrap()
}

/// When each step went through the whole history, the second took 80 times as long.
#[test]
fn a_step_costs_the_same_however_many_samples_there_are() {
    for device in devices() {
        let device = device.autodiff();
        let few = time_of_a_step(1000, &device);
        let many = time_of_a_step(1_000_000, &device);
        assert!(many < 5 * few, "{few:?} and {many:?}");
    }
}

#[test]
fn a_history_that_fits_no_memory_is_refused() {
    let config = QmfConfig::new(vec![3, 4], 2, usize::MAX);
    let error = config.init(&Device::flex()).map(|_| ()).unwrap_err();
    assert!(error.to_string().starts_with("n_data must be"), "{error}");
}

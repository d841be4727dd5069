//! Whole trainings in one call.

use std::sync::Arc;

use burn::data::dataloader::DataLoader;
use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::module::Module;
use burn::optim::AdamWConfig;
use burn::tensor::Device;
use burn::train::{Interrupter, SupervisedTraining};
use burn_mla::baseline::{
    ConcatConfig, Joint, JointConfig, JointHead, LateFusionConfig, QmfConfig,
};
use burn_mla::checkpoint::{CheckpointError, CheckpointStore, Monitor, ResumableTraining};
use burn_mla::dataset::InMemory;
use burn_mla::evaluation::fit_temperatures;
use burn_mla::fit::{Ending, FitError, Fitted, fit_held_out};
use burn_mla::fusion::{MeanFusion, fit_temperature};
use burn_mla::loader::{MappedLoader, TrainingData};
use burn_mla::loss::BinaryCrossEntropy;
use burn_mla::method::MultimodalMethod;
use burn_mla::modality::Presence;
use burn_mla::prelude::*;

use crate::common::*;

type Model = DefaultMla<(MlpEncoder, MlpEncoder), LinearHead>;

fn model(device: &Device) -> Model {
    let model = MlaConfig::new().init_default(mlps(device), linear_head(device));
    let mut model = model.unwrap();
    model.encoders = set_parameters(model.encoders, 1);
    model.head = set_parameters(model.head, 2);
    model
}

fn data(n: usize, seed: u64) -> InMemory<MlpInputs> {
    let (labels, a, b) = samples(n, seed);
    let device = Device::flex();
    let inputs = (matrix(a, D_A, &device), matrix(b, D_B, &device));
    InMemory::paired(inputs, labels).unwrap()
}

fn train(device: &Device) -> TrainingData<MlpInputs> {
    data(30, 1).shuffled(8, 5, device).unwrap()
}

fn valid(device: &Device) -> Arc<dyn DataLoader<MultimodalBatch<MlpInputs>>> {
    data(40, 2).in_order(16, device).unwrap()
}

fn quiet(n_epochs: usize) -> FitConfig {
    FitConfig::new(n_epochs)
        .with_progress(false)
        .with_learning_rate(0.05)
}

fn run(config: &FitConfig, device: &Device) -> Result<Fitted<Model>, FitError> {
    let device = device.clone().autodiff();
    fit(model(&device), train(&device), valid(&device), config)
}

/// The training that `fit` replaces, wired up by hand.
fn by_hand(n_epochs: usize, device: &Device) -> Model {
    let device = device.clone().autodiff();
    let folder = tempfile::tempdir().unwrap();
    let (model, batches) = (model(&device), train(&device));
    let turns = AlternatingLoader::paired(batches.batches, 2, RoundRobin).unwrap();
    let store = CheckpointStore::open(folder.path()).unwrap();
    let resumable = ResumableTraining::new(&device, store, turns.handle());
    // Four batches of each of two modalities.
    let schedule = CosineAnnealingLrSchedulerConfig::new(0.05, 8 * n_epochs);
    let training = SupervisedTraining::new(folder.path(), Arc::new(turns), valid(&device))
        .with_application_logger(None)
        .num_epochs(n_epochs);
    let (optimizer, schedule) = (AdamWConfig::new().init(), schedule.init().unwrap());
    let (result, _) = resumable
        .launch(training, model, optimizer, schedule)
        .unwrap();
    assert!(result.error.is_none());
    result.model
}

#[test]
fn it_trains_as_the_code_that_it_replaces() {
    for device in devices() {
        let config = quiet(2)
            .with_schedule(|turns| {
                assert_eq!((turns.per_epoch, turns.total), (8, 16));
                CosineAnnealingLrSchedulerConfig::new(0.05, turns.total).init()
            })
            .with_best(false)
            .with_calibration(false);
        let fitted = run(&config, &device).unwrap();
        assert_eq!(state(&fitted.model), state(&by_hand(2, &device)));
        assert_eq!((fitted.epoch, fitted.calibration), (Some(2), None));
        assert_eq!(fitted.ending, Ending::Epochs);
        assert_eq!(fitted.history.epochs.len(), 2);
    }
}

/// Trains, and checks the parts of the result against each other.
fn check_method<M: MultimodalMethod<Inputs = MlpInputs>>(
    method: M,
    temperatures: bool,
    fused: bool,
    device: &Device,
) {
    let fitted = fit(method, train(device), valid(device), &quiet(4)).unwrap();
    let epoch = fitted.history.best_epoch(Monitor::FusedAccuracy);
    assert_eq!(fitted.epoch, epoch);
    let device = device.clone().without_autodiff();
    assert_eq!(fitted.model.devices(), std::slice::from_ref(&device));
    let calibration = fitted.calibration.unwrap();
    let found = fit_temperatures(&fitted.model, &*valid(&device)).unwrap();
    assert_eq!(calibration.modalities, temperatures.then_some(found));
    assert_eq!(calibration.fused.is_some(), fused);
}

#[test]
fn every_method_is_trained_and_calibrated() {
    for device in devices() {
        let device = device.autodiff();
        check_method(model(&device), true, false, &device);
        let uncalibrated = model(&device).with_fusion(MeanFusion).unwrap();
        check_method(uncalibrated, false, false, &device);

        let widths = vec![D_FEATURE; 2];
        let late = LateFusionConfig::new(widths.clone(), N_CLASSES).with_unimodal_losses(true);
        let late = late.init(&device).unwrap();
        check_method(joint(late, &device), true, true, &device);
        let concat = ConcatConfig::new(widths.clone(), N_CLASSES).init(&device);
        check_method(joint(concat.unwrap(), &device), false, true, &device);
        let qmf = QmfConfig::new(widths, N_CLASSES, 30).init(&device).unwrap();
        check_method(joint(qmf, &device), false, true, &device);
    }
}

fn joint<H: JointHead>(head: H, device: &Device) -> Joint<(MlpEncoder, MlpEncoder), H> {
    JointConfig::new().init(mlps(device), head).unwrap()
}

/// The fused logits of all samples of a loader.
fn fused_logits<M: MultimodalMethod<Inputs = MlpInputs>>(
    model: &M,
    device: &Device,
) -> (burn::tensor::Tensor<2>, Targets) {
    let (mut logits, mut labels) = (vec![], vec![]);
    for batch in valid(device).iter() {
        let output = model.try_inference_step(batch.unwrap()).unwrap();
        labels.extend_from_slice(output.targets.labels());
        logits.extend(values(output.logits));
    }
    let targets = Targets::from_labels(labels, device);
    (matrix(logits, N_CLASSES, device), targets)
}

#[test]
fn temperatures_enter_the_predictions_of_a_joint_model() {
    for device in devices() {
        let head = LateFusionConfig::new(vec![D_FEATURE; 2], N_CLASSES);
        let head = head.init(&device).unwrap();
        let mut model = JointConfig::new().init(mlps(&device), head).unwrap();
        model.encoders = set_parameters(model.encoders, 1);
        model.head = set_parameters(model.head, 2);
        let model = model.valid();
        let plain = model.predict(batch(5, 3, &device)).unwrap();
        let each = [0, 1].map(|m| values(plain.modalities.modality(m)));

        let mut calibrated = model.clone();
        assert!(calibrated.set_temperatures(&[2.0, 0.5]).unwrap());
        assert!(calibrated.set_fused_temperature(4.0).unwrap());
        let found = calibrated.predict(batch(5, 3, &device)).unwrap();
        // The mean of z_0 / 2 and z_1 / 0.5, divided by 4.
        let pairs = each[0].iter().zip(&each[1]);
        let expected: Vec<f64> = pairs
            .map(|(&a, &b)| (f64::from(a) / 2.0 + f64::from(b) * 2.0) / 2.0 / 4.0)
            .collect();
        close(&values(found.fused), &expected, 1e-6, "fused");
        assert_eq!(
            values(found.modalities.modality(1)),
            each[1],
            "unimodal ones stay"
        );

        let output = calibrated.try_evaluate(batch(5, 3, &device)).unwrap();
        let both = output
            .evaluated
            .unwrap()
            .fuse(&[0, 1, 2, 3, 4], &[0, 1])
            .unwrap();
        close(&values(both), &expected, 1e-6, "subset of both");

        let record = calibrated.clone().into_record();
        let loaded = model.clone().try_load_record(record).unwrap();
        let loaded = loaded.predict(batch(5, 3, &device)).unwrap();
        close(&values(loaded.fused), &expected, 1e-6, "loaded");

        assert!(calibrated.set_temperatures(&[1.0]).is_err());
        assert!(calibrated.set_fused_temperature(0.0).is_err());

        let (calibrated, calibration) =
            burn_mla::evaluation::calibrate(calibrated, &*valid(&device)).unwrap();
        let (logits, targets) = fused_logits(&calibrated, &device);
        let fused = calibration.fused.unwrap();
        let expected = fit_temperature(logits.clone() * fused, &targets).unwrap();
        assert!((fused / expected - 1.0).abs() < 1e-3, "{fused}, {expected}");
    }
}

#[test]
fn the_best_epoch_is_returned() {
    for device in devices() {
        // A learning rate that grows from turn to turn: first it learns, then it forgets.
        let config = quiet(6)
            .with_schedule(|turns| {
                let steps = turns.total.max(2);
                burn::lr_scheduler::linear::LinearLrSchedulerConfig::new(1e-4, 1.0, steps).init()
            })
            .with_monitor(Monitor::FusedLoss)
            .with_calibration(false);
        let fitted = run(&config, &device).unwrap();
        let epoch = fitted.epoch.unwrap();
        assert!(epoch < 6, "the last epoch is the best one");
        let expected = fitted.history.epochs[epoch - 1]
            .validation
            .as_ref()
            .unwrap();
        let found = evaluate(&fitted.model, &*valid(&device)).unwrap();
        assert_eq!(found.fused.accuracy(), expected.fused_accuracy);
        assert!((found.loss - expected.fused_loss).abs() < 1e-6);

        let config = config.with_patience(1);
        let stopped = run(&config, &device).unwrap();
        assert_eq!(stopped.ending, Ending::Patience);
        let epoch = stopped.epoch.unwrap();
        assert_eq!(stopped.history.epochs.len(), epoch + 1);
        let last = run(&config.with_best(false), &device).unwrap();
        assert_eq!(last.epoch, Some(epoch + 1));
        assert_ne!(state(&last.model), state(&stopped.model));
    }
}

#[test]
fn the_same_call_resumes() {
    for device in devices() {
        let folder = tempfile::tempdir().unwrap();
        let config = |n_epochs| quiet(n_epochs).with_directory(folder.path());
        let whole = run(&quiet(3), &device).unwrap();
        run(&config(1), &device).unwrap();
        let resumed = run(&config(3), &device).unwrap();
        assert_eq!(resumed.history, whole.history);
        assert_eq!(state(&resumed.model), state(&whole.model));
        assert_eq!(resumed.calibration, whole.calibration);
        assert!(folder.path().join("metrics.csv").exists());
        // A finished training is returned again.
        let again = run(&config(3), &device).unwrap();
        assert_eq!(state(&again.model), state(&whole.model));

        let other = run(&config(3).with_monitor(Monitor::FusedLoss), &device);
        assert!(matches!(
            other.unwrap_err(),
            FitError::Checkpoint(CheckpointError::Unusable { .. })
        ));
        std::fs::remove_file(folder.path().join("best.ckpt")).unwrap();
        if whole.epoch != Some(3) {
            let lost = run(&config(3), &device).unwrap_err();
            assert!(matches!(lost, FitError::BestEpochLost { .. }), "{lost}");
        }
    }
}

#[test]
fn an_interruption_ends_with_a_checkpoint() {
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    let interrupter = Interrupter::new();
    interrupter.stop(Some("enough"));
    let config = quiet(2).with_directory(folder.path());
    let stopped = run(&config.clone().with_interrupter(interrupter), &device).unwrap();
    assert_eq!(stopped.ending, Ending::Interrupted(Some("enough".into())));
    assert_eq!((stopped.epoch, stopped.calibration), (None, None));
    let resumed = run(&config, &device).unwrap();
    assert_eq!(
        state(&resumed.model),
        state(&run(&quiet(2), &device).unwrap().model)
    );
}

#[test]
fn a_model_without_autodiff_is_trained_too() {
    for device in devices() {
        let plain = model(&device.clone().autodiff()).valid();
        let plain = fit(plain, train(&device), valid(&device), &quiet(2)).unwrap();
        let expected = run(&quiet(2), &device).unwrap();
        assert_eq!(state(&plain.model), state(&expected.model));
        // Its parameters are not drawn yet.
        let model = MlaConfig::new().init_default(mlps(&device), linear_head(&device));
        let model = model.unwrap();
        let fitted = fit(model, train(&device), valid(&device), &quiet(1)).unwrap();
        assert_eq!(fitted.epoch, Some(1));
    }
}

#[test]
fn a_part_is_held_out() {
    let device = Device::flex().autodiff();
    let data = data(42, 1);
    let fitted = fit_held_out(model(&device), &data, 1.0 / 7.0, 8, &quiet(2)).unwrap();
    let (rest, held_out) = data.stratified_split(1.0 / 7.0, 0).unwrap();
    assert_eq!((rest.len(), held_out.len()), (36, 6));
    let train = rest.shuffled(8, 0, &device).unwrap();
    let valid = held_out.in_order(128, &device).unwrap();
    let expected = fit(model(&device), train, valid, &quiet(2)).unwrap();
    assert_eq!(state(&fitted.model), state(&expected.model));
    assert_eq!(fitted.calibration, expected.calibration);
}

#[test]
fn what_cannot_be_trained_is_refused() {
    let device = Device::flex().autodiff();
    let message = |config: FitConfig| run(&config, &Device::flex()).unwrap_err().to_string();
    assert_eq!(message(quiet(0)), "n_epochs must be at least 1, got 0");
    assert_eq!(
        message(quiet(1).with_learning_rate(f64::NAN)),
        "learning_rate must be finite and > 0, got NaN"
    );
    assert_eq!(
        message(quiet(1).with_names(["audio"])),
        "names of modalities: expected 2, got 1"
    );
    assert_eq!(
        message(quiet(1).with_schedule(|_| Err::<f64, _>("no".to_string()))),
        "learning-rate schedule: no"
    );
    let none = valid(&device).slice(0, 0);
    let error = fit(model(&device), train(&device), none, &quiet(1)).unwrap_err();
    assert_eq!(error.to_string(), "the validation data is empty");

    let (labels, mut a, b) = samples(30, 1);
    a[7] = f32::NAN;
    let inputs = (matrix(a, D_A, &device), matrix(b, D_B, &device));
    let spoilt = InMemory::paired(inputs, labels).unwrap();
    let spoilt = spoilt.shuffled(8, 5, &device).unwrap();
    let error = fit(model(&device), spoilt, valid(&device), &quiet(1)).unwrap_err();
    let message = error.to_string();
    assert!(
        message.starts_with("non-finite features of modality 0 at step 0 (sample "),
        "{message}"
    );
    assert!(message.ends_with(", 1 of the data set)"), "{message}");
}

#[test]
fn options_reach_the_training() {
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("checkpoints");
    let table = folder.path().join("table.csv");
    let config = quiet(1)
        .with_directory(&directory)
        .with_table(&table)
        .with_names(["audio", "text"])
        .with_every(3)
        .with_configuration(&"first")
        .unwrap();
    let first = run(&config, &device).unwrap();
    let text = std::fs::read_to_string(table).unwrap();
    for metric in ["Accuracy audio", "Loss text", "ECE fused"] {
        assert!(text.contains(metric), "{metric}");
    }
    assert!(!directory.join("metrics.csv").exists());
    // Turns 3, 6 and, after the epoch, 8, of which two are kept.
    let store = CheckpointStore::open(&directory).unwrap();
    let turns = store.list().unwrap().into_iter().map(|path| {
        let snapshot = CheckpointStore::load(path).unwrap();
        snapshot.progress.turns
    });
    assert_eq!(turns.collect::<Vec<_>>(), [6, 8]);

    let refused = |config: &FitConfig| run(config, &device).unwrap_err().to_string();
    let other = config.clone().with_configuration(&"second").unwrap();
    assert!(refused(&other).contains("configuration"));
    assert!(refused(&config.clone().with_seed(9)).contains("seed"));
    let other = run(&quiet(1).with_optimizer(sgd()), &device).unwrap();
    assert_ne!(state(&other.model), state(&first.model));
    let slower = run(&quiet(1).with_learning_rate(1e-4), &device).unwrap();
    assert_ne!(state(&slower.model), state(&first.model));
}

#[test]
fn validation_data_without_a_modality_leave_its_temperature_at_one() {
    for device in devices() {
        let only_first = Presence::from_mask([true, false].repeat(40), 2).unwrap();
        let valid = data(40, 2).with_presence(&only_first).unwrap();
        let valid = valid.in_order(16, &device).unwrap();
        let training = device.autodiff();
        let fitted = fit(model(&training), train(&training), valid, &quiet(2)).unwrap();
        let temperatures = fitted.calibration.unwrap().modalities.unwrap();
        assert_eq!(temperatures[1], 1.0);
        assert_ne!(temperatures[0], 1.0);
    }
}

#[test]
fn sets_of_labels_are_an_error_of_the_validation() {
    for device in devices() {
        let several = |mut batch: MultimodalBatch<MlpInputs>| -> Result<_> {
            let labels = batch.targets.labels().to_vec();
            let sets = labels.iter().map(|&label| vec![label as usize]);
            batch.targets = Targets::several(sets.collect(), &batch.targets.tensor().device());
            Ok(batch)
        };
        let training = device.clone().autodiff();
        let mut train = train(&training);
        train.batches.loader = Arc::new(MappedLoader::new(train.batches.loader, several));
        let valid = MappedLoader::new(valid(&device), several);
        let model = model(&training).with_loss(BinaryCrossEntropy).unwrap();
        let error = fit(model, train, Arc::new(valid), &quiet(1))
            .unwrap_err()
            .to_string();
        assert!(error.contains("one label per sample"), "{error}");
    }
}

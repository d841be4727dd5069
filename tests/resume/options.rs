//! Options of a resumable training, and its history, against the same steps taken one by one.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use burn::data::dataloader::DataLoaderBuilder;
use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::InMemDataset;
use burn::module::Module;
use burn::tensor::Device;
use burn::train::SupervisedTraining;
use burn::train::metric::LossMetric;
use burn_mla::checkpoint::{
    CheckpointStore, History, Monitor, ResumableTraining, ValidationRecord,
};
use burn_mla::loader::InOrder;
use burn_mla::method::MultimodalMethod;
use burn_mla::prelude::*;

use crate::alone;
use crate::common::*;

/// Batches of 4, 4 and 3 samples of each modality: six turns per epoch.
const N_TRAIN: u64 = 11;
const TURNS_PER_EPOCH: u64 = 6;
const N_VALID: usize = 30;
const RATE: f64 = 0.1;

type Model = MlpMla<RlsProjector>;
type Batch = MultimodalBatch<MlpInputs>;

/// A batch of the flows, whose seed is its first item.
struct Samples;

impl Batcher<u64, Batch> for Samples {
    fn batch(&self, items: Vec<u64>, device: &Device) -> Batch {
        batch(items.len(), items[0], device)
    }
}

fn loader(items: std::ops::Range<u64>, device: &Device) -> Arc<dyn DataLoader<Batch>> {
    DataLoaderBuilder::new(Samples)
        .batch_size(4)
        .set_device(device.clone())
        .build(InMemDataset::new(items.collect()))
}

/// One batch, most of whose labels are not those of its inputs.
fn valid(device: &Device) -> Batch {
    let labels = (0..N_VALID).map(|i| (i * i + i / 7) % N_CLASSES);
    let mut batch = batch(N_VALID, 60, device);
    batch.targets = Targets::new(labels, device);
    batch
}

struct Valid;

impl Batcher<u64, Batch> for Valid {
    fn batch(&self, _: Vec<u64>, device: &Device) -> Batch {
        valid(device)
    }
}

fn model(dropout: f64, device: &Device) -> Model {
    device.seed(3);
    let mut model = mlp_mla(MlaConfig::new(), rls(0.1), device);
    let a = MlpEncoderConfig::new(D_A, D_FEATURE).with_hidden(vec![8]);
    let a = a.with_dropout(dropout).init(device).unwrap();
    model.encoders.0 = set_parameters(a, 1);
    model
}

struct Plan {
    epochs: usize,
    rate: f64,
    dropout: f64,
    options: fn(ResumableTraining) -> ResumableTraining,
}

impl Plan {
    fn new(epochs: usize) -> Self {
        Self {
            epochs,
            rate: RATE,
            dropout: 0.0,
            options: |training| training,
        }
    }

    /// Trains, and returns the model, the history and the error.
    fn run(self, folder: &Path, device: &Device) -> (Model, History, Option<String>) {
        let training_device = device.clone().autodiff();
        let model = model(self.dropout, &training_device);
        let train = loader(0..N_TRAIN, &training_device);
        let train = Arc::new(InOrder::new(train));
        let train = model.training_loader(train.into()).unwrap();
        let valid = DataLoaderBuilder::new(Valid)
            .batch_size(1)
            .set_device(device.clone())
            .build(InMemDataset::new(vec![0]));
        let store = store(folder);
        let resumable = ResumableTraining::new(&training_device, store, train.handle);
        let resumable = (self.options)(resumable);
        let training = SupervisedTraining::new(folder, train.loader, valid)
            .with_application_logger(None)
            .metrics((LossMetric::new(),))
            .num_epochs(self.epochs);
        let launched = resumable.launch(training, model, sgd(), self.rate);
        let (result, history) = launched.unwrap();
        let error = result.error.map(|error| error.to_string());
        (result.model, history, error)
    }
}

const CHECKPOINTS: &str = "checkpoints";

fn store(folder: &Path) -> CheckpointStore {
    let store = CheckpointStore::open(folder.join(CHECKPOINTS)).unwrap();
    store.with_keep_last(9).unwrap()
}

/// The numbers of turns of the checkpoints in a folder.
fn saved(folder: &Path) -> Vec<u64> {
    let paths = store(folder).list().unwrap();
    let turns = paths.iter().map(|path| {
        let snapshot = CheckpointStore::load(path).unwrap();
        snapshot.progress.turns
    });
    turns.collect()
}

fn row_losses(logits: Vec<f32>, labels: &[i64]) -> Vec<f64> {
    let rows = logits.chunks(N_CLASSES).zip(labels);
    rows.map(|(row, &label)| {
        let row: Vec<f64> = row.iter().map(|&z| f64::from(z)).collect();
        let sum: f64 = row.iter().map(|z| z.exp()).sum();
        sum.ln() - row[label as usize]
    })
    .collect()
}

#[test]
fn the_history_weighs_losses_by_samples() {
    let _alone = alone();
    for device in devices() {
        let folder = tempfile::tempdir().unwrap();
        let (trained, history, error) = Plan::new(2).run(folder.path(), &device);
        assert_eq!(error, None);

        let training_device = device.clone().autodiff();
        let mut model = model(0.0, &training_device);
        let mut optimizer = sgd();
        for epoch in &history.epochs {
            let mut losses = [vec![], vec![]];
            for batch in loader(0..N_TRAIN, &training_device).iter() {
                for turn in batch.unwrap().into_turns().unwrap().into_iter().flatten() {
                    let output = model.try_step(turn).unwrap();
                    let modality = output.item.modality.unwrap();
                    let logits = values(output.item.logits);
                    let labels = output.item.targets.labels();
                    losses[modality].extend(row_losses(logits, labels));
                    model
                        .try_optimize(&mut optimizer, RATE, output.grads)
                        .unwrap();
                }
            }
            for (statistics, losses) in epoch.training.iter().zip(losses) {
                assert_eq!((statistics.turns, statistics.samples), (3, N_TRAIN));
                let mean = losses.iter().sum::<f64>() / N_TRAIN as f64;
                close(&[statistics.loss() as f32], &[mean], 1e-5, "loss");
            }
            assert_eq!(epoch.joint.turns, 0);
        }
        assert_eq!(state(&model), state(&trained));
        check_validation(&trained, history.epochs[1].validation.as_ref(), &device);
    }
}

/// The last validation is of the trained model.
fn check_validation(model: &Model, record: Option<&ValidationRecord>, device: &Device) {
    let record = record.unwrap();
    let batch = valid(device);
    let labels = batch.targets.labels().to_vec();
    let prediction = model.valid().predict(batch).unwrap();
    let predicted = |logits: &[f32]| -> Vec<i64> {
        let argmax = |row: &[f32]| {
            let largest = row.iter().copied().fold(f32::MIN, f32::max);
            row.iter().position(|&z| z == largest).unwrap() as i64
        };
        logits.chunks(N_CLASSES).map(argmax).collect()
    };
    let accuracy = |logits: &[f32]| {
        let pairs = predicted(logits).into_iter().zip(&labels);
        pairs.filter(|(a, b)| a == *b).count() as f64 / N_VALID as f64
    };
    for (m, &found) in record.modality_accuracies.iter().enumerate() {
        let logits = values(prediction.modalities.modality(m));
        assert_eq!(found, accuracy(&logits), "modality {m}");
    }
    let fused = values(prediction.fused);
    assert_eq!(record.fused_accuracy, accuracy(&fused));
    let loss = row_losses(fused.clone(), &labels).iter().sum::<f64>() / N_VALID as f64;
    close(&[record.fused_loss as f32], &[loss], 1e-5, "fused loss");
    let of_class = |class: i64| {
        let pairs = predicted(&fused).into_iter().zip(&labels);
        let [mut both, mut any] = [0.0, 0.0];
        for (predicted, &label) in pairs {
            both += 2.0 * f64::from(predicted == class && label == class);
            any += f64::from(predicted == class) + f64::from(label == class);
        }
        both / any
    };
    let f1 = (0..N_CLASSES as i64).map(of_class).sum::<f64>() / N_CLASSES as f64;
    assert!((record.fused_macro_f1 - f1).abs() < 1e-9);
}

/// The measure of an epoch for which higher is better.
fn measure(monitor: Monitor, record: &ValidationRecord) -> f64 {
    let [a, b] = record.modality_accuracies[..] else {
        panic!("two modalities")
    };
    match monitor {
        Monitor::FusedAccuracy => record.fused_accuracy,
        Monitor::FusedMacroF1 => record.fused_macro_f1,
        Monitor::FusedLoss => -record.fused_loss,
        Monitor::ModalityAccuracy(0) => a,
        Monitor::ModalityAccuracy(_) => b,
        Monitor::WeakestAccuracy => a.min(b),
    }
}

#[test]
fn the_monitor_selects_the_best_checkpoint() {
    type Options = fn(ResumableTraining) -> ResumableTraining;
    let _alone = alone();
    let device = Device::flex();
    let options: [(Monitor, Options); 6] = [
        (Monitor::FusedAccuracy, |training| training),
        (Monitor::FusedMacroF1, |training| {
            training.with_monitor(Monitor::FusedMacroF1)
        }),
        (Monitor::FusedLoss, |training| {
            training.with_monitor(Monitor::FusedLoss)
        }),
        (Monitor::ModalityAccuracy(0), |training| {
            training.with_monitor(Monitor::ModalityAccuracy(0))
        }),
        (Monitor::ModalityAccuracy(1), |training| {
            training.with_monitor(Monitor::ModalityAccuracy(1))
        }),
        (Monitor::WeakestAccuracy, |training| {
            training.with_monitor(Monitor::WeakestAccuracy)
        }),
    ];
    let mut selected = vec![];
    for (monitor, options) in options {
        let folder = tempfile::tempdir().unwrap();
        let plan = Plan {
            options,
            ..Plan::new(8)
        };
        let (_, history, error) = plan.run(folder.path(), &device);
        assert_eq!(error, None);
        let measures = history.epochs.iter().map(|epoch| {
            let record = epoch.validation.as_ref().unwrap();
            measure(monitor, record)
        });
        let measures: Vec<f64> = measures.collect();
        let best = measures.iter().copied().fold(f64::MIN, f64::max);
        let expected = 1 + measures.iter().position(|&x| x == best).unwrap();
        let snapshot = store(folder.path()).best().unwrap().unwrap();
        assert_eq!(snapshot.progress.monitor, monitor);
        let turns = expected as u64 * TURNS_PER_EPOCH;
        assert_eq!(snapshot.progress.turns, turns, "{monitor}: {measures:?}");
        selected.push(expected);
    }
    // Otherwise the test would not see which of them counts.
    selected.sort_unstable();
    selected.dedup();
    assert!(selected.len() > 2, "{selected:?}");
}

#[test]
fn checkpoints_are_as_often_and_as_many_as_asked_for() {
    let _alone = alone();
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan {
        options: |training| training.with_every(4).unwrap(),
        ..Plan::new(2)
    };
    plan.run(folder.path(), &device);
    // After 4 turns, at the end of the epoch, 4 turns after that, at the end.
    assert_eq!(saved(folder.path()), [4, 6, 10, 12]);
    let folder = tempfile::tempdir().unwrap();
    Plan::new(2).run(folder.path(), &device);
    assert_eq!(saved(folder.path()), [6, 12], "only at the end of epochs");
}

#[test]
fn patience_is_the_number_of_epochs_without_improvement() {
    let _alone = alone();
    let device = Device::flex();
    type Option = fn(ResumableTraining) -> ResumableTraining;
    let options: [(usize, Option); 2] = [
        (1, |training| training.with_patience(1).unwrap()),
        (3, |training| training.with_patience(3).unwrap()),
    ];
    for (patience, options) in options {
        let folder = tempfile::tempdir().unwrap();
        // Nothing is learned: the first epoch stays the best.
        let plan = Plan {
            rate: 1e-12,
            options,
            ..Plan::new(9)
        };
        let (_, history, _) = plan.run(folder.path(), &device);
        assert_eq!(history.epochs.len(), 1 + patience);
    }
}

#[test]
fn the_seed_is_that_of_dropout() {
    let _alone = alone();
    let device = Device::flex();
    let trained = |options: fn(ResumableTraining) -> ResumableTraining| {
        let folder = tempfile::tempdir().unwrap();
        let plan = Plan {
            dropout: 0.5,
            options,
            ..Plan::new(1)
        };
        let (model, ..) = plan.run(folder.path(), &device);
        let seed = store(folder.path()).latest().unwrap().unwrap();
        (seed.progress.seed, state(&model))
    };
    let (default, nine) = (trained(|t| t), trained(|t| t.with_seed(9)));
    assert_eq!((default.0, nine.0), (0, 9));
    assert_ne!(default.1, nine.1);
    assert_eq!(trained(|t| t.with_seed(0)).1, default.1);
    assert_eq!(trained(|t| t.with_seed(9)).1, nine.1);
}

/// As soon as the checkpoint of the epoch has its name, the best one has its own. A crash in between
/// then leaves a best checkpoint and repeats the epoch.
#[test]
fn the_best_checkpoint_is_written_first() {
    let _alone = alone();
    let device = Device::flex();
    for _ in 0..3 {
        let folder = tempfile::tempdir().unwrap();
        let of_name = |name| folder.path().join(CHECKPOINTS).join(name);
        let (best, epoch) = (of_name("best.ckpt"), of_name("turn-0000000006.ckpt"));
        let watch = std::thread::spawn(move || {
            let start = Instant::now();
            while !epoch.exists() {
                assert!(start.elapsed() < Duration::from_secs(60), "no checkpoint");
            }
            best.exists()
        });
        let (_, _, error) = Plan::new(1).run(folder.path(), &device);
        assert_eq!(error, None);
        assert!(
            watch.join().unwrap(),
            "the best checkpoint was not there yet"
        );
    }
}

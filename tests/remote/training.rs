//! A training with missing modalities, skipped turns and a projector, on any devices.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use burn::data::dataloader::DataLoaderBuilder;
use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::InMemDataset;
use burn::tensor::Device;
use burn::train::metric::{AccuracyMetric, LossMetric};
use burn::train::{ExecutionStrategy, Interrupter, Learner, SupervisedTraining};
use burn_mla::checkpoint::{CheckpointStore, History, ResumableTraining};
use burn_mla::loader::{MappedLoader, SeededLoader};
use burn_mla::prelude::*;
use burn_mla::projector::LeakyRlsProjector;

use crate::common::*;

const N_TRAIN: usize = 44;
const BATCH: usize = 8;
/// Two turns per batch of an epoch, except for the batch without the second modality.
pub const TURNS_PER_EPOCH: u64 = 2 * 6 - 1;

/// What happens before a batch is read, counted from 0.
pub type Event = Arc<dyn Fn(usize) + Send + Sync>;

pub struct Training<'a> {
    pub devices: &'a [Device],
    pub folder: &'a Path,
    pub epochs: usize,
    pub event: Option<Event>,
    /// Interrupt the training before this batch is read.
    pub stop_at: Option<usize>,
    pub time_limit: Option<Duration>,
}

#[derive(Debug)]
pub struct Outcome {
    pub state: Vec<(String, Vec<f32>)>,
    pub history: History,
    pub skipped: u64,
    pub updates: u64,
}

#[derive(Clone)]
struct Samples;

impl Batcher<usize, MultimodalBatch<MlpInputs>> for Samples {
    /// Of every four samples one lacks the first modality and one the second. The third batch lacks the
    /// second altogether.
    fn batch(&self, items: Vec<usize>, device: &Device) -> MultimodalBatch<MlpInputs> {
        let (labels, a, b) = samples(2 * N_TRAIN, 4);
        let rows = |wanted: &dyn Fn(usize) -> bool| -> Vec<usize> {
            (0..items.len()).filter(|&row| wanted(items[row])).collect()
        };
        let input = |all: &[f32], d: usize, rows: Vec<usize>| {
            let row = |&at: &usize| all[items[at] * d..(items[at] + 1) * d].to_vec();
            let values = rows.iter().flat_map(row).collect();
            ModalityInput::rows(matrix(values, d, device), rows)
        };
        let third = 2 * BATCH..3 * BATCH;
        let inputs = (
            input(
                &a,
                D_A,
                rows(&|item| item % 4 != 1 || third.contains(&item)),
            ),
            input(
                &b,
                D_B,
                rows(&|item| item % 4 != 2 && !third.contains(&item)),
            ),
        );
        let labels = items.iter().map(|&item| labels[item]);
        MultimodalBatch::new(inputs, Targets::new(labels, device))
    }
}

impl<'a> Training<'a> {
    pub fn new(devices: &'a [Device], folder: &'a Path) -> Self {
        Self {
            devices,
            folder,
            epochs: 2,
            event: None,
            stop_at: None,
            time_limit: None,
        }
    }

    /// Starts or resumes the training.
    pub fn run(&self) -> std::result::Result<Outcome, MlaError> {
        let host = Device::flex();
        let interrupter = Interrupter::new();
        let seeded = |items: std::ops::Range<usize>| {
            let items = InMemDataset::new(items.collect());
            let loader = SeededLoader::new(items, Samples, BATCH, 5, &host);
            loader.unwrap().in_order()
        };
        let (event, stop_at, stop) = (self.event.clone(), self.stop_at, interrupter.clone());
        let batches = AtomicUsize::new(0);
        let watched = MappedLoader::new(Arc::new(seeded(0..N_TRAIN)), move |batch| {
            let at = batches.fetch_add(1, Ordering::SeqCst);
            if let Some(event) = &event {
                event(at);
            }
            if stop_at == Some(at) {
                stop.stop(Some("enough"));
            }
            Ok(batch)
        });
        let turns = AlternatingLoader::paired(Arc::new(watched), 2, RoundRobin).unwrap();
        let valid = Arc::new(seeded(N_TRAIN..N_TRAIN + 20));
        let main = self.devices[0].clone().autodiff();
        let model = mlp_mla(MlaConfig::new(), LeakyRlsProjector::default(), &main);

        let store = CheckpointStore::open(self.folder.join("checkpoints")).unwrap();
        let start = store.latest().unwrap();
        let handle = turns.handle();
        let mut resumable = ResumableTraining::new(&main, store, handle.clone())
            .with_every(3)?
            .resume(start);
        if let Some(limit) = self.time_limit {
            resumable = resumable.with_time_limit(limit);
        }
        let skipped = Arc::new(turns);
        let training = SupervisedTraining::new(self.folder, skipped.clone(), valid)
            .with_application_logger(None)
            .with_interrupter(interrupter)
            .metrics((LossMetric::new(), AccuracyMetric::new()))
            .num_epochs(self.epochs);
        let others = &self.devices[1..];
        let launched = resumable.launch_over(others, training, model, sgd(), 0.05);
        let (result, history) = launched.unwrap();
        if let Some(error) = result.error {
            return Err(result.model.fault().unwrap_or_else(|| panic!("{error}")));
        }
        Ok(Outcome {
            state: state(&result.model),
            history,
            skipped: skipped.skipped(),
            updates: result.model.projection().n_steps(),
        })
    }
}

/// A training in a folder of its own.
pub fn whole(devices: &[Device]) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    Training::new(devices, folder.path()).run().unwrap()
}

impl Outcome {
    /// All parameters and the projector are within `relative` of the expected ones, and the counts and
    /// accuracies are the same.
    pub fn assert_close(&self, expected: &Self, relative: f64, what: &str) {
        assert_eq!(self.state.len(), expected.state.len(), "{what}");
        for ((path, got), (_, expected)) in self.state.iter().zip(&expected.state) {
            let expected: Vec<f64> = expected.iter().map(|&x| f64::from(x)).collect();
            close(got, &expected, relative, &format!("{what}, {path}"));
        }
        assert_eq!(self.updates, expected.updates, "{what}");
        assert_eq!(
            self.history.epochs.len(),
            expected.history.epochs.len(),
            "{what}"
        );
        for (got, expected) in self.history.epochs.iter().zip(&expected.history.epochs) {
            for (got, expected) in got.training.iter().zip(&expected.training) {
                assert_eq!(
                    (got.turns, got.samples),
                    (expected.turns, expected.samples),
                    "{what}"
                );
                let (got, expected) = (got.loss(), expected.loss());
                assert!((got - expected).abs() < 1e-4, "{what}: {got} {expected}");
            }
            let (got, expected) = (&got.validation, &expected.validation);
            let (got, expected) = (got.as_ref().unwrap(), expected.as_ref().unwrap());
            assert_eq!(
                got.modality_accuracies, expected.modality_accuracies,
                "{what}"
            );
            assert_eq!(got.fused_accuracy, expected.fused_accuracy, "{what}");
        }
    }
}

/// The state after two epochs of Burn's own loop, on batches that have every modality.
pub fn with_burns_loop(strategy: ExecutionStrategy) -> Vec<(String, Vec<f32>)> {
    let main = strategy.main_device().clone();
    let folder = tempfile::tempdir().unwrap();
    let loader = |items: std::ops::Range<usize>, device: &Device| {
        DataLoaderBuilder::new(Complete)
            .batch_size(4)
            .set_device(device.clone())
            .build(InMemDataset::new(items.collect()))
    };
    let turns = AlternatingLoader::paired(loader(0..32, &main), 2, RoundRobin).unwrap();
    let model = mlp_mla(MlaConfig::new(), LeakyRlsProjector::default(), &main);
    let result = SupervisedTraining::new(
        folder.path(),
        Arc::new(turns),
        loader(32..40, &main.clone().inner()),
    )
    .with_training_strategy(strategy.into())
    .with_application_logger(None)
    .metrics((LossMetric::new(),))
    .num_epochs(2)
    .launch(Learner::new(model, sgd(), 0.05));
    assert!(result.error.is_none(), "{:?}", result.error);
    assert_eq!(result.model.projection().n_steps(), 2 * 2 * 4);
    state(&result.model)
}

struct Complete;

impl Batcher<usize, MultimodalBatch<MlpInputs>> for Complete {
    fn batch(&self, items: Vec<usize>, device: &Device) -> MultimodalBatch<MlpInputs> {
        let (labels, a, b) = samples(40, 4);
        let rows = |all: &[f32], d: usize| -> Vec<f32> {
            let row = |&item: &usize| all[item * d..(item + 1) * d].to_vec();
            items.iter().flat_map(row).collect()
        };
        let inputs = (
            matrix(rows(&a, D_A), D_A, device),
            matrix(rows(&b, D_B), D_B, device),
        );
        let labels = items.iter().map(|&item| labels[item]);
        MultimodalBatch::paired(inputs, Targets::new(labels, device))
    }
}

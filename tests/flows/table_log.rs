//! The metrics of Burn's loop in one table.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderBuilder, DataLoaderIterator};
use burn::data::dataset::InMemDataset;
use burn::optim::SgdConfig;
use burn::tensor::Device;
use burn::train::checkpoint::MetricCheckpointingStrategy;
use burn::train::logger::{FileMetricLogger, MetricLogger};
use burn::train::metric::store::{Aggregate, Direction, Split};
use burn::train::metric::{
    AccuracyMetric, AurocMetric, ClassReduction, LearningRateMetric, LossMetric, NumericEntry,
};
use burn::train::{
    ExecutionStrategy, Interrupter, Learner, MetricEarlyStoppingStrategy, StoppingCondition,
    SupervisedTraining,
};
use burn_mla::checkpoint::CheckpointStore;
use burn_mla::checkpoint::ResumableTraining;
use burn_mla::loader::SeededLoader;
use burn_mla::logger::TableLogger;
use burn_mla::metric::*;
use burn_mla::prelude::*;

use crate::common::*;

#[derive(Clone)]
struct SampleBatcher;

impl Batcher<usize, MultimodalBatch<MlpInputs>> for SampleBatcher {
    fn batch(&self, items: Vec<usize>, device: &Device) -> MultimodalBatch<MlpInputs> {
        batch(items.len(), items[0] as u64, device)
    }
}

const N_TRAIN: usize = 12;
/// Three batches of each of two modalities.
const TURNS_PER_EPOCH: usize = 6;
const NAMES: [&str; 2] = ["image, \"RGB\"", "text"];

#[derive(Clone, Copy, PartialEq)]
enum Logs {
    Csv,
    Json,
    /// Only Burn's own.
    Burns,
    /// Burn's own first.
    Both,
}

struct Run {
    logs: Logs,
    iterations: bool,
    epochs: usize,
    learning_rate: f64,
    patience: Option<usize>,
    /// Stops at the start of this validation, from 1.
    stop_at_validation: Option<usize>,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            logs: Logs::Csv,
            iterations: false,
            epochs: 3,
            learning_rate: 0.05,
            patience: None,
            stop_at_validation: None,
        }
    }
}

type Batch = MultimodalBatch<MlpInputs>;

/// Interrupts the training at the start of a validation.
#[derive(Clone)]
struct Stopping {
    loader: Arc<dyn DataLoader<Batch>>,
    begun: Arc<AtomicUsize>,
    stop_at: Option<usize>,
    interrupter: Interrupter,
}

impl DataLoader<Batch> for Stopping {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<Batch> + 'a> {
        let n = 1 + self.begun.fetch_add(1, Ordering::Relaxed);
        if self.stop_at == Some(n) {
            self.interrupter.stop(Some("enough"));
        }
        self.loader.iter()
    }

    fn num_items(&self) -> usize {
        self.loader.num_items()
    }

    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<Batch>> {
        Arc::new(Self {
            loader: self.loader.to_device(device),
            ..self.clone()
        })
    }

    fn slice(&self, _: usize, _: usize) -> Arc<dyn DataLoader<Batch>> {
        unreachable!("one device")
    }
}

fn table(folder: &Path) -> PathBuf {
    folder.join("metrics")
}

impl Run {
    fn table_logger(&self, folder: &Path) -> TableLogger {
        let logger = match self.logs {
            Logs::Json => TableLogger::json_lines(table(folder)),
            _ => TableLogger::csv(table(folder)),
        };
        let logger = logger.unwrap();
        if self.iterations {
            logger.with_iterations()
        } else {
            logger
        }
    }

    /// Starts or resumes a training; returns the number of finished epochs.
    fn run(&self, folder: &Path, device: &Device) -> usize {
        let training_device = device.clone().autodiff();
        let items = InMemDataset::new((0..N_TRAIN).collect());
        let train = SeededLoader::new(items, SampleBatcher, 4, 5, &training_device).unwrap();
        let train = AlternatingLoader::paired(Arc::new(train), 2, RoundRobin).unwrap();
        let handle = train.handle();
        let valid = DataLoaderBuilder::new(SampleBatcher)
            .batch_size(4)
            .set_device(device.clone())
            .build(InMemDataset::new((100..110).collect()));
        let interrupter = Interrupter::new();
        let valid = Stopping {
            loader: valid,
            begun: Arc::default(),
            stop_at: self.stop_at_validation,
            interrupter: interrupter.clone(),
        };
        let store = CheckpointStore::open(folder.join("checkpoints")).unwrap();
        let start = store.latest().unwrap();
        let resumable = ResumableTraining::new(&training_device, store, handle).resume(start);
        let model = mlp_mla(MlaConfig::new(), rls(0.1), &training_device);
        let mut training = SupervisedTraining::new(folder, Arc::new(train), Arc::new(valid))
            .with_application_logger(None)
            .with_interrupter(interrupter)
            .num_epochs(self.epochs);
        if matches!(self.logs, Logs::Burns | Logs::Both) {
            training = training.with_metric_logger(FileMetricLogger::new(folder.join("burn")));
        }
        let mut log = None;
        if self.logs != Logs::Burns {
            let logger = self.table_logger(folder);
            log = Some(logger.handle());
            training = training.with_metric_logger(logger);
        }
        training = training
            .metrics((LossMetric::new(), AccuracyMetric::new()))
            .metric_train_numeric(LearningRateMetric::new())
            .metric_valid_numeric(ModalityMetric::fused(AurocMetric::multiclass(
                ClassReduction::Macro,
            )))
            .modality_metrics(&NAMES);
        if let Some(n_epochs) = self.patience {
            training = training.early_stopping(MetricEarlyStoppingStrategy::new(
                &LossMetric::new(),
                Aggregate::Mean,
                Direction::Lowest,
                Split::Valid,
                StoppingCondition::NoImprovementSince { n_epochs },
            ));
        }
        let optimizer = SgdConfig::new().init();
        let launched = resumable.launch(training, model, optimizer, self.learning_rate);
        let (result, history) = launched.unwrap();
        assert!(result.error.is_none(), "{:?}", result.error);
        if let Some(log) = log {
            assert!(log.error().is_none(), "{:?}", log.error());
        }
        let epochs = history.epochs.iter();
        epochs.filter(|epoch| epoch.validation.is_some()).count()
    }
}

/// Values by epoch, split, iteration and metric.
type Rows = BTreeMap<[String; 4], String>;

fn rows(folder: &Path) -> Rows {
    let mut rows = Rows::new();
    for record in csv::Reader::from_path(table(folder)).unwrap().records() {
        let record = record.unwrap();
        let key = [0, 1, 2, 3].map(|column| record[column].to_string());
        let before = rows.insert(key.clone(), record[4].to_string());
        assert_eq!(before, None, "{key:?} occurs once");
    }
    rows
}

#[test]
fn burn_reads_the_same_numbers_as_from_its_own_logs() {
    let device = Device::flex();
    for logs in [Logs::Csv, Logs::Json, Logs::Both] {
        for iterations in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let run = Run {
                logs,
                iterations,
                ..Run::default()
            };
            run.run(folder.path(), &device);
            let burns = tempfile::tempdir().unwrap();
            let own = Run {
                logs: Logs::Burns,
                ..Run::default()
            };
            own.run(burns.path(), &device);
            let mut burns = FileMetricLogger::new(burns.path().join("burn"));
            let mut ours = run.table_logger(folder.path());
            let image = format!("Loss {}", NAMES[0]);
            let names = ["Loss", "Accuracy", "Learning Rate", &image, "Loss fused"];
            let mut n_found = 0;
            for split in [Split::Train, Split::Valid] {
                for epoch in 1..=4 {
                    for name in names {
                        let expected = burns.read_numeric(name, epoch, &split).unwrap();
                        let found = ours.read_numeric(name, epoch, &split).unwrap();
                        let text = |entries: &[NumericEntry]| -> Vec<String> {
                            entries.iter().map(NumericEntry::serialize).collect()
                        };
                        let (mut expected, found) = (text(&expected), text(&found));
                        if !iterations {
                            expected = expected.pop().into_iter().collect();
                        }
                        assert_eq!(found, expected, "{name} of epoch {epoch}, {split}");
                        n_found += usize::from(!found.is_empty());
                    }
                }
            }
            assert_eq!(n_found, 3 * (4 + 4), "three epochs, four metrics per split");
        }
    }
}

#[test]
fn early_stopping_reads_from_the_table_alone() {
    let device = Device::flex();
    for logs in [Logs::Csv, Logs::Json] {
        let folder = tempfile::tempdir().unwrap();
        let run = Run {
            logs,
            epochs: 9,
            patience: Some(2),
            // The model learns nothing, and the first epoch stays the best.
            learning_rate: 0.0,
            ..Run::default()
        };
        let stopping = Run {
            stop_at_validation: Some(2),
            ..run
        };
        assert_eq!(stopping.run(folder.path(), &device), 1);
        let run = Run {
            stop_at_validation: None,
            ..stopping
        };
        assert_eq!(run.run(folder.path(), &device), 3, "not 9, and not 1 + 3");
        assert_eq!(run.run(folder.path(), &device), 3, "it has ended");
    }
}

/// Burn's own strategy keeps the best epoch by the log.
#[test]
fn checkpoint_strategies_read_from_the_table() {
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    let training_device = device.clone().autodiff();
    let batches = |device: &Device| {
        DataLoaderBuilder::new(SampleBatcher)
            .batch_size(4)
            .set_device(device.clone())
            .build(InMemDataset::new((0..N_TRAIN).collect()))
    };
    let train = AlternatingLoader::paired(batches(&training_device), 2, RoundRobin).unwrap();
    let model = mlp_mla(MlaConfig::new(), rls(0.1), &training_device);
    let training = SupervisedTraining::new(folder.path(), Arc::new(train), batches(&device))
        .with_training_strategy(ExecutionStrategy::single(training_device).into())
        .with_application_logger(None)
        .with_metric_logger(TableLogger::csv(table(folder.path())).unwrap())
        .metrics((LossMetric::new(),))
        .with_default_checkpointers()
        .with_checkpointing_strategy(MetricCheckpointingStrategy::new(
            &LossMetric::new(),
            Aggregate::Mean,
            Direction::Lowest,
            Split::Valid,
        ))
        .num_epochs(3);
    // Each epoch is worse than the one before, which keeps the first.
    let learner = Learner::new(model, SgdConfig::new().init(), -0.05);
    assert!(training.launch(learner).error.is_none());
    let files = fs::read_dir(folder.path().join("checkpoint")).unwrap();
    let mut names: Vec<String> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(names.iter().all(|name| name.contains("-1.")), "{names:?}");
    assert!(!names.is_empty());
}

#[test]
fn a_resumed_training_has_the_rows_of_one_that_never_stopped() {
    let device = Device::flex();
    for iterations in [false, true] {
        let run = |stop_at_validation| Run {
            iterations,
            stop_at_validation,
            ..Run::default()
        };
        let whole = tempfile::tempdir().unwrap();
        assert_eq!(run(None).run(whole.path(), &device), 3);
        let expected = rows(whole.path());
        let n_train = expected.keys().filter(|key| key[1] == "train").count();
        // Loss, accuracy, rate, and the metrics of each modality.
        assert!(n_train >= 3 * 5, "{n_train}");
        let name = format!("Loss {}", NAMES[0]);
        let key = ["1", "train", "", &name].map(str::to_string);
        assert!(
            expected.contains_key(&key),
            "a name with a comma and quotes"
        );
        let turns = expected.keys().filter(|key| {
            key[0] == "2" && key[1] == "train" && key[3] == "Loss" && !key[2].is_empty()
        });
        let n_turns = if iterations { TURNS_PER_EPOCH } else { 0 };
        assert_eq!(turns.count(), n_turns);

        // Stopped after the turns of epoch 2, which are validated but not repeated.
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(run(Some(2)).run(folder.path(), &device), 1);
        // And killed during a write.
        let mut torn = fs::read(table(folder.path())).unwrap();
        torn.extend(b"2,valid,1,\"Loss ima");
        fs::write(table(folder.path()), torn).unwrap();
        assert_eq!(run(None).run(folder.path(), &device), 3);
        assert_eq!(rows(folder.path()), expected);

        // A new training with the same table, because the checkpoints are removed.
        fs::remove_dir_all(folder.path().join("checkpoints")).unwrap();
        let shorter = Run {
            epochs: 2,
            ..run(None)
        };
        assert_eq!(shorter.run(folder.path(), &device), 2);
        let expected: Rows = expected
            .into_iter()
            .filter(|(key, _)| key[0] != "3")
            .collect();
        assert_eq!(rows(folder.path()), expected);
    }
}

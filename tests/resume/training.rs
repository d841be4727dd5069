//! A small training with every kind of state: batch normalization, dropout, missing modalities, a
//! projector between two folds, AdamW and a learning-rate schedule.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderBuilder, DataLoaderIterator, Progress};
use burn::data::dataset::{DatasetError, InMemDataset};
use burn::grad_clipping::GradientClippingConfig;
use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::lr_scheduler::linear::LinearLrSchedulerConfig;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::Module;
use burn::optim::{AdamConfig, AdamWConfig, SgdConfig};
use burn::tensor::{Device, Tensor};
use burn::train::metric::store::{Aggregate, Direction, Split};
use burn::train::metric::{AccuracyMetric, LossMetric};
use burn::train::{
    Interrupter, MetricEarlyStoppingStrategy, StoppingCondition, SupervisedTraining,
};
use burn_mla::checkpoint::ResumableTraining;
use burn_mla::checkpoint::{CheckpointError, CheckpointStore, History};
use burn_mla::head::{MlpHead, MlpHeadConfig};
use burn_mla::loader::{Blocks, LossRanking, ResumableLoader, SeededLoader};
use burn_mla::mla::ProjectionTarget;
use burn_mla::modality::UnimodalBatch;
use burn_mla::modality::{ModalityInput, OneOf2};
use burn_mla::prelude::*;
use burn_mla::projector::{LeakyRlsProjector, LeakyRlsProjectorConfig};
use burn_mla::rand::Rng;
use burn_mla::rand::rngs::ChaCha12Rng;

use crate::common::*;

/// Five batches of each of two modalities.
pub const TURNS_PER_EPOCH: u64 = 10;
pub const N_TRAIN: usize = 38;

pub type Inputs = (
    Option<ModalityInput<Tensor<4>>>,
    Option<ModalityInput<Tensor<2>>>,
);
pub type Model = Mla<Pair, MlpHead, LeakyRlsProjector, EntropyFusion>;

#[derive(Clone)]
pub struct Plan {
    pub epochs: usize,
    pub every: Option<usize>,
    pub stop_after: Option<u64>,
    pub accumulation: usize,
    pub patience: Option<usize>,
    pub learning_rate: f64,
    pub note: String,
    pub hidden: usize,
    /// Print each turn.
    pub announce: bool,
    /// Start a new training whatever the folder holds.
    pub new: bool,
    /// One loader per modality.
    pub unpaired: bool,
    /// Patience of the resumable training instead of Burn's.
    pub own_patience: Option<usize>,
    /// Order of the turns by the losses of the epoch before.
    pub ranking: Option<LossRanking>,
    /// Number of epochs of the learning-rate schedule.
    pub schedule_epochs: usize,
    /// Number of validation samples.
    pub n_valid: usize,
    /// A turn, from 0, with an invalid label.
    pub bad_label_at: Option<u64>,
    /// What differs from the usual training, such as `sgd`; empty for nothing.
    pub other: &'static str,
    pub data: Data,
    /// The model to train, a clone of it.
    pub base: Option<Model>,
}

/// Final state of a training.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    pub state: Vec<(String, Vec<f32>)>,
    pub history: History,
    pub turns: u64,
    pub updates: u64,
    pub interrupted: bool,
    pub error: Option<String>,
    /// Whether the model reports an error.
    pub fault: bool,
}

impl Outcome {
    /// Asserts equality bit for bit, and names the parameters that differ.
    pub fn assert_is(&self, expected: &Self, what: &str) {
        let differing: Vec<&str> = self
            .state
            .iter()
            .zip(&expected.state)
            .filter(|(a, b)| a != b)
            .map(|(a, _)| a.0.as_str())
            .collect();
        assert!(differing.is_empty(), "{what}: {differing:?} differ");
        assert_eq!(self, expected, "{what}");
    }
}

impl Plan {
    pub fn new(epochs: usize) -> Self {
        Self {
            epochs,
            every: Some(4),
            stop_after: None,
            accumulation: 1,
            patience: None,
            learning_rate: 0.02,
            note: "a run".to_string(),
            hidden: 7,
            announce: false,
            new: false,
            unpaired: false,
            own_patience: None,
            ranking: None,
            schedule_epochs: epochs,
            n_valid: 20,
            bad_label_at: None,
            other: "",
            data: Data::USUAL,
            base: None,
        }
    }

    pub fn model(&self, device: &Device) -> Model {
        let dropout = if self.other == "dropout" { 0.5 } else { 0.3 };
        let image = CnnEncoderConfig::new(1, D_FEATURE)
            .with_stages(vec![3])
            .with_dropout(dropout);
        let text = MlpEncoderConfig::new(D_B, D_FEATURE)
            .with_hidden(vec![self.hidden])
            .with_input_dropout(0.2);
        let encoders = (image.init(device).unwrap(), text.init(device).unwrap());
        let head = MlpHeadConfig::new(D_FEATURE, N_CLASSES).with_hidden(vec![5]);
        let mut rule = LeakyRlsProjectorConfig::new().with_fold_every(3);
        let mut fusion = EntropyFusionConfig::new(2);
        let mut config = MlaConfig::new();
        match self.other {
            "alpha" => rule.alpha = 10.0,
            "leak" => rule.leak = 0.1,
            "fusion" => fusion.temperature = 2.0,
            "score" => fusion.normalized = true,
            "label smoothing" => config.label_smoothing = Some(0.1),
            "modality label smoothing" => config.modality_label_smoothing = Some(vec![0.0, 0.1]),
            "target" => config.projection.target = ProjectionTarget::Update,
            _ => {}
        }
        let mut model = config
            .init(
                encoders,
                head.init(device).unwrap(),
                rule.init().unwrap(),
                fusion.init(device).unwrap(),
            )
            .unwrap();
        if self.other == "frozen" {
            model.encoders.0 = model.encoders.0.no_grad();
        }
        model
    }

    /// Starts a training, or resumes from the checkpoints in `folder`.
    pub fn run(&self, folder: &Path, device: &Device) -> Result<Outcome, CheckpointError> {
        device.seed(3);
        let training_device = device.clone().autodiff();
        let model = self.base.clone();
        let model = model.unwrap_or_else(|| self.model(&training_device));
        let schedule = Blocks::new(self.accumulation).unwrap();
        let train = if self.unpaired {
            self.data.unpaired(schedule, &training_device)
        } else if self.other == "erased" {
            self.data.erased(schedule, &training_device)
        } else {
            self.data.paired(schedule, &training_device)
        };
        let train = match self.ranking {
            Some(ranking) => train.with_ranking(ranking),
            None => train,
        };
        let valid = DataLoaderBuilder::new(Samples)
            .batch_size(7)
            .set_device(device.clone())
            .build(InMemDataset::new((100..100 + self.n_valid).collect()));

        let store = CheckpointStore::open(folder.join("checkpoints"))?;
        let start = if self.new { None } else { store.latest()? };
        let interrupter = Interrupter::new();
        let handle = if self.other == "handle" {
            self.data.paired(schedule, &training_device).handle()
        } else {
            train.handle()
        };
        let watched = Watched {
            loader: Arc::new(train),
            turns: Arc::new(AtomicU64::new(0)),
            // Repeated turns, which are read and skipped, do not count.
            skip: start.as_ref().map_or(0, |s| s.progress.turns_in_epoch),
            stop_after: self.stop_after,
            interrupter: interrupter.clone(),
            announce: self.announce,
            bad_label_at: self.bad_label_at,
            other_labels: self.other == "labels",
        };
        let mut resumable = ResumableTraining::new(&training_device, store, handle)
            .with_seed(9)
            .with_configuration(&self.note)?
            .resume(start);
        if let Some(every) = self.every {
            resumable = resumable.with_every(every).unwrap();
        }
        if let Some(patience) = self.own_patience {
            resumable = resumable.with_patience(patience).unwrap();
        }
        let mut training = SupervisedTraining::new(folder, Arc::new(watched), valid)
            .with_application_logger(None)
            .with_interrupter(interrupter)
            .metrics((LossMetric::new(), AccuracyMetric::new()))
            .num_epochs(self.epochs);
        if self.accumulation > 1 {
            training = training.grads_accumulation(self.accumulation);
        }
        if let Some(n_epochs) = self.patience {
            training = training.early_stopping(MetricEarlyStoppingStrategy::new(
                &LossMetric::new(),
                Aggregate::Mean,
                Direction::Lowest,
                Split::Valid,
                StoppingCondition::NoImprovementSince { n_epochs },
            ));
        }
        let n_updates = 1 + self.schedule_epochs * TURNS_PER_EPOCH as usize;
        let rate = self.learning_rate.max(1e-9);
        let schedule: ModuleLrScheduler = match self.other {
            "linear" => {
                let schedule = LinearLrSchedulerConfig::new(rate, rate / 2.0, n_updates);
                schedule.init().unwrap()
            }
            _ => {
                let schedule = CosineAnnealingLrSchedulerConfig::new(rate, n_updates);
                schedule.init().unwrap()
            }
        };
        let optimizer = match self.other {
            "sgd" => sgd(),
            "plain sgd" => SgdConfig::new().init(),
            "adam" => AdamConfig::new().init(),
            "decay" => AdamWConfig::new().with_weight_decay(0.05).init(),
            "clipping" => {
                let clipping = GradientClippingConfig::Norm(1.0);
                let config = AdamWConfig::new();
                config.with_grad_clipping(Some(clipping)).init()
            }
            _ => AdamWConfig::new().init(),
        };
        let (result, history) = resumable.launch(training, model, optimizer, schedule)?;
        let fault = result.model.fault().is_some();
        Ok(Outcome {
            turns: history
                .epochs
                .iter()
                .flat_map(|epoch| epoch.training.iter().map(|modality| modality.turns))
                .sum(),
            updates: result.model.projection().n_steps(),
            state: state(&result.model),
            history,
            interrupted: result.interrupted.is_some(),
            error: result.error.map(|error| error.to_string()),
            fault,
        })
    }
}

/// Seed, batch size and number of samples of the training data.
#[derive(Clone, Copy)]
pub struct Data {
    pub seed: u64,
    pub batch_size: usize,
    pub n_items: usize,
    /// Replaces each item by a random one.
    pub augmented: bool,
    pub n_workers: usize,
}

impl Data {
    pub const USUAL: Self = Self {
        seed: 5,
        batch_size: 8,
        n_items: N_TRAIN,
        augmented: false,
        n_workers: 0,
    };

    fn seeded<O: Send + 'static>(
        self,
        batcher: impl Batcher<usize, O> + 'static,
        device: &Device,
    ) -> Arc<dyn ResumableLoader<O>> {
        let items = InMemDataset::new((0..self.n_items).collect());
        let loader = SeededLoader::new(items, batcher, self.batch_size, self.seed, device);
        let mut loader = loader.unwrap().with_workers(self.n_workers);
        if self.augmented {
            let n_items = self.n_items as u64;
            let another =
                move |_, numbers: &mut ChaCha12Rng| Ok((numbers.next_u64() % n_items) as usize);
            loader = loader.with_augmentation(another);
        }
        Arc::new(loader)
    }

    fn paired(self, schedule: Blocks, device: &Device) -> AlternatingLoader<Inputs> {
        let train = self.seeded(Samples, device);
        AlternatingLoader::paired(train, 2, schedule).unwrap()
    }

    /// Without the knowledge that the order can be repeated.
    fn erased(self, schedule: Blocks, device: &Device) -> AlternatingLoader<Inputs> {
        let train: Arc<dyn DataLoader<_>> = self.seeded(Samples, device);
        AlternatingLoader::paired(train, 2, schedule).unwrap()
    }

    /// Images and texts of separate data sets; the shorter one repeats.
    fn unpaired(self, schedule: Blocks, device: &Device) -> AlternatingLoader<Inputs> {
        let images = self.seeded(Images, device);
        let texts = Self {
            seed: 6,
            n_items: 21,
            ..self
        };
        let loaders = (images, texts.seeded(Texts, device));
        AlternatingLoader::unpaired(loaders, schedule).unwrap()
    }
}

#[derive(Clone)]
struct Images;

impl Batcher<usize, UnimodalBatch<Tensor<4>>> for Images {
    fn batch(&self, items: Vec<usize>, device: &Device) -> UnimodalBatch<Tensor<4>> {
        let labels = items.iter().map(|&item| label(item));
        UnimodalBatch::new(images(&items, device), Targets::new(labels, device))
    }
}

#[derive(Clone)]
struct Texts;

impl Batcher<usize, UnimodalBatch<Tensor<2>>> for Texts {
    fn batch(&self, items: Vec<usize>, device: &Device) -> UnimodalBatch<Tensor<2>> {
        let labels = items.iter().map(|&item| label(item));
        UnimodalBatch::new(texts(&items, device), Targets::new(labels, device))
    }
}

fn label(item: usize) -> usize {
    item % N_CLASSES
}

/// `[n, 1, 4, 4]`
fn images(items: &[usize], device: &Device) -> Tensor<4> {
    let image = |&item: &usize| {
        let mut numbers = Numbers::new(item as u64);
        let signal = label(item) as f32;
        (0..16)
            .map(move |_| numbers.next() + signal)
            .collect::<Vec<_>>()
    };
    let pixels = items.iter().flat_map(image).collect();
    matrix(pixels, 16, device).reshape([items.len(), 1, 4, 4])
}

/// `[n, D_B]`
fn texts(items: &[usize], device: &Device) -> Tensor<2> {
    let text = |&item: &usize| {
        let mut numbers = Numbers::new(1000 + item as u64);
        (0..D_B)
            .map(move |j| numbers.next() + f32::from(j == label(item)))
            .collect::<Vec<_>>()
    };
    matrix(items.iter().flat_map(text).collect(), D_B, device)
}

#[derive(Clone)]
pub struct Samples;

impl Batcher<usize, MultimodalBatch<Inputs>> for Samples {
    /// Of every four samples, one has no image and one has no text.
    fn batch(&self, items: Vec<usize>, device: &Device) -> MultimodalBatch<Inputs> {
        let rows_without = |rest: usize| -> Vec<usize> {
            (0..items.len())
                .filter(|&row| items[row] % 4 != rest)
                .collect()
        };
        let items_of = |rows: &[usize]| -> Vec<usize> { rows.iter().map(|&r| items[r]).collect() };
        let (with_image, with_text) = (rows_without(1), rows_without(2));
        let inputs = (
            ModalityInput::rows(images(&items_of(&with_image), device), with_image),
            ModalityInput::rows(texts(&items_of(&with_text), device), with_text),
        );
        let labels = items.iter().map(|&item| label(item));
        MultimodalBatch::new(inputs, Targets::new(labels, device))
    }
}

type Turns = Turn<OneOf2<Tensor<4>, Tensor<2>>>;

/// Announces turns, and interrupts the training after a number of them.
struct Watched {
    loader: Arc<dyn DataLoader<Turns>>,
    turns: Arc<AtomicU64>,
    skip: u64,
    stop_after: Option<u64>,
    interrupter: Interrupter,
    announce: bool,
    bad_label_at: Option<u64>,
    other_labels: bool,
}

struct WatchedIter<'a> {
    turns: Box<dyn DataLoaderIterator<Turns> + 'a>,
    loader: &'a Watched,
}

impl Iterator for WatchedIter<'_> {
    type Item = Result<Turns, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.turns.next()?;
        let n = self.loader.turns.fetch_add(1, Ordering::Relaxed) + 1;
        if n > self.loader.skip && self.loader.announce {
            println!("turn {n}");
        }
        // The loop reads one turn ahead.
        if self
            .loader
            .stop_after
            .is_some_and(|stop| n == self.loader.skip + stop + 1)
        {
            self.loader.interrupter.stop(Some("enough"));
        }
        let bad = self.loader.bad_label_at == Some(n - 1);
        let other = self.loader.other_labels;
        Some(next.map(|mut turn| {
            let device = turn.targets.tensor().device();
            if bad {
                let labels = vec![99; turn.targets.len()];
                turn.targets = Targets::from_labels(labels, &device);
            }
            if other {
                let labels = turn.targets.labels().iter();
                let labels = labels.map(|label| (label + 1) % N_CLASSES as i64);
                turn.targets = Targets::from_labels(labels.collect(), &device);
            }
            turn
        }))
    }
}

impl DataLoaderIterator<Turns> for WatchedIter<'_> {
    fn progress(&self) -> Progress {
        self.turns.progress()
    }
}

impl DataLoader<Turns> for Watched {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<Turns> + 'a> {
        Box::new(WatchedIter {
            turns: self.loader.iter(),
            loader: self,
        })
    }

    fn num_items(&self) -> usize {
        self.loader.num_items()
    }

    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<Turns>> {
        Arc::new(Self {
            loader: self.loader.to_device(device),
            turns: self.turns.clone(),
            skip: self.skip,
            stop_after: self.stop_after,
            interrupter: self.interrupter.clone(),
            announce: self.announce,
            bad_label_at: self.bad_label_at,
            other_labels: self.other_labels,
        })
    }

    fn slice(&self, _: usize, _: usize) -> Arc<dyn DataLoader<Turns>> {
        unreachable!("one device")
    }
}

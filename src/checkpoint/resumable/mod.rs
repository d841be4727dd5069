mod run;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::tensor::Device;
use burn::train::{Interruption, Learner, LearningResult, SupervisedTraining, TrainingStrategy};
use serde::Serialize;

use crate::checkpoint::{
    CheckpointError, CheckpointProblem, CheckpointStore, History, Monitor, Snapshot,
    TrainingProgress, same_option,
};
#[cfg(doc)]
use crate::error::MlaError;
use crate::error::at_least_one;
use crate::loader::LoaderHandle;
use crate::method::MultimodalMethod;

/// Training in Burn's loop that can be stopped or killed at any turn and goes on from its last
/// checkpoint as if nothing had happened, bit for bit on the CPU.
///
/// A training strategy for Burn's [`SupervisedTraining`], for one device: progress display, metrics
/// and their logs, learning-rate schedules and gradient accumulation work as in Burn's own.
/// [`launch`](Self::launch) starts it.
///
/// # What makes it exact
///
/// - A checkpoint holds model, projector, fusion, optimizer, scheduler, the position of the loader
///   at the beginning of the epoch, counts, history and configuration.
/// - Random numbers of a turn (dropout) are drawn from a seed of that turn: the device is seeded
///   anew each time. Nothing else may draw from it meanwhile, such as a loader's augmentation.
/// - The turns of the epoch that had been taken are read again and dropped. For that the order of
///   the data must be a function of the pass: a loader that does not shuffle and has at most one
///   worker, or [`SeededLoader`](crate::loader::SeededLoader) with
///   [`AlternatingLoader::with_passes`](crate::loader::AlternatingLoader::with_passes). The
///   validation loader must not shuffle.
///
/// Burn's own metric logs start the epoch that is resumed anew, and Burn's early stopping reads
/// them: it goes on exactly only while they are there and watch the validation split.
/// [`History`] is part of the checkpoint, and so is what [`with_patience`](Self::with_patience)
/// does.
///
/// # Accumulation
///
/// With Burn's `grads_accumulation(n)` up to `n` turns in a row of the same modality make one
/// update ([`Blocks`](crate::loader::Blocks)): the last group of an epoch, or one before
/// another modality's turn, may be smaller. A checkpoint is made between two updates.
pub struct ResumableTraining {
    device: Device,
    store: CheckpointStore,
    loader: LoaderHandle,
    every: Option<u64>,
    monitor: Monitor,
    patience: Option<usize>,
    seed: Option<u64>,
    configuration: serde_json::Value,
    start: Option<Snapshot>,
    state: Arc<Mutex<TrainingProgress>>,
    /// The stop that ended the loop.
    stopped: Arc<Mutex<Option<Interruption>>>,
}

impl ResumableTraining {
    /// Trains on `device`, which is given autodiff, and keeps checkpoints in `store`: after each epoch, and
    /// when the training is interrupted. `loader` is the
    /// [handle](crate::loader::AlternatingLoader::handle) of the loader of training turns.
    pub fn new(device: &Device, store: CheckpointStore, loader: LoaderHandle) -> Self {
        Self {
            device: device.clone().autodiff(),
            store,
            loader,
            every: None,
            monitor: Monitor::default(),
            patience: None,
            seed: None,
            configuration: serde_json::Value::Null,
            start: None,
            state: Arc::new(Mutex::new(TrainingProgress::new(0))),
            stopped: Arc::default(),
        }
    }

    /// Makes a checkpoint every `turns` turns as well.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`] for 0.
    pub fn with_every(mut self, turns: usize) -> crate::Result<Self> {
        self.every = Some(at_least_one("turns between checkpoints", turns)? as u64);
        Ok(self)
    }

    /// Replaces the measure by which the best epoch is kept, the fused accuracy.
    pub fn with_monitor(mut self, monitor: Monitor) -> Self {
        self.monitor = monitor;
        self
    }

    /// Stops when `epochs` epochs in a row were no better, by the
    /// [monitor](Self::with_monitor), than the best before them.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`] for 0.
    pub fn with_patience(mut self, epochs: usize) -> crate::Result<Self> {
        self.patience = Some(at_least_one("patience", epochs)?);
        Ok(self)
    }

    /// Replaces the seed of the random numbers drawn while training, 0.
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// What the training is configured with, to be saved in checkpoints: going on with another
    /// configuration is refused.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Record`] for what JSON cannot hold.
    pub fn with_configuration(
        mut self,
        configuration: &impl Serialize,
    ) -> Result<Self, CheckpointError> {
        let value = serde_json::to_value(configuration);
        self.configuration = value.map_err(|error| CheckpointError::Record {
            part: "configuration",
            message: error.to_string(),
        })?;
        Ok(self)
    }

    /// Goes on from a snapshot, such as [`CheckpointStore::latest`] of the store, instead of
    /// starting anew. From an older one the training leaves the later ones behind: they are removed
    /// with its first checkpoint.
    pub fn resume(mut self, snapshot: Option<Snapshot>) -> Self {
        self.start = snapshot;
        self
    }

    /// Starts Burn's training, or goes on with it, and returns Burn's result together with what
    /// was measured.
    ///
    /// The training is Burn's, as configured: its metrics, number of epochs, early stopping,
    /// accumulation, renderer and interrupter. A stop through the interrupter leaves a checkpoint
    /// behind; an error does not, the last one before it stays.
    ///
    /// # Errors
    ///
    /// - [`CheckpointError::Occupied`] to start anew where there are checkpoints already;
    /// - [`CheckpointError::Unusable`] for a snapshot that does not fit what it is to go on with;
    /// - [`CheckpointError::Model`] for a monitor of a modality that does not exist.
    ///
    /// Nothing has been trained then. What goes wrong later is in the result.
    pub fn launch<M: MultimodalMethod>(
        self,
        training: SupervisedTraining<M>,
        mut learner: Learner<M>,
    ) -> Result<(LearningResult<M>, History), CheckpointError> {
        self.monitor
            .check(MultimodalMethod::n_modalities(&learner.model()))?;
        let progress = match &self.start {
            Some(snapshot) => {
                let path = snapshot.path.as_deref().unwrap_or(self.store.directory());
                self.restore(snapshot, &mut learner)
                    .map_err(|problem| CheckpointError::unusable(path, problem))?
            }
            None if self.store.list()?.is_empty() => TrainingProgress {
                configuration: self.configuration.clone(),
                monitor: self.monitor,
                loader: self.loader.position(),
                ..TrainingProgress::new(self.seed.unwrap_or_default())
            },
            None => {
                let directory = self.store.directory().to_path_buf();
                return Err(CheckpointError::Occupied { directory });
            }
        };
        let state = self.state.clone();
        *lock(&state) = progress;
        let stopped = self.stopped.clone();
        let strategy = TrainingStrategy::Custom(Arc::new(self));
        let mut result = training.with_training_strategy(strategy).launch(learner);
        // Burn's dashboard resets the interrupter at the end of a training that it stopped.
        if result.interrupted.is_none() && result.error.is_none() {
            result.interrupted = lock(&stopped).take();
        }
        let history = lock(&state).history.clone();
        Ok((result, history))
    }

    fn restore<M: MultimodalMethod>(
        &self,
        snapshot: &Snapshot,
        learner: &mut Learner<M>,
    ) -> Result<TrainingProgress, CheckpointProblem> {
        let mut progress = snapshot.progress.clone();
        progress.check_configuration(&self.configuration)?;
        progress.configuration = self.configuration.clone();
        same_option("monitor", &progress.monitor, &self.monitor)?;
        same_option("seed", &progress.seed, &self.seed.unwrap_or(progress.seed))?;
        // The model is tried first: Burn's learner would panic on a record that does not fit.
        snapshot.restore_model(learner.model())?;
        learner.load_model(snapshot.model_record()?);
        learner.load_optim(snapshot.optimizer_record()?);
        learner.load_scheduler(snapshot.scheduler_record()?);
        let position = self.loader.restore(&progress.loader);
        position.map_err(|error| CheckpointProblem::Mismatch {
            part: "loader",
            message: error.to_string(),
        })?;
        Ok(progress)
    }
}

fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

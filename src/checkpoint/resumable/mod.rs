//! A training strategy for Burn's loop that can be stopped at any turn and resumed exactly.

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

/// Training in Burn's loop that can be stopped or killed at any turn and resumes from its last
/// checkpoint as if it had never stopped, bit for bit on the CPU.
///
/// It is a training strategy for Burn's [`SupervisedTraining`] on one device. Progress display,
/// metrics and their logs, learning-rate schedules and gradient accumulation work as in Burn's own
/// strategies. [`launch`](Self::launch) starts it.
///
/// # What makes it exact
///
/// - A checkpoint holds model, projector, fusion, optimizer, scheduler, the position of the loader
///   at the start of the epoch, counts, history and configuration.
/// - The device is seeded before each turn, with a seed of that turn, from which its random numbers
///   (dropout) follow. Nothing else may draw from the device in the meantime, such as the
///   augmentation of a loader.
/// - The turns already taken in the epoch are read again and skipped. This needs an order of the
///   data that is a function of the pass: a loader that does not shuffle and has at most one
///   worker, or [`SeededLoader`](crate::loader::SeededLoader) with
///   [`AlternatingLoader::with_passes`](crate::loader::AlternatingLoader::with_passes). The
///   validation loader must not shuffle.
///
/// Burn's own metric logs restart the resumed epoch, and Burn's early stopping depends on them. It
/// is exact only if the logs still exist and it monitors the validation split. [`History`] is part
/// of the checkpoint, and [`with_patience`](Self::with_patience) depends on nothing else.
///
/// # Accumulation
///
/// With Burn's `grads_accumulation(n)`, up to `n` consecutive turns of the same modality make one
/// update ([`Blocks`](crate::loader::Blocks)). The last group of an epoch, or one before the turn
/// of another modality, may be smaller. Checkpoints are made between two updates.
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
    /// The interruption that ended the loop.
    stopped: Arc<Mutex<Option<Interruption>>>,
}

impl ResumableTraining {
    /// Trains on `device` with autodiff, and saves checkpoints to `store` after each epoch and when
    /// the training is interrupted. `loader` is the
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

    /// Saves a checkpoint every `turns` turns in addition.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`] for 0.
    pub fn with_every(mut self, turns: usize) -> crate::Result<Self> {
        self.every = Some(at_least_one("turns between checkpoints", turns)? as u64);
        Ok(self)
    }

    /// Sets the measure that selects the best epoch; the default is the fused accuracy.
    pub fn with_monitor(mut self, monitor: Monitor) -> Self {
        self.monitor = monitor;
        self
    }

    /// Stops after `epochs` consecutive epochs that were no better, by the
    /// [monitor](Self::with_monitor), than the best epoch before them.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`] for 0.
    pub fn with_patience(mut self, epochs: usize) -> crate::Result<Self> {
        self.patience = Some(at_least_one("patience", epochs)?);
        Ok(self)
    }

    /// Sets the seed of the random numbers drawn while training; the default is 0.
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Saves the configuration of the training in checkpoints. A training with another configuration
    /// cannot resume from them.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Record`] for a value that JSON cannot represent.
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

    /// Resumes from a snapshot, such as [`CheckpointStore::latest`] of the store; `None` starts a new
    /// training. After resuming from an older snapshot, the first checkpoint removes the later
    /// ones.
    pub fn resume(mut self, snapshot: Option<Snapshot>) -> Self {
        self.start = snapshot;
        self
    }

    /// Starts or resumes the training and returns Burn's result together with the history.
    ///
    /// `training` is configured as usual: its metrics, number of epochs, early stopping,
    /// accumulation, renderer and interrupter apply. A stop through the interrupter saves a
    /// checkpoint. An error does not; the last checkpoint before it stays.
    ///
    /// # Errors
    ///
    /// - [`CheckpointError::Occupied`] for a new training in a folder that already has checkpoints;
    /// - [`CheckpointError::Unusable`] for a snapshot that does not fit this training;
    /// - [`CheckpointError::Model`] for a monitor of a modality that does not exist.
    ///
    /// All of them occur before training. Later errors are in the result.
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
        // Burn's dashboard resets the interrupter at the end of a training that was stopped.
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
        // On a copy first, because Burn's learner panics on a record that does not fit.
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

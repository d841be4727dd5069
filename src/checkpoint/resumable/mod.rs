//! A training strategy for Burn's loop that can be stopped at any turn and resumed exactly.

mod devices;
mod run;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::optim::ModuleOptimizer;
use burn::tensor::Device;
use burn::train::{Interruption, Learner, LearningResult, SupervisedTraining, TrainingStrategy};
use serde::Serialize;

use self::devices::Devices;
use self::run::Plan;
use crate::checkpoint::{
    CheckpointError, CheckpointProblem, CheckpointStore, Description, History, Monitor, Snapshot,
    TrainingProgress, same_option,
};
use crate::dataset::Divide;
use crate::directory_lock::DirectoryLock;
use crate::error::{MlaError, at_least_one};
use crate::loader::LoaderHandle;
use crate::method::MultimodalMethod;

/// Training in Burn's loop that can be stopped or killed at any turn and resumes from its last
/// checkpoint as if it had never stopped, bit for bit on the CPU.
///
/// It is a training strategy for Burn's [`SupervisedTraining`]. Progress display,
/// metrics and their logs, learning-rate schedules and gradient accumulation work as in Burn's own
/// strategies. [`launch`](Self::launch) starts it on one device, and [`launch_over`](Self::launch_over) on
/// several.
///
/// # What makes it exact
///
/// - A checkpoint holds model, projector, fusion, optimizer, scheduler, the position of the loader
///   at the start of the epoch, counts, history and configuration.
/// - The device is seeded before each turn, with a seed of that turn, from which its random numbers
///   (dropout) follow. Nothing else may draw from the device in the meantime, such as the
///   augmentation of a loader.
/// - The turns already taken in the epoch are read again and skipped. This needs an order of the
///   data that is a function of the pass, a [`ResumableLoader`](crate::loader::ResumableLoader) such
///   as [`SeededLoader`](crate::loader::SeededLoader). The validation loader must not shuffle.
///
/// # What must be the same
///
/// A checkpoint describes its training, and a training that differs cannot resume from it. The error
/// names what differs:
///
/// - structure and options of the model, as Burn displays it: encoders, head, fusion, projector,
///   label smoothing; and which parameters train;
/// - the optimizer and its options, known by the updates that it makes of made-up gradients, because
///   Burn does not show them;
/// - the next learning rates;
/// - seed, batch size and number of samples of the loaders, schedule, and modality and labels of the
///   turns already taken in the epoch;
/// - seed, monitor, accumulation and [configuration](Self::with_configuration).
///
/// Fields of your modules are compared by their `Debug` format, unless Burn's display format leaves them
/// out. It must be the same in each process.
///
/// Values that are part of the state are those of the checkpoint, such as parameters and calibration
/// temperatures. The number of epochs, the patience and the turns between checkpoints may change. To
/// continue with other options, start a new training from
/// [`Snapshot::restore_model`].
///
/// # Logs
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
    time_limit: Option<Duration>,
    configuration: serde_json::Value,
    start: Option<Snapshot>,
    state: Arc<Mutex<Option<Start>>>,
    history: Arc<Mutex<History>>,
    /// The interruption that ended the loop.
    stopped: Arc<Mutex<Option<Interruption>>>,
}

/// What a training starts from.
struct Start {
    progress: TrainingProgress,
    description: Description,
    lock: DirectoryLock,
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
            time_limit: None,
            configuration: serde_json::Value::Null,
            start: None,
            state: Arc::default(),
            history: Arc::default(),
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

    /// Stops the training with [`MlaError::LostDevices`] when a device has not done its part of a turn, or
    /// the work before it, after `limit`. It is meant for devices in other processes, which may hang or
    /// vanish; without it a training waits as long as the backend does. The check costs one
    /// synchronization of each device per turn. A device that hangs during an update or a validation, or with
    /// [`launch`](Self::launch) within a step, is not noticed.
    pub fn with_time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
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
    /// accumulation, renderer and interrupter apply, the latter also to errors of the model. A stop
    /// through the interrupter saves a checkpoint. An error does not; the last checkpoint before it
    /// stays.
    ///
    /// # Errors
    ///
    /// - [`CheckpointError::Occupied`] for a new training in a folder that already has checkpoints,
    ///   [`CheckpointError::InTheWay`] for a file in the folder that has the name of a checkpoint and
    ///   cannot be read, [`CheckpointError::InUse`] while another training writes there;
    /// - [`CheckpointError::Unusable`] for a snapshot that does not fit this training;
    /// - [`CheckpointError::Model`] for a monitor of a modality that does not exist, and for a loader
    ///   whose order cannot be repeated.
    ///
    /// All of them occur before training. Later errors are in the result.
    pub fn launch<M: MultimodalMethod>(
        self,
        training: SupervisedTraining<M>,
        model: M,
        optimizer: ModuleOptimizer,
        scheduler: impl Into<ModuleLrScheduler>,
    ) -> Result<(LearningResult<M>, History), CheckpointError> {
        self.launch_with(None, training, model, optimizer, scheduler)
    }

    /// As [`launch`](Self::launch), with the samples of each turn divided over the device of the training
    /// and `others`, as equally as possible and in order.
    ///
    /// Each device gets a copy of the model at each turn. Gradients, and the feature sums in them, are
    /// summed on the first device, which makes the update and validates. The turns are those of one device
    /// with the same loader: order, skipped turns, position and checkpoints do not depend on the number of
    /// devices, and a training can resume on fewer, on more or on others. Only the rounding of the sums, and
    /// random numbers such as those of dropout, differ. The statistics of batch normalization are those of
    /// a device's part, and their running means are weighted by its samples. A device has no part in a turn
    /// with fewer samples than devices.
    ///
    /// Devices of one backend in one process share its random numbers: with dropout, such a training is not
    /// repeatable bit for bit. Tensors get the precision of their device.
    ///
    /// The loader stays on its device, from which the parts are copied through the host: a CPU is best.
    ///
    /// # Errors
    ///
    /// As [`launch`](Self::launch), and [`MlaError::NotDivisible`] with other devices for a method that is not
    /// [divisible](MultimodalMethod::is_divisible).
    pub fn launch_over<M>(
        self,
        others: &[Device],
        training: SupervisedTraining<M>,
        model: M,
        optimizer: ModuleOptimizer,
        scheduler: impl Into<ModuleLrScheduler>,
    ) -> Result<(LearningResult<M>, History), CheckpointError>
    where
        M: MultimodalMethod,
        M::TrainingInput: Divide,
    {
        if !others.is_empty() && !model.is_divisible() {
            return Err(MlaError::NotDivisible.into());
        }
        let all = std::iter::once(&self.device).chain(others);
        let all = all.map(|device| device.clone().autodiff()).collect();
        let devices = (!others.is_empty()).then(|| Devices::new(all));
        self.launch_with(devices, training, model, optimizer, scheduler)
    }

    fn launch_with<M: MultimodalMethod>(
        self,
        devices: Option<Devices<M::TrainingInput>>,
        training: SupervisedTraining<M>,
        model: M,
        optimizer: ModuleOptimizer,
        scheduler: impl Into<ModuleLrScheduler>,
    ) -> Result<(LearningResult<M>, History), CheckpointError> {
        self.monitor.check(MultimodalMethod::n_modalities(&model))?;
        let loader = self.loader.position()?;
        let parts = Parts {
            model,
            optimizer,
            scheduler: scheduler.into(),
        };
        let lock = self.store.lock()?;
        let (progress, mut parts) = match &self.start {
            Some(snapshot) => {
                let path = snapshot.path.as_deref().unwrap_or(self.store.directory());
                self.restore(snapshot, parts)
                    .map_err(|problem| CheckpointError::unusable(path, problem))?
            }
            None => {
                let progress = TrainingProgress {
                    configuration: self.configuration.clone(),
                    monitor: self.monitor,
                    loader,
                    ..TrainingProgress::new(self.seed.unwrap_or_default())
                };
                (progress, parts)
            }
        };
        self.store.check_all(&progress)?;
        let text = parts.model.to_string();
        let start = Start {
            progress,
            description: Description::of(&text, &parts.model, &parts.optimizer)?,
            lock,
        };
        parts
            .model
            .interruption_mut()
            .attach(&training.interrupter());
        if let Some(devices) = &devices {
            let interruption = parts.model.interruption_mut();
            interruption.watch(devices.all().collect());
        }
        *locked(&self.state) = Some(start);
        let (stopped, history) = (self.stopped.clone(), self.history.clone());
        let strategy = TrainingStrategy::Custom(Arc::new(Plan {
            training: self,
            devices,
        }));
        let learner = Learner::new(parts.model, parts.optimizer, parts.scheduler);
        let mut result = training.with_training_strategy(strategy).launch(learner);
        // Burn's dashboard resets the interrupter at the end of a training that was stopped.
        if result.interrupted.is_none() && result.error.is_none() {
            result.interrupted = locked(&stopped).take();
        }
        let history = std::mem::take(&mut *locked(&history));
        Ok((result, history))
    }

    fn restore<M: MultimodalMethod>(
        &self,
        snapshot: &Snapshot,
        parts: Parts<M>,
    ) -> Result<(TrainingProgress, Parts<M>), CheckpointProblem> {
        let mut progress = snapshot.progress.clone();
        progress.check_configuration(&self.configuration)?;
        progress.configuration = self.configuration.clone();
        same_option("monitor", &progress.monitor, &self.monitor)?;
        same_option("seed", &progress.seed, &self.seed.unwrap_or(progress.seed))?;
        let described = &snapshot.description;
        described.check_model(&parts.model.to_string())?;
        described.check_trainable(&parts.model)?;
        let n_modalities = MultimodalMethod::n_modalities(&parts.model);
        progress.history.check_modalities(n_modalities)?;
        let model = snapshot.load_model(parts.model)?;
        model
            .check_restored()
            .map_err(|error| CheckpointProblem::Mismatch {
                part: "model",
                message: error.to_string(),
            })?;
        let parts = Parts {
            model,
            optimizer: snapshot.load_optimizer(parts.optimizer, &self.device)?,
            scheduler: snapshot.restore_scheduler(parts.scheduler)?,
        };
        let position = self.loader.restore(&progress.loader);
        position.map_err(|error| match error {
            MlaError::OtherLoader { at, saved, given } => CheckpointProblem::Configuration {
                at: format!("loader.{at}"),
                saved,
                given,
            },
            error => CheckpointProblem::Mismatch {
                part: "loader",
                message: error.to_string(),
            },
        })?;
        Ok((progress, parts))
    }
}

/// The parts of a learner.
struct Parts<M> {
    model: M,
    optimizer: ModuleOptimizer,
    scheduler: ModuleLrScheduler,
}

fn locked<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

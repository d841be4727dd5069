//! The options of `fit`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::optim::{AdamWConfig, ModuleOptimizer};
use burn::train::Interrupter;
use serde::Serialize;

use crate::checkpoint::{CheckpointError, Monitor};
use crate::error::{Result, at_least_one, positive};

/// Number of turns of a training, for learning-rate schedules. A step of the schedule is one turn.
///
/// An alternating training has one turn per batch and modality, a joint one a turn per batch. A
/// [`WholeSet`](crate::baseline::WholeSet) has a turn per fit, and one per batch if its head makes steps on
/// batches. Turns that are skipped are included: those of a whole batch that lacks the modality, and of a
/// last batch that is too small for a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turns {
    /// Turns of an epoch.
    pub per_epoch: usize,
    /// Turns of all epochs.
    pub total: usize,
}

type Schedule = dyn Fn(Turns) -> std::result::Result<ModuleLrScheduler, String> + Send + Sync;

/// The learning rate of a training.
#[derive(Clone)]
pub(super) enum LearningRate {
    Constant(f64),
    Schedule(Arc<Schedule>),
}

/// Options of [`fit`](crate::fit::fit).
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `n_epochs` | required | largest number of epochs | >= 1 |
/// | `directory` | a temporary one | checkpoints, from which the same call resumes, and `metrics.csv` | |
/// | `optimizer` | AdamW with Burn's options | | |
/// | `learning_rate` | 0.001 | | (0, inf) |
/// | `schedule` | none | learning rate by turn | |
/// | `monitor` | fused accuracy | measure on the validation data that selects the best epoch | |
/// | `patience` | none | stops after so many epochs without improvement | >= 1 |
/// | `best` | true | returns the model of the best epoch instead of the last one | |
/// | `calibration` | true | fits temperatures to the validation data | |
/// | `every` | none | turns between checkpoints, in addition to those after each epoch | >= 1 |
/// | `seed` | 0 | dropout while training | |
/// | `names` | 0, 1, .. | names of the modalities in metrics | |
/// | `label` | none | start of each line of the progress | |
/// | `progress` | true | prints one line per epoch to standard output | |
/// | `table` | `metrics.csv` in the directory | table of all metrics | |
/// | `configuration` | none | recorded in checkpoints; another one is refused when resuming | |
/// | `time_limit` | none | longest time that a device may take for its part of a turn | |
/// | `interrupter` | none | stops the training with a checkpoint | |
#[derive(Clone)]
pub struct FitConfig {
    pub(super) n_epochs: usize,
    pub(super) directory: Option<PathBuf>,
    pub(super) optimizer: ModuleOptimizer,
    pub(super) learning_rate: LearningRate,
    pub(super) monitor: Monitor,
    pub(super) patience: Option<usize>,
    pub(super) best: bool,
    pub(super) calibration: bool,
    pub(super) every: Option<usize>,
    pub(super) seed: u64,
    pub(super) names: Option<Vec<String>>,
    pub(super) label: Option<String>,
    pub(super) progress: bool,
    pub(super) table: Option<PathBuf>,
    pub(super) configuration: serde_json::Value,
    pub(super) time_limit: Option<Duration>,
    pub(super) interrupter: Option<Interrupter>,
}

impl FitConfig {
    /// The default options, for at most `n_epochs` epochs.
    pub fn new(n_epochs: usize) -> Self {
        Self {
            n_epochs,
            directory: None,
            optimizer: AdamWConfig::new().init(),
            learning_rate: LearningRate::Constant(1e-3),
            monitor: Monitor::default(),
            patience: None,
            best: true,
            calibration: true,
            every: None,
            seed: 0,
            names: None,
            label: None,
            progress: true,
            table: None,
            configuration: serde_json::Value::Null,
            time_limit: None,
            interrupter: None,
        }
    }

    /// Keeps checkpoints and the table of metrics in `directory`, which is created if needed. A call
    /// with the same directory resumes from its newest checkpoint.
    pub fn with_directory(mut self, directory: impl AsRef<Path>) -> Self {
        self.directory = Some(directory.as_ref().to_path_buf());
        self
    }

    /// Sets the optimizer.
    pub fn with_optimizer(mut self, optimizer: impl Into<ModuleOptimizer>) -> Self {
        self.optimizer = optimizer.into();
        self
    }

    /// Sets a constant learning rate.
    pub fn with_learning_rate(mut self, learning_rate: f64) -> Self {
        self.learning_rate = LearningRate::Constant(learning_rate);
        self
    }

    /// Sets a learning-rate schedule, built from the number of turns of the training:
    ///
    /// ```
    /// use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
    /// use burn_mla::prelude::*;
    ///
    /// let config = FitConfig::new(20)
    ///     .with_schedule(|turns| CosineAnnealingLrSchedulerConfig::new(4e-3, turns.total).init());
    /// # let _ = config;
    /// ```
    pub fn with_schedule<S: Into<ModuleLrScheduler>>(
        mut self,
        schedule: impl Fn(Turns) -> std::result::Result<S, String> + Send + Sync + 'static,
    ) -> Self {
        let schedule = move |turns| schedule(turns).map(Into::into);
        self.learning_rate = LearningRate::Schedule(Arc::new(schedule));
        self
    }

    /// Sets the measure that selects the best epoch and that the patience watches.
    pub fn with_monitor(mut self, monitor: Monitor) -> Self {
        self.monitor = monitor;
        self
    }

    /// Stops after `epochs` consecutive epochs that were no better than the best one before them.
    pub fn with_patience(mut self, epochs: usize) -> Self {
        self.patience = Some(epochs);
        self
    }

    /// Sets whether the model of the best epoch is returned; otherwise it is that of the last one.
    pub fn with_best(mut self, best: bool) -> Self {
        self.best = best;
        self
    }

    /// Sets whether temperatures are fitted to the validation data after the training. Without them
    /// an [`Mla`](crate::Mla) is that of the paper as printed.
    pub fn with_calibration(mut self, calibration: bool) -> Self {
        self.calibration = calibration;
        self
    }

    /// Saves a checkpoint every `turns` turns in addition to those after each epoch.
    pub fn with_every(mut self, turns: usize) -> Self {
        self.every = Some(turns);
        self
    }

    /// Sets the seed of dropout while training. The order of the data has its own, and initial
    /// parameters have that of the device.
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Names the modalities in the progress and the table, in the order of the encoders.
    pub fn with_names<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.names = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Starts each line of the progress with a label.
    pub fn with_label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Sets whether one line per epoch is printed to standard output.
    pub fn with_progress(mut self, progress: bool) -> Self {
        self.progress = progress;
        self
    }

    /// Writes the table of metrics to `path` instead of the directory.
    pub fn with_table(mut self, path: impl AsRef<Path>) -> Self {
        self.table = Some(path.as_ref().to_path_buf());
        self
    }

    /// Records the configuration of the training in checkpoints. A training with another
    /// configuration cannot resume from them.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Record`] for a value that JSON cannot represent.
    pub fn with_configuration(
        mut self,
        configuration: &impl Serialize,
    ) -> std::result::Result<Self, CheckpointError> {
        let value = serde_json::to_value(configuration);
        self.configuration = value.map_err(|error| CheckpointError::Record {
            part: "configuration",
            message: error.to_string(),
        })?;
        Ok(self)
    }

    /// Stops the training when a device does not answer for longer than `limit`
    /// ([`ResumableTraining::with_time_limit`](crate::checkpoint::ResumableTraining::with_time_limit)).
    pub fn with_time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// Stops the training with a checkpoint when `interrupter` asks for it, for example at Ctrl-C.
    pub fn with_interrupter(mut self, interrupter: Interrupter) -> Self {
        self.interrupter = Some(interrupter);
        self
    }

    /// Checks the numbers.
    pub(super) fn check(&self) -> Result<()> {
        at_least_one("n_epochs", self.n_epochs)?;
        if let LearningRate::Constant(learning_rate) = self.learning_rate {
            positive("learning_rate", learning_rate)?;
        }
        Ok(())
    }
}

impl fmt::Debug for FitConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FitConfig")
            .field("n_epochs", &self.n_epochs)
            .field("directory", &self.directory)
            .field("monitor", &self.monitor)
            .field("patience", &self.patience)
            .field("best", &self.best)
            .field("calibration", &self.calibration)
            .field("every", &self.every)
            .field("seed", &self.seed)
            .field("names", &self.names)
            .field("configuration", &self.configuration)
            .finish_non_exhaustive()
    }
}

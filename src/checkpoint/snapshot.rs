//! The state of a training, taken from it and applied to it.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use burn::lr_scheduler::LrSchedulerRecord;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::{Module, ModuleDisplay};
use burn::optim::{ModuleOptimizer, OptimizerRecord};
use burn::store::{ModuleRecord, RecordError};
use burn::tensor::{Bytes, Device};
use burn::train::checkpoint::Checkpoint;

use crate::checkpoint::describe::text_of;
use crate::checkpoint::part::Part;
use crate::checkpoint::{CheckpointError, CheckpointProblem, Description, TrainingProgress, file};
use crate::module::take_pending_updates;

/// Everything that is needed to resume a training: model (with projector and fusion), optimizer,
/// learning-rate scheduler and progress.
///
/// Only the progress is in memory. The rest is in an open file, which takes as much space on the
/// disk as the state until the last clone of the snapshot is dropped.
#[derive(Clone)]
pub struct Snapshot {
    /// Progress of the training.
    pub progress: TrainingProgress,
    /// The file that the snapshot was read from.
    pub(crate) path: Option<PathBuf>,
    pub(crate) description: Description,
    pub(crate) model: Part,
    pub(crate) optimizer: Part,
    pub(crate) scheduler: Part,
}

/// The same state, whatever file it was read from.
impl PartialEq for Snapshot {
    fn eq(&self, other: &Self) -> bool {
        self.progress == other.progress
            && self.description == other.description
            && self.parts() == other.parts()
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("progress", &self.progress)
            .finish_non_exhaustive()
    }
}

impl Snapshot {
    /// Takes the state of a training, into a file in the system's folder for temporary files
    /// ([`std::env::temp_dir`]). Choose one on a disk where that folder is in memory.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Record`] when a tensor cannot be read from its device, or the file cannot
    /// be written.
    pub fn new<M: Module + ModuleDisplay>(
        model: &M,
        optimizer: &ModuleOptimizer,
        scheduler: &ModuleLrScheduler,
        progress: TrainingProgress,
    ) -> Result<Self, CheckpointError> {
        take_pending_updates(model);
        let description = Description::of(&text_of(model), model, optimizer)?;
        let mut ahead = scheduler.clone();
        // Each record is dropped before the next one is made.
        Ok(Self {
            path: None,
            progress,
            description: description.with_learning_rates(|| ahead.step()),
            model: recorded("model", model.clone().into_record())?,
            optimizer: recorded("optimizer", optimizer.to_record())?,
            scheduler: recorded("scheduler", scheduler.to_record())?,
        })
    }

    /// The model with the state of the snapshot.
    ///
    /// # Errors
    ///
    /// - [`CheckpointProblem::Configuration`] for a model with another structure or other options, as
    ///   far as Burn displays them;
    /// - [`CheckpointProblem::Mismatch`] for parameters that do not fit;
    /// - [`CheckpointProblem::Unreadable`].
    pub fn restore_model<M: Module + ModuleDisplay>(
        &self,
        model: M,
    ) -> Result<M, CheckpointProblem> {
        self.description.check_model(&text_of(&model))?;
        self.load_model(model)
    }

    /// Loads the state into a model that has been compared with the description.
    pub(crate) fn load_model<M: Module>(&self, model: M) -> Result<M, CheckpointProblem> {
        // Otherwise pending running statistics would overwrite those of the snapshot.
        take_pending_updates(&model);
        model
            .try_load_record(self.model_record()?)
            .map_err(mismatch("model"))
    }

    /// The optimizer with the state of the snapshot.
    ///
    /// # Errors
    ///
    /// [`CheckpointProblem::Mismatch`] for an optimizer that makes other updates, because it is of
    /// another kind or has other options, and [`CheckpointProblem::Unreadable`].
    pub fn restore_optimizer(
        &self,
        optimizer: ModuleOptimizer,
    ) -> Result<ModuleOptimizer, CheckpointProblem> {
        // Burn's optimizers load their state to the default device as well.
        self.load_optimizer(optimizer, &Device::default())
    }

    /// As [`restore_optimizer`](Self::restore_optimizer), with a device for small computations.
    pub(crate) fn load_optimizer(
        &self,
        optimizer: ModuleOptimizer,
        device: &Device,
    ) -> Result<ModuleOptimizer, CheckpointProblem> {
        self.description.check_optimizer(&optimizer, device)?;
        Ok(optimizer.load_record(self.optimizer_record()?))
    }

    /// The scheduler with the state of the snapshot.
    ///
    /// # Errors
    ///
    /// [`CheckpointProblem::Configuration`] for a scheduler whose next learning rates differ from
    /// those of the snapshot's, and [`CheckpointProblem::Unreadable`].
    pub fn restore_scheduler(
        &self,
        scheduler: ModuleLrScheduler,
    ) -> Result<ModuleLrScheduler, CheckpointProblem> {
        let scheduler = scheduler.load_record(self.scheduler_record()?);
        let mut ahead = scheduler.clone();
        self.description.check_learning_rates(|| ahead.step())?;
        Ok(scheduler)
    }

    fn model_record(&self) -> Result<ModuleRecord, CheckpointProblem> {
        ModuleRecord::from_bytes(read("model", &self.model)?).map_err(mismatch("model"))
    }

    fn optimizer_record(&self) -> Result<OptimizerRecord, CheckpointProblem> {
        OptimizerRecord::from_bytes(read("optimizer", &self.optimizer)?)
            .map_err(mismatch("optimizer"))
    }

    fn scheduler_record(&self) -> Result<LrSchedulerRecord, CheckpointProblem> {
        LrSchedulerRecord::from_bytes(read("scheduler", &self.scheduler)?)
            .map_err(mismatch("scheduler"))
    }

    pub(super) fn write(&self, target: &mut impl Write) -> io::Result<()> {
        file::write(&self.progress, &self.description, self.parts(), target)
    }

    pub(super) fn open(path: &Path) -> Result<Self, CheckpointError> {
        let (progress, description, [model, optimizer, scheduler]) = file::open(path)?;
        Ok(Self {
            path: Some(path.to_path_buf()),
            progress,
            description,
            model,
            optimizer,
            scheduler,
        })
    }

    fn parts(&self) -> [&Part; 3] {
        [&self.model, &self.optimizer, &self.scheduler]
    }
}

fn recorded(part: &'static str, record: impl Checkpoint) -> Result<Part, CheckpointError> {
    let recorded = Part::record(&std::env::temp_dir(), record);
    recorded.map_err(|error| CheckpointError::Record {
        part,
        message: error.to_string(),
    })
}

fn read(name: &'static str, part: &Part) -> Result<Bytes, CheckpointProblem> {
    part.read().map_err(|error| CheckpointProblem::Unreadable {
        part: name,
        message: error.to_string(),
    })
}

fn mismatch(part: &'static str) -> impl FnOnce(RecordError) -> CheckpointProblem {
    move |error| CheckpointProblem::Mismatch {
        part,
        message: error.to_string(),
    }
}

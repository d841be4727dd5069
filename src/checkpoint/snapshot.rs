//! The state of a training, taken from it and applied to it.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use burn::lr_scheduler::LrSchedulerRecord;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::Module;
use burn::optim::{ModuleOptimizer, OptimizerRecord};
use burn::store::{ModuleRecord, RecordError};
use burn::tensor::Bytes;
use burn::train::checkpoint::Checkpoint;

use crate::checkpoint::part::Part;
use crate::checkpoint::{CheckpointError, CheckpointProblem, TrainingProgress, file};
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
    pub(crate) model: Part,
    pub(crate) optimizer: Part,
    pub(crate) scheduler: Part,
}

/// The same state, whatever file it was read from.
impl PartialEq for Snapshot {
    fn eq(&self, other: &Self) -> bool {
        self.progress == other.progress && self.parts() == other.parts()
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
    pub fn new<M: Module>(
        model: &M,
        optimizer: &ModuleOptimizer,
        scheduler: &ModuleLrScheduler,
        progress: TrainingProgress,
    ) -> Result<Self, CheckpointError> {
        take_pending_updates(model);
        // Each record is dropped before the next one is made.
        Ok(Self {
            path: None,
            progress,
            model: recorded("model", model.clone().into_record())?,
            optimizer: recorded("optimizer", optimizer.to_record())?,
            scheduler: recorded("scheduler", scheduler.to_record())?,
        })
    }

    /// The model with the state of the snapshot.
    ///
    /// # Errors
    ///
    /// [`CheckpointProblem::Mismatch`] for a model of another shape, and
    /// [`CheckpointProblem::Unreadable`].
    pub fn restore_model<M: Module>(&self, model: M) -> Result<M, CheckpointProblem> {
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
    /// [`CheckpointProblem::Mismatch`] for a record that is none of an optimizer, and
    /// [`CheckpointProblem::Unreadable`].
    pub fn restore_optimizer(
        &self,
        optimizer: ModuleOptimizer,
    ) -> Result<ModuleOptimizer, CheckpointProblem> {
        Ok(optimizer.load_record(self.optimizer_record()?))
    }

    /// The scheduler with the state of the snapshot.
    ///
    /// # Errors
    ///
    /// [`CheckpointProblem::Mismatch`] for a record that is none of a scheduler, and
    /// [`CheckpointProblem::Unreadable`].
    pub fn restore_scheduler(
        &self,
        scheduler: ModuleLrScheduler,
    ) -> Result<ModuleLrScheduler, CheckpointProblem> {
        Ok(scheduler.load_record(self.scheduler_record()?))
    }

    pub(crate) fn model_record(&self) -> Result<ModuleRecord, CheckpointProblem> {
        ModuleRecord::from_bytes(read("model", &self.model)?).map_err(mismatch("model"))
    }

    pub(crate) fn optimizer_record(&self) -> Result<OptimizerRecord, CheckpointProblem> {
        OptimizerRecord::from_bytes(read("optimizer", &self.optimizer)?)
            .map_err(mismatch("optimizer"))
    }

    pub(crate) fn scheduler_record(&self) -> Result<LrSchedulerRecord, CheckpointProblem> {
        LrSchedulerRecord::from_bytes(read("scheduler", &self.scheduler)?)
            .map_err(mismatch("scheduler"))
    }

    /// Checks that `recorded`, taken right after a training was restored from this snapshot, equals
    /// it: Burn's optimizers and schedulers silently ignore state of another kind.
    pub(crate) fn check_restored(&self, recorded: &Snapshot) -> Result<(), CheckpointProblem> {
        // One after the other: each is read as a whole.
        let saved = self.optimizer_record()?.len();
        let restored = recorded.optimizer_record()?.len();
        if saved != restored {
            return Err(CheckpointProblem::Mismatch {
                part: "optimizer",
                message: format!(
                    "it restores {restored} of {saved} tensors, because it is another optimizer"
                ),
            });
        }
        if self.scheduler != recorded.scheduler {
            return Err(CheckpointProblem::Mismatch {
                part: "scheduler",
                message: "it restores a part of the state, because it is another scheduler".into(),
            });
        }
        Ok(())
    }

    pub(super) fn write(&self, target: &mut impl Write) -> io::Result<()> {
        file::write(&self.progress, self.parts(), target)
    }

    pub(super) fn open(path: &Path) -> Result<Self, CheckpointError> {
        let (progress, [model, optimizer, scheduler]) = file::open(path)?;
        Ok(Self {
            path: Some(path.to_path_buf()),
            progress,
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

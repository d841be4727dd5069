use std::fmt;
use std::path::{Path, PathBuf};

use burn::lr_scheduler::LrSchedulerRecord;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::Module;
use burn::optim::{ModuleOptimizer, OptimizerRecord};
use burn::store::{ModuleRecord, RecordError};
use burn::tensor::Bytes;

use crate::checkpoint::{CheckpointError, CheckpointProblem, TrainingProgress, file};
use crate::module::take_pending_updates;

/// Everything a training needs to go on: model (projector and fusion included), optimizer,
/// learning-rate scheduler and progress.
#[derive(Clone)]
pub struct Snapshot {
    /// How far the training is.
    pub progress: TrainingProgress,
    /// The file it was read from.
    pub(crate) path: Option<PathBuf>,
    pub(crate) model: Vec<u8>,
    pub(crate) optimizer: Vec<u8>,
    pub(crate) scheduler: Vec<u8>,
}

/// The same state, wherever it was read from.
impl PartialEq for Snapshot {
    fn eq(&self, other: &Self) -> bool {
        self.progress == other.progress
            && self.model == other.model
            && self.optimizer == other.optimizer
            && self.scheduler == other.scheduler
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
    /// Takes the state of a training.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Record`] when a tensor cannot be read from its device.
    pub fn new<M: Module>(
        model: &M,
        optimizer: &ModuleOptimizer,
        scheduler: &ModuleLrScheduler,
        progress: TrainingProgress,
    ) -> Result<Self, CheckpointError> {
        take_pending_updates(model);
        Ok(Self {
            path: None,
            progress,
            model: recorded("model", model.clone().into_record().into_bytes())?,
            optimizer: recorded("optimizer", optimizer.to_record().into_bytes())?,
            scheduler: recorded("scheduler", scheduler.to_record().into_bytes())?,
        })
    }

    /// The model with the state of the snapshot.
    ///
    /// # Errors
    ///
    /// [`CheckpointProblem::Mismatch`] for a model of another shape.
    pub fn restore_model<M: Module>(&self, model: M) -> Result<M, CheckpointProblem> {
        // Pending running statistics of before would overwrite those that are loaded.
        take_pending_updates(&model);
        model
            .try_load_record(self.model_record()?)
            .map_err(mismatch("model"))
    }

    /// The optimizer with the state of the snapshot.
    ///
    /// # Errors
    ///
    /// [`CheckpointProblem::Mismatch`] when its record cannot be read.
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
    /// [`CheckpointProblem::Mismatch`] when its record cannot be read.
    pub fn restore_scheduler(
        &self,
        scheduler: ModuleLrScheduler,
    ) -> Result<ModuleLrScheduler, CheckpointProblem> {
        Ok(scheduler.load_record(self.scheduler_record()?))
    }

    pub(crate) fn model_record(&self) -> Result<ModuleRecord, CheckpointProblem> {
        ModuleRecord::from_bytes(bytes(&self.model)).map_err(mismatch("model"))
    }

    pub(crate) fn optimizer_record(&self) -> Result<OptimizerRecord, CheckpointProblem> {
        OptimizerRecord::from_bytes(bytes(&self.optimizer)).map_err(mismatch("optimizer"))
    }

    pub(crate) fn scheduler_record(&self) -> Result<LrSchedulerRecord, CheckpointProblem> {
        LrSchedulerRecord::from_bytes(bytes(&self.scheduler)).map_err(mismatch("scheduler"))
    }

    /// Checks that what a training recorded right after it was restored is what it was restored
    /// from: Burn's optimizers and schedulers leave out, without a word, what they do not know.
    pub(crate) fn check_restored(&self, recorded: &Snapshot) -> Result<(), CheckpointProblem> {
        let (saved, now) = (self.optimizer_record()?, recorded.optimizer_record()?);
        if saved.len() != now.len() {
            return Err(CheckpointProblem::Mismatch {
                part: "optimizer",
                message: format!(
                    "it takes over {} of {} tensors: it is another optimizer",
                    now.len(),
                    saved.len()
                ),
            });
        }
        if self.scheduler != recorded.scheduler {
            return Err(CheckpointProblem::Mismatch {
                part: "scheduler",
                message: "it does not take over all of the state: it is another scheduler".into(),
            });
        }
        Ok(())
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let parts = [&self.model, &self.optimizer, &self.scheduler];
        file::encode(&self.progress, parts.map(Vec::as_slice))
    }

    pub(super) fn read(path: &Path) -> Result<Self, CheckpointError> {
        let bytes = std::fs::read(path).map_err(CheckpointError::io(path))?;
        let (progress, [model, optimizer, scheduler]) =
            file::decode(&bytes).map_err(|problem| CheckpointError::unusable(path, problem))?;
        Ok(Self {
            path: Some(path.to_path_buf()),
            progress,
            model,
            optimizer,
            scheduler,
        })
    }
}

pub(crate) fn recorded(
    part: &'static str,
    bytes: Result<Bytes, RecordError>,
) -> Result<Vec<u8>, CheckpointError> {
    let bytes = bytes.map_err(|error| CheckpointError::Record {
        part,
        message: error.to_string(),
    })?;
    Ok(bytes.to_vec())
}

fn bytes(part: &[u8]) -> Bytes {
    Bytes::from_bytes_vec(part.to_vec())
}

fn mismatch(part: &'static str) -> impl FnOnce(RecordError) -> CheckpointProblem {
    move |error| CheckpointProblem::Mismatch {
        part,
        message: error.to_string(),
    }
}

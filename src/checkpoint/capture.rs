//! The state of Burn's `Learner`, which shows its optimizer and scheduler to checkpointers only.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};

use burn::train::checkpoint::{
    AsyncCheckpointer, Checkpoint, Checkpointer, CheckpointerError, CheckpointingAction,
    CheckpointingStrategy,
};
use burn::train::metric::store::EventStoreClient;
use burn::train::{Learner, LearnerModel, LearningCheckpointer};

use crate::checkpoint::part::Part;
use crate::checkpoint::{CheckpointError, Description, Snapshot, TrainingProgress};
use crate::module::take_pending_updates;

type Recorded = Result<Part, CheckpointerError>;

/// Takes snapshots of a [`Learner`] by Burn's own checkpointing.
pub(crate) struct Capture<M: LearnerModel> {
    description: Description,
    checkpointer: LearningCheckpointer<M>,
    model: Receiver<Recorded>,
    optimizer: Receiver<Recorded>,
    scheduler: Receiver<Recorded>,
}

impl<M: LearnerModel> Capture<M> {
    /// Snapshots take space in `folder` while they are in use.
    pub(crate) fn new(folder: &Path, description: Description) -> Self {
        let (model, of_model) = Recorder::new(folder);
        let (optimizer, of_optimizer) = Recorder::new(folder);
        let (scheduler, of_scheduler) = Recorder::new(folder);
        Self {
            description,
            checkpointer: LearningCheckpointer::new(
                AsyncCheckpointer::new(model),
                AsyncCheckpointer::new(optimizer),
                AsyncCheckpointer::new(scheduler),
                Box::new(Always),
            ),
            model: of_model,
            optimizer: of_optimizer,
            scheduler: of_scheduler,
        }
    }

    pub(crate) fn snapshot(
        &mut self,
        learner: &Learner<M>,
        store: &EventStoreClient,
        progress: TrainingProgress,
    ) -> Result<Snapshot, CheckpointError> {
        take_pending_updates(&learner.model());
        self.checkpointer.checkpoint(learner, progress.epoch, store);
        // All are received before an error returns: none stays for the next snapshot.
        let model = received("model", &self.model);
        let optimizer = received("optimizer", &self.optimizer);
        let scheduler = received("scheduler", &self.scheduler);
        let mut ahead = learner.clone();
        let next = || {
            ahead.lr_step();
            ahead.lr_current()
        };
        Ok(Snapshot {
            path: None,
            progress,
            description: self.description.with_learning_rates(next),
            model: model?,
            optimizer: optimizer?,
            scheduler: scheduler?,
        })
    }
}

fn received(part: &'static str, from: &Receiver<Recorded>) -> Result<Part, CheckpointError> {
    let message = match from.recv() {
        Ok(Ok(recorded)) => return Ok(recorded),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    Err(CheckpointError::Record { part, message })
}

/// Writes a part of a learner to a file and hands it to [`Capture`].
struct Recorder {
    folder: PathBuf,
    sender: Sender<Recorded>,
}

impl Recorder {
    fn new(folder: &Path) -> (Self, Receiver<Recorded>) {
        let (sender, receiver) = mpsc::channel();
        let folder = folder.to_path_buf();
        (Self { folder, sender }, receiver)
    }
}

impl<R: Checkpoint> Checkpointer<R> for Recorder {
    fn save(&self, _epoch: usize, record: R) -> Result<(), CheckpointerError> {
        let sent = self.sender.send(Part::record(&self.folder, record));
        sent.map_err(|error| CheckpointerError::Unknown(error.to_string()))
    }

    fn delete(&self, _epoch: usize) -> Result<(), CheckpointerError> {
        Ok(())
    }

    fn restore(&self, _epoch: usize) -> Result<R, CheckpointerError> {
        Err(CheckpointerError::Unknown(
            "captured state is not restored from here".to_string(),
        ))
    }
}

/// Saves at every call.
struct Always;

impl CheckpointingStrategy for Always {
    fn checkpointing(&mut self, _: usize, _: &EventStoreClient) -> Vec<CheckpointingAction> {
        vec![CheckpointingAction::Save]
    }
}

use std::sync::mpsc::{self, Receiver, Sender};

use burn::train::checkpoint::{
    AsyncCheckpointer, Checkpoint, Checkpointer, CheckpointerError, CheckpointingAction,
    CheckpointingStrategy,
};
use burn::train::metric::store::EventStoreClient;
use burn::train::{Learner, LearnerModel, LearningCheckpointer};

use crate::checkpoint::{CheckpointError, Snapshot, TrainingProgress};
use crate::module::take_pending_updates;

/// Takes the state out of a [`Learner`], whose optimizer and scheduler nothing else of Burn's
/// shows: Burn's checkpointing into memory.
pub(crate) struct Capture<M: LearnerModel> {
    checkpointer: LearningCheckpointer<M>,
    captured: Receiver<Captured>,
}

/// A part of a learner, by its name.
type Captured = (&'static str, Result<Vec<u8>, String>);

impl<M: LearnerModel> Capture<M> {
    pub(crate) fn new() -> Self {
        let (sender, captured) = mpsc::channel();
        let part = |name| Part {
            name,
            sender: sender.clone(),
        };
        let checkpointer = LearningCheckpointer::new(
            AsyncCheckpointer::new(part(MODEL)),
            AsyncCheckpointer::new(part(OPTIMIZER)),
            AsyncCheckpointer::new(part(SCHEDULER)),
            Box::new(Always),
        );
        Self {
            checkpointer,
            captured,
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
        let (mut model, mut optimizer, mut scheduler) = (vec![], vec![], vec![]);
        for _ in 0..3 {
            let (part, bytes) = self.captured.recv().expect("this has a sender itself");
            let bytes = bytes.map_err(|message| CheckpointError::Record { part, message })?;
            match part {
                MODEL => model = bytes,
                OPTIMIZER => optimizer = bytes,
                _ => scheduler = bytes,
            }
        }
        Ok(Snapshot {
            path: None,
            progress,
            model,
            optimizer,
            scheduler,
        })
    }
}

const MODEL: &str = "model";
const OPTIMIZER: &str = "optimizer";
const SCHEDULER: &str = "scheduler";

struct Part {
    name: &'static str,
    sender: Sender<Captured>,
}

impl<R: Checkpoint> Checkpointer<R> for Part {
    fn save(&self, _epoch: usize, record: R) -> Result<(), CheckpointerError> {
        let bytes = record.checkpoint_into_bytes();
        let bytes = bytes
            .map(|bytes| bytes.to_vec())
            .map_err(|error| error.to_string());
        let sent = self.sender.send((self.name, bytes));
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

struct Always;

impl CheckpointingStrategy for Always {
    fn checkpointing(&mut self, _: usize, _: &EventStoreClient) -> Vec<CheckpointingAction> {
        vec![CheckpointingAction::Save]
    }
}

//! The progress of a training, and the options that must stay the same when it resumes.

use serde::{Deserialize, Serialize};

use crate::checkpoint::{CheckpointProblem, History, Monitor};
use crate::error::Difference;
use crate::loader::LoaderPosition;

/// Progress of a training: everything in a checkpoint besides model, optimizer and scheduler.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingProgress {
    /// Id of the training, by which a folder of checkpoints knows its own.
    pub(crate) training: String,
    /// Seed of the random numbers drawn while training. Those of a turn depend only on it and on
    /// the number of the turn.
    pub seed: u64,
    /// Current epoch, from 1.
    pub epoch: usize,
    /// Turns taken in the current epoch.
    pub turns_in_epoch: u64,
    /// Checksum of modality and labels of these turns.
    pub(crate) turns_checksum: u32,
    /// Turns taken since the start of the training.
    pub turns: u64,
    /// Position of the loader at the start of the epoch.
    pub loader: LoaderPosition,
    /// Measure that selects the best epoch.
    pub monitor: Monitor,
    /// Turns per update.
    pub accumulation: usize,
    /// Measurements of each epoch.
    pub history: History,
    /// Configuration of the training, as you gave it.
    pub configuration: serde_json::Value,
}

impl TrainingProgress {
    /// The start of a new training, which has an id of its own. To resume one, continue with the
    /// progress of its checkpoint.
    pub fn new(seed: u64) -> Self {
        Self {
            training: format!("{:032x}", rand::random::<u128>()),
            seed,
            epoch: 1,
            turns_in_epoch: 0,
            turns_checksum: 0,
            turns: 0,
            loader: LoaderPosition::default(),
            monitor: Monitor::default(),
            accumulation: 1,
            history: History::default(),
            configuration: serde_json::Value::Null,
        }
    }

    /// Whether both are of the same training.
    pub fn is_of_same_training(&self, other: &Self) -> bool {
        self.training == other.training
    }

    /// Checks that a training resumes with the configuration that it started with.
    pub(crate) fn check_configuration(
        &self,
        given: &serde_json::Value,
    ) -> Result<(), CheckpointProblem> {
        same("configuration", &self.configuration, given)
    }

    /// Checks the numbers against each other. A history may be missing, since only
    /// [`ResumableTraining`](crate::checkpoint::ResumableTraining) writes one.
    pub(super) fn check(&self) -> Result<(), CheckpointProblem> {
        let wrong = |message: String| {
            Err(CheckpointProblem::Mismatch {
                part: "progress",
                message,
            })
        };
        let Self {
            epoch,
            turns_in_epoch,
            turns,
            accumulation,
            ..
        } = *self;
        if epoch == 0 {
            return wrong("epochs count from 1, but it is in epoch 0".to_string());
        }
        if accumulation == 0 {
            return wrong("0 turns per update".to_string());
        }
        if turns_in_epoch > turns {
            return wrong(format!(
                "{turns_in_epoch} turns in epoch {epoch} of {turns} in all"
            ));
        }
        if turns > MOST || epoch as u64 > MOST {
            return wrong(format!("{turns} turns in {epoch} epochs"));
        }
        let LoaderPosition { step, skipped, .. } = self.loader;
        if skipped > step || step > MOST {
            return wrong(format!("{skipped} skipped turns of {step}"));
        }
        if let Some(source) = self.loader.sources.iter().find(|of| of.passes > MOST) {
            return wrong(format!("{} passes over the data", source.passes));
        }
        self.history.check().or_else(wrong)?;
        let epochs = &self.history.epochs;
        if epochs.is_empty() {
            return Ok(());
        }
        let expected = if turns_in_epoch == 0 {
            epoch - 1
        } else {
            epoch
        };
        if epochs.len() != expected && epochs.len() != epoch {
            return wrong(format!(
                "a history of {} epochs in epoch {epoch}",
                epochs.len()
            ));
        }
        let n_turns = |epochs: &[_]| epochs.iter().map(super::EpochRecord::n_turns).sum::<u64>();
        let (all, current) = (
            n_turns(epochs),
            n_turns(&epochs[(epoch - 1).min(epochs.len())..]),
        );
        if all != turns || current != turns_in_epoch {
            return wrong(format!(
                "{turns} turns, {turns_in_epoch} of them in epoch {epoch}, but {all} and {current} \
                 in the history"
            ));
        }
        Ok(())
    }
}

/// No training gets so far. Counts above it come from a damaged or forged file.
pub(super) const MOST: u64 = 1 << 48;

/// Checks that a value equals that of the checkpoint, which the error names otherwise.
pub(crate) fn same(
    at: &str,
    saved: &serde_json::Value,
    given: &serde_json::Value,
) -> Result<(), CheckpointProblem> {
    match Difference::between(at, saved, given) {
        None => Ok(()),
        Some(Difference { at, saved, given }) => {
            Err(CheckpointProblem::Configuration { at, saved, given })
        }
    }
}

/// Checks that an option has the value of the checkpoint.
pub(crate) fn same_option<T: PartialEq + std::fmt::Display>(
    name: &str,
    saved: &T,
    given: &T,
) -> Result<(), CheckpointProblem> {
    if saved == given {
        Ok(())
    } else {
        Err(CheckpointProblem::Configuration {
            at: name.to_string(),
            saved: saved.to_string(),
            given: given.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::{EpochRecord, TurnStatistics, ValidationRecord};
    use serde_json::json;

    #[test]
    fn another_configuration_is_refused_by_name_and_value() {
        let mut progress = TrainingProgress::new(0);
        progress.configuration = json!({"alpha": 0.1, "encoder": {"width": 64}});
        assert_eq!(
            progress.check_configuration(&progress.configuration),
            Ok(())
        );
        let other = json!({"alpha": 0.1, "encoder": {"width": 32}});
        let problem = progress.check_configuration(&other).unwrap_err();
        assert_eq!(
            problem.to_string(),
            "made with configuration.encoder.width = 64, but now configuration.encoder.width = 32"
        );
    }

    /// In the second epoch, after 3 of its turns.
    fn progress() -> TrainingProgress {
        let turns = |turns| TurnStatistics {
            turns,
            samples: 8 * turns,
            loss_sum: 1.0,
        };
        let epoch = |first, second| EpochRecord {
            training: vec![turns(first), turns(second)],
            ..EpochRecord::default()
        };
        let mut progress = TrainingProgress::new(0);
        progress.epoch = 2;
        progress.turns = 13;
        progress.turns_in_epoch = 3;
        progress.loader.step = 10;
        progress.history.epochs = vec![epoch(5, 5), epoch(2, 1)];
        progress.history.epochs[0].validation = Some(ValidationRecord {
            modality_accuracies: vec![0.5, 0.25],
            fused_accuracy: 0.5,
            fused_macro_f1: 0.4,
            fused_loss: 1.0,
        });
        progress
    }

    #[test]
    fn numbers_that_contradict_each_other_are_refused() {
        progress().check().unwrap();
        let mut own_loop = TrainingProgress::new(0);
        (own_loop.epoch, own_loop.turns) = (4, 40);
        own_loop.check().unwrap();
        let mut between = progress();
        (between.turns, between.turns_in_epoch) = (10, 0);
        between.history.epochs.truncate(1);
        between.check().unwrap();

        type Change = fn(&mut TrainingProgress);
        let changes: [(&str, Change); 16] = [
            ("epoch 0", |p| p.epoch = 0),
            ("0 turns per update", |p| p.accumulation = 0),
            ("turns in", |p| p.turns = u64::MAX),
            ("14 turns in epoch 2 of 13", |p| p.turns_in_epoch = 14),
            ("4 of them", |p| p.turns_in_epoch = 4),
            ("12 turns", |p| p.turns = 12),
            ("of 2 epochs in epoch 9", |p| p.epoch = 9),
            ("skipped", |p| p.loader.skipped = 11),
            ("skipped", |p| p.loader.step = u64::MAX),
            ("no modality", |p| p.history.epochs[0].training.clear()),
            ("1 modalities", |p| {
                p.history.epochs[1].training.pop();
            }),
            ("1 modalities", |p| {
                let validation = p.history.epochs[0].validation.as_mut().unwrap();
                validation.modality_accuracies.pop();
            }),
            ("0 samples in 2 turns", |p| {
                p.history.epochs[1].training[0].samples = 0
            }),
            ("8 samples in 0 turns", |p| {
                p.history.epochs[1].joint.samples = 8
            }),
            ("accuracy", |p| {
                let validation = p.history.epochs[0].validation.as_mut().unwrap();
                validation.fused_accuracy = 1.5;
            }),
            ("turns", |p| {
                p.history.epochs[0].training[0].turns = u64::MAX;
                p.history.epochs[0].training[0].samples = u64::MAX;
            }),
        ];
        for (expected, change) in changes {
            let mut changed = progress();
            change(&mut changed);
            let problem = changed.check().unwrap_err().to_string();
            assert!(problem.contains(expected), "{problem}: {expected}");
        }
    }
}

//! The progress of a training, and the options that must stay the same when it resumes.

use serde::{Deserialize, Serialize};

use crate::checkpoint::{CheckpointProblem, History, Monitor};
use crate::loader::LoaderPosition;

/// Progress of a training: everything in a checkpoint besides model, optimizer and scheduler.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingProgress {
    /// Seed of the random numbers drawn while training. Those of a turn depend only on it and on
    /// the number of the turn.
    pub seed: u64,
    /// Current epoch, from 1.
    pub epoch: usize,
    /// Turns taken in the current epoch.
    pub turns_in_epoch: u64,
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
    /// The start of a training.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            epoch: 1,
            turns_in_epoch: 0,
            turns: 0,
            loader: LoaderPosition::default(),
            monitor: Monitor::default(),
            accumulation: 1,
            history: History::default(),
            configuration: serde_json::Value::Null,
        }
    }

    /// Checks that a training resumes with the configuration that it started with.
    pub(crate) fn check_configuration(
        &self,
        given: &serde_json::Value,
    ) -> Result<(), CheckpointProblem> {
        match difference("configuration", &self.configuration, given) {
            None => Ok(()),
            Some(problem) => Err(problem),
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

/// The first difference between two values.
fn difference(
    at: &str,
    saved: &serde_json::Value,
    given: &serde_json::Value,
) -> Option<CheckpointProblem> {
    use serde_json::Value::{Null, Object};
    if let (Object(saved), Object(given)) = (saved, given) {
        let keys = saved.keys().chain(given.keys());
        return keys
            .filter_map(|key| {
                let saved = saved.get(key).unwrap_or(&Null);
                let given = given.get(key).unwrap_or(&Null);
                difference(&format!("{at}.{key}"), saved, given)
            })
            .next();
    }
    (saved != given).then(|| CheckpointProblem::Configuration {
        at: at.to_string(),
        saved: saved.to_string(),
        given: given.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let added = json!({"alpha": 0.1, "encoder": {"width": 64}, "new": 1});
        assert!(progress.check_configuration(&added).is_err());
    }
}

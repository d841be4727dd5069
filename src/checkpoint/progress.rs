use serde::{Deserialize, Serialize};

use crate::checkpoint::{CheckpointProblem, History, Monitor};
use crate::loader::LoaderPosition;

/// How far a training is: what a checkpoint holds besides weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingProgress {
    /// Seed of the random numbers drawn while training: those of a turn depend on it and on the
    /// number of the turn only.
    pub seed: u64,
    /// The epoch that is under way, from 1.
    pub epoch: usize,
    /// Turns taken in it.
    pub turns_in_epoch: u64,
    /// Turns taken since the training began.
    pub turns: u64,
    /// Where the loader was when the epoch began.
    pub loader: LoaderPosition,
    /// The measure by which the best epoch is kept.
    pub monitor: Monitor,
    /// Turns that make an update.
    pub accumulation: usize,
    /// What was measured.
    pub history: History,
    /// What the training was configured with, as its user gave it.
    pub configuration: serde_json::Value,
}

impl TrainingProgress {
    /// The beginning of a training.
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

    /// Checks that a training goes on with the configuration it began with.
    pub(crate) fn check_configuration(
        &self,
        given: &serde_json::Value,
    ) -> Result<(), CheckpointProblem> {
        // Through text, as the saved one: reading a number may change its last bit.
        let given: serde_json::Value = serde_json::from_str(&given.to_string())
            .expect("a value is read back from its own text");
        match difference("configuration", &self.configuration, &given) {
            None => Ok(()),
            Some(problem) => Err(problem),
        }
    }
}

/// Checks that an option is what it was.
pub(crate) fn same_option<T: PartialEq + std::fmt::Display>(
    name: &str,
    saved: &T,
    given: &T,
) -> Result<(), CheckpointProblem> {
    match saved == given {
        true => Ok(()),
        false => Err(CheckpointProblem::Configuration {
            at: name.to_string(),
            saved: saved.to_string(),
            given: given.to_string(),
        }),
    }
}

/// The first difference of two values.
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
            "made with configuration.encoder.width = 64, but it is 32 now"
        );
        let added = json!({"alpha": 0.1, "encoder": {"width": 64}, "new": 1});
        assert!(progress.check_configuration(&added).is_err());
    }
}

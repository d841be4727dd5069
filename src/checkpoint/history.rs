//! Measurements of each epoch, and the measure that selects the best one.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::checkpoint::CheckpointProblem;
use crate::checkpoint::progress::MOST;
use crate::error::{MlaError, Result};
use crate::evaluation::Evaluation;

/// Measurements of a training, per epoch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// One entry per epoch. The last epoch may be incomplete.
    pub epochs: Vec<EpochRecord>,
}

/// Measurements of an epoch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Turns of each modality.
    pub training: Vec<TurnStatistics>,
    /// Steps that trained all modalities at once.
    #[serde(default)]
    pub joint: TurnStatistics,
    /// Measurements on the validation data at the end of the epoch.
    pub validation: Option<ValidationRecord>,
    /// Whether the epoch ended in an early stage of the training, whose model is no
    /// [candidate](crate::method::MultimodalMethod::is_selectable) for the best epoch.
    #[serde(default)]
    pub is_early_stage: bool,
}

impl EpochRecord {
    /// Number of turns and joint steps.
    pub(super) fn n_turns(&self) -> u64 {
        let each = self.training.iter().chain([&self.joint]);
        each.fold(0_u64, |sum, of| sum.saturating_add(of.turns))
    }

    /// The measurements on the validation data, if they count for the best epoch.
    fn selectable(&self) -> Option<&ValidationRecord> {
        self.validation.as_ref().filter(|_| !self.is_early_stage)
    }
}

/// Turns of a modality in an epoch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TurnStatistics {
    /// Number of turns.
    pub turns: u64,
    /// Number of samples in these turns.
    pub samples: u64,
    /// Sum of the losses of the samples, in nats.
    #[serde(with = "exact")]
    pub loss_sum: f64,
}

impl TurnStatistics {
    /// Mean loss per sample, in nats; NaN without samples.
    pub fn loss(&self) -> f64 {
        self.loss_sum / self.samples as f64
    }

    /// Whether there are samples in each turn, and no absurd number of them.
    fn is_possible(&self) -> bool {
        self.samples >= self.turns
            && self.samples <= MOST
            && (self.samples == 0) == (self.turns == 0)
    }

    /// Adds a turn of `samples` samples with a mean loss.
    pub fn add(&mut self, samples: usize, mean_loss: f64) {
        self.turns += 1;
        self.samples += samples as u64;
        self.loss_sum += mean_loss * samples as f64;
    }
}

/// Measurements on the validation data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ValidationRecord {
    /// Accuracy of each modality alone, over the samples that have it.
    #[serde(with = "exact_list")]
    pub modality_accuracies: Vec<f64>,
    /// Accuracy of the fused prediction.
    #[serde(with = "exact")]
    pub fused_accuracy: f64,
    /// Macro-averaged F1 of the fused prediction.
    #[serde(with = "exact")]
    pub fused_macro_f1: f64,
    /// Mean negative log-likelihood of the fused prediction, in nats.
    #[serde(with = "exact")]
    pub fused_loss: f64,
}

impl From<&Evaluation> for ValidationRecord {
    fn from(evaluation: &Evaluation) -> Self {
        let accuracies = evaluation.modalities.iter();
        Self {
            modality_accuracies: accuracies.map(|confusion| confusion.accuracy()).collect(),
            fused_accuracy: evaluation.fused.accuracy(),
            fused_macro_f1: evaluation.fused.macro_f1(),
            fused_loss: evaluation.loss,
        }
    }
}

/// Measure that selects the best epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Monitor {
    /// Accuracy of the fused prediction; higher is better.
    #[default]
    FusedAccuracy,
    /// Macro-averaged F1 of the fused prediction; higher is better.
    FusedMacroF1,
    /// Negative log-likelihood of the fused prediction; lower is better.
    FusedLoss,
    /// Accuracy of one modality alone; higher is better.
    ModalityAccuracy(usize),
    /// Accuracy of the weakest modality; higher is better.
    WeakestAccuracy,
}

impl Monitor {
    /// Checks that the model has the monitored modality.
    pub(crate) fn check(self, n_modalities: usize) -> Result<()> {
        match self {
            Self::ModalityAccuracy(modality) if modality >= n_modalities => {
                Err(MlaError::ModalityOutOfRange {
                    modality,
                    n_modalities,
                })
            }
            _ => Ok(()),
        }
    }

    /// The measure, with the sign for which higher is better; `None` for a modality that does not
    /// exist.
    fn score(&self, record: &ValidationRecord) -> Option<f64> {
        let accuracies = &record.modality_accuracies;
        match *self {
            Self::FusedAccuracy => Some(record.fused_accuracy),
            Self::FusedMacroF1 => Some(record.fused_macro_f1),
            Self::FusedLoss => Some(-record.fused_loss),
            Self::ModalityAccuracy(modality) => accuracies.get(modality).copied(),
            Self::WeakestAccuracy => accuracies.iter().copied().reduce(f64::min),
        }
    }
}

impl fmt::Display for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FusedAccuracy => f.write_str("fused accuracy"),
            Self::FusedMacroF1 => f.write_str("fused macro-F1"),
            Self::FusedLoss => f.write_str("fused loss"),
            Self::ModalityAccuracy(modality) => write!(f, "accuracy of modality {modality}"),
            Self::WeakestAccuracy => f.write_str("accuracy of the weakest modality"),
        }
    }
}

impl History {
    /// Checks the numbers against each other; the error is a message.
    pub(super) fn check(&self) -> Result<(), String> {
        let Some(first) = self.epochs.first() else {
            return Ok(());
        };
        let n_modalities = first.training.len();
        if n_modalities == 0 {
            return Err("a history of no modality".to_string());
        }
        for (epoch, record) in (1..).zip(&self.epochs) {
            let validated = record.validation.as_ref();
            let accuracies = validated.map(|validation| &validation.modality_accuracies);
            for n in [record.training.len()]
                .into_iter()
                .chain(accuracies.map(Vec::len))
            {
                if n != n_modalities {
                    return Err(format!(
                        "{n} modalities in epoch {epoch}, {n_modalities} in epoch 1"
                    ));
                }
            }
            let mut all = record.training.iter().chain([&record.joint]);
            if let Some(TurnStatistics { turns, samples, .. }) = all.find(|of| !of.is_possible()) {
                return Err(format!(
                    "{samples} samples in {turns} turns of epoch {epoch}"
                ));
            }
            let fused = validated.map(|validation| &validation.fused_accuracy);
            let mut shares = accuracies.into_iter().flatten().chain(fused);
            // An accuracy over no sample is NaN.
            if let Some(share) = shares.find(|share| **share < 0.0 || **share > 1.0) {
                return Err(format!("an accuracy of {share} in epoch {epoch}"));
            }
        }
        Ok(())
    }

    /// Checks that a history is that of a model with `n_modalities`.
    pub(super) fn check_modalities(&self, n_modalities: usize) -> Result<(), CheckpointProblem> {
        let mut counts = self.epochs.iter().map(|epoch| epoch.training.len());
        match counts.find(|n| *n != n_modalities) {
            None => Ok(()),
            Some(n) => Err(CheckpointProblem::Mismatch {
                part: "history",
                message: format!("it has {n} modalities, the model {n_modalities}"),
            }),
        }
    }

    /// Whether none of the last `patience` epochs with a validation was better than all before it. Epochs
    /// of an early stage do not count.
    pub fn has_stalled(&self, monitor: Monitor, patience: usize) -> bool {
        let after_best = &self.epochs[self.best_epoch(monitor).unwrap_or(0)..];
        let validated = after_best.iter().filter_map(EpochRecord::selectable);
        validated.count() >= patience.max(1)
    }

    /// The best epoch so far, counted from 1, and the first of equally good ones. `None` before the
    /// first validation that is not of an early stage, or when all measures are NaN.
    pub fn best_epoch(&self, monitor: Monitor) -> Option<usize> {
        let mut best: Option<(usize, f64)> = None;
        for (at, epoch) in self.epochs.iter().enumerate() {
            let score = epoch.selectable().and_then(|v| monitor.score(v));
            let Some(score) = score.filter(|score| !score.is_nan()) else {
                continue;
            };
            if best.is_none_or(|(_, so_far)| score > so_far) {
                best = Some((at + 1, score));
            }
        }
        best.map(|(epoch, _)| epoch)
    }
}

/// Numbers as text, because JSON has no NaN and no infinities.
mod exact {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

pub(super) mod exact_list {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(values: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(f64::to_string))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        let parse = |text: &String| text.parse().map_err(D::Error::custom);
        texts.iter().map(parse).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(fused_accuracy: f64, accuracies: [f64; 2], fused_loss: f64) -> EpochRecord {
        EpochRecord {
            training: vec![],
            joint: TurnStatistics::default(),
            is_early_stage: false,
            validation: Some(ValidationRecord {
                modality_accuracies: accuracies.to_vec(),
                fused_accuracy,
                fused_macro_f1: f64::NAN,
                fused_loss,
            }),
        }
    }

    #[test]
    fn epochs_without_validation_do_not_stall() {
        let mut history = History {
            epochs: vec![EpochRecord::default(), epoch(0.5, [0.5, 0.1], 1.0)],
        };
        assert!(!history.has_stalled(Monitor::FusedAccuracy, 1));
        history.epochs.push(EpochRecord::default());
        assert!(!history.has_stalled(Monitor::FusedAccuracy, 1));
        history.epochs.push(epoch(0.4, [0.5, 0.1], 1.0));
        assert!(history.has_stalled(Monitor::FusedAccuracy, 1));
    }

    #[test]
    fn epochs_of_an_early_stage_neither_win_nor_stall() {
        let early = |accuracy| EpochRecord {
            is_early_stage: true,
            ..epoch(accuracy, [0.5, 0.1], 1.0)
        };
        let mut history = History {
            epochs: vec![early(0.9), early(0.8)],
        };
        assert_eq!(history.best_epoch(Monitor::FusedAccuracy), None);
        assert!(!history.has_stalled(Monitor::FusedAccuracy, 1));
        history.epochs.push(epoch(0.4, [0.5, 0.1], 1.0));
        assert_eq!(history.best_epoch(Monitor::FusedAccuracy), Some(3));
        assert!(!history.has_stalled(Monitor::FusedAccuracy, 1));
        history.epochs.push(epoch(0.3, [0.5, 0.1], 1.0));
        assert!(history.has_stalled(Monitor::FusedAccuracy, 1));
    }

    #[test]
    fn the_best_epoch_is_the_first_of_the_best() {
        let history = History {
            epochs: vec![
                epoch(0.5, [0.5, 0.1], 1.0),
                epoch(0.7, [0.4, 0.3], 0.9),
                epoch(0.7, [0.3, 0.3], 0.95),
                EpochRecord::default(),
            ],
        };
        assert_eq!(history.best_epoch(Monitor::FusedAccuracy), Some(2));
        assert_eq!(history.best_epoch(Monitor::FusedLoss), Some(2));
        assert_eq!(history.best_epoch(Monitor::ModalityAccuracy(0)), Some(1));
        assert_eq!(history.best_epoch(Monitor::WeakestAccuracy), Some(2));
        assert_eq!(history.best_epoch(Monitor::ModalityAccuracy(5)), None);
        assert_eq!(history.best_epoch(Monitor::FusedMacroF1), None, "NaN");
        assert!(history.has_stalled(Monitor::FusedAccuracy, 1));
        assert!(!history.has_stalled(Monitor::FusedAccuracy, 2));
        assert!(history.has_stalled(Monitor::ModalityAccuracy(0), 2));
        assert!(!History::default().has_stalled(Monitor::FusedLoss, 1));
    }

    #[test]
    fn numbers_are_read_back_to_the_last_bit() {
        let mut record = epoch(0.1 + 0.2, [1.0 / 3.0, f64::NAN], f64::INFINITY);
        record.training = vec![TurnStatistics {
            turns: 3,
            samples: 9,
            loss_sum: 5e-324,
        }];
        let text = serde_json::to_string(&record).unwrap();
        let read: EpochRecord = serde_json::from_str(&text).unwrap();
        assert_eq!(format!("{read:?}"), format!("{record:?}"));
    }
}

//! The imbalance of the modalities as a Burn metric.

use std::sync::Arc;

use burn::tensor::{Int, Tensor, TensorReadError};
use burn::train::metric::MetricName;

use crate::metric::MetricInput;
use crate::metric::epoch::{EpochStatistic, epoch_metric};

/// Accuracy of the best modality minus that of the worst over an epoch, in percentage points.
///
/// Each accuracy is over the samples that have the modality. The value is from 0 to 100; lower is more
/// balanced. NaN with fewer than two modalities. Use it for validation: in training it compares the
/// modalities on the batches of their turns.
#[derive(Debug, Clone)]
pub struct ImbalanceMetric {
    name: MetricName,
    /// Number of correct predictions and of samples, for each modality.
    counts: Vec<(f64, usize)>,
}

impl ImbalanceMetric {
    /// The metric, called "Imbalance".
    pub fn new() -> Self {
        Self {
            name: Arc::new("Imbalance".to_string()),
            counts: vec![],
        }
    }
}

impl Default for ImbalanceMetric {
    fn default() -> Self {
        Self::new()
    }
}

impl EpochStatistic for ImbalanceMetric {
    const UNIT: Option<&'static str> = Some("%");
    const HIGHER_IS_BETTER: bool = false;
    const DESCRIPTION: &'static str =
        "Accuracy of the best modality minus that of the worst, in percentage points";

    fn add(&mut self, input: &MetricInput) -> Result<(), TensorReadError> {
        let branches = input.modalities();
        let correct: Vec<Tensor<1, Int>> = branches
            .iter()
            .map(|(_, logits, targets)| {
                let predicted: Tensor<1, Int> = logits.clone().argmax(1).squeeze_dim(1);
                let labels = targets.tensor().without_autodiff();
                predicted.equal(labels).int().sum()
            })
            .collect();
        if correct.is_empty() {
            return Ok(());
        }
        let correct: Vec<f64> = Tensor::cat(correct, 0).try_into_vec_as()?;
        for ((modality, _, targets), correct) in branches.into_iter().zip(correct) {
            if self.counts.len() <= modality {
                self.counts.resize(modality + 1, (0.0, 0));
            }
            let counts = &mut self.counts[modality];
            *counts = (counts.0 + correct, counts.1 + targets.len());
        }
        Ok(())
    }

    fn n_samples(&self) -> usize {
        self.counts.iter().map(|(_, n_samples)| n_samples).sum()
    }

    fn value(&self) -> f64 {
        let known = self.counts.iter().filter(|(_, n_samples)| *n_samples > 0);
        let accuracies: Vec<f64> = known
            .map(|&(correct, n_samples)| correct / n_samples as f64)
            .collect();
        if accuracies.len() < 2 {
            return f64::NAN;
        }
        let best = accuracies.iter().copied().fold(f64::MIN, f64::max);
        let worst = accuracies.iter().copied().fold(f64::MAX, f64::min);
        100.0 * (best - worst)
    }

    fn reset(&mut self) {
        self.counts.clear();
    }
}

epoch_metric!(ImbalanceMetric);

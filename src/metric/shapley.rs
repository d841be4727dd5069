//! The Shapley value of a modality as a Burn metric.

use std::sync::Arc;

use burn::tensor::TensorReadError;
use burn::train::metric::MetricName;

use crate::evaluation::{expected_correct, shapley_values};
use crate::metric::MetricInput;
use crate::metric::epoch::{EpochStatistic, epoch_metric, failure};

/// Contribution of one modality to the fused accuracy of an epoch, in percentage points: its
/// [Shapley value](shapley_values), from -100 to 100. NaN without samples.
///
/// The worth of a subset of modalities is the accuracy of their fusion. A sample without any of them,
/// and every sample for the empty subset, counts as a guess, `1 / n_classes`. The values of all
/// modalities sum to the difference of the fused accuracy from that of guesses.
///
/// Each batch is fused `2^M - 1` times for `M` modalities, once for all metrics of this type. For
/// more than [`MAX_MODALITIES`](Self::MAX_MODALITIES) the value is NaN.
#[derive(Debug, Clone)]
pub struct ShapleyMetric {
    name: MetricName,
    modality: usize,
    /// By bit mask of the subset, the expected number of correct predictions.
    n_correct: Vec<f64>,
    n_samples: usize,
}

impl ShapleyMetric {
    /// Largest number of modalities for which the value is computed.
    pub const MAX_MODALITIES: usize = 8;

    /// The metric of modality `modality`, counted from 0, called "Shapley `name`".
    pub fn of_modality(modality: usize, name: &str) -> Self {
        Self {
            name: Arc::new(format!("Shapley {name}")),
            modality,
            n_correct: vec![],
            n_samples: 0,
        }
    }
}

impl EpochStatistic for ShapleyMetric {
    const UNIT: Option<&'static str> = Some("%");
    const HIGHER_IS_BETTER: bool = true;
    const DESCRIPTION: &'static str =
        "Shapley value of a modality's contribution to the fused accuracy, in percentage points";

    fn add(&mut self, input: &MetricInput) -> Result<(), TensorReadError> {
        let (Some(evaluated), Some(n_classes)) = (input.evaluated(), input.n_classes()) else {
            return Ok(());
        };
        if evaluated.n_modalities() > Self::MAX_MODALITIES {
            return Ok(());
        }
        let subsets = evaluated.subsets().map_err(failure)?;
        let labels = input.targets().labels();
        // The empty subset leaves out every sample.
        let empty = (0, labels.len());
        let others = subsets.iter().map(|subset| {
            let n_left_out = labels.len() - subset.rows.len();
            (subset.n_correct(labels), n_left_out)
        });
        self.n_correct.resize(subsets.len() + 1, 0.0);
        let counts = std::iter::once(empty).chain(others);
        for (sum, (n_correct, n_left_out)) in self.n_correct.iter_mut().zip(counts) {
            *sum += expected_correct(n_correct, n_left_out, n_classes);
        }
        self.n_samples += labels.len();
        Ok(())
    }

    fn n_samples(&self) -> usize {
        self.n_samples
    }

    fn value(&self) -> f64 {
        let values = shapley_values(&self.n_correct).unwrap_or_default();
        match values.get(self.modality) {
            Some(value) => 100.0 * value / self.n_samples as f64,
            None => f64::NAN,
        }
    }

    fn reset(&mut self) {
        self.n_correct.clear();
        self.n_samples = 0;
    }
}

epoch_metric!(ShapleyMetric);

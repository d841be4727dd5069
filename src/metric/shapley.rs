use std::sync::Arc;

use burn::tensor::TensorReadError;
use burn::train::metric::MetricName;

use crate::evaluation::shapley_values;
use crate::metric::MetricInput;
use crate::metric::epoch::{EpochStatistic, epoch_metric, failure};

/// What one modality contributes to the fused accuracy of an epoch, in percentage points: its
/// [Shapley value](shapley_values). -100 to 100; NaN without samples.
///
/// The worth of a set of modalities is the accuracy when only they are fused. A sample that has
/// none of them, and every sample for the empty set, counts `1 / n_classes`: a guess. The values of
/// all modalities thus sum to what the fused accuracy is above guessing.
///
/// Each batch is fused `2^M - 1` times for `M` modalities, once for all metrics of this kind. For
/// more than [`MAX_MODALITIES`](Self::MAX_MODALITIES) the value is NaN.
#[derive(Debug, Clone)]
pub struct ShapleyMetric {
    name: MetricName,
    modality: usize,
    n_right: Vec<f64>,
    n_samples: usize,
}

impl ShapleyMetric {
    /// Largest number of modalities with a value: a batch is fused `2^M - 1` times.
    pub const MAX_MODALITIES: usize = 8;

    /// "Shapley `name`", of modality `modality`, counted from 0.
    pub fn of_modality(modality: usize, name: &str) -> Self {
        Self {
            name: Arc::new(format!("Shapley {name}")),
            modality,
            n_right: vec![],
            n_samples: 0,
        }
    }

    /// Another name, as a whole.
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Arc::new(name.into());
        self
    }
}

impl EpochStatistic<MetricInput> for ShapleyMetric {
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
        let guess = 1.0 / n_classes as f64;
        self.n_right.resize(subsets.len() + 1, 0.0);
        self.n_right[0] += guess * labels.len() as f64;
        for (sum, subset) in self.n_right[1..].iter_mut().zip(&*subsets) {
            let n_left_out = labels.len() - subset.rows.len();
            *sum += subset.n_correct(labels) as f64 + guess * n_left_out as f64;
        }
        self.n_samples += labels.len();
        Ok(())
    }

    fn n_samples(&self) -> usize {
        self.n_samples
    }

    fn value(&self) -> f64 {
        let values = shapley_values(&self.n_right).unwrap_or_default();
        match values.get(self.modality) {
            Some(value) => 100.0 * value / self.n_samples as f64,
            None => f64::NAN,
        }
    }

    fn reset(&mut self) {
        self.n_right.clear();
        self.n_samples = 0;
    }
}

epoch_metric!(ShapleyMetric, MetricInput);

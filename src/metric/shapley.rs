use std::sync::Arc;

use burn::tensor::TensorReadError;
use burn::train::metric::{Adaptor, MetricName};

use crate::evaluation::shapley_values;
use crate::method::{EvaluationOutput, Probe};
use crate::metric::epoch::{EpochStatistic, epoch_metric, failure};

/// What one modality contributes to the fused accuracy of an epoch, in percentage points: its
/// [Shapley value](shapley_values). -100 to 100; NaN without samples.
///
/// The worth of a set of modalities is the accuracy when only they are fused. A sample that has
/// none of them, and every sample for the empty set, counts `1 / n_classes`: a guess. The values of
/// all modalities thus sum to what the fused accuracy is above guessing.
///
/// Each batch is fused `2^M` times for `M` modalities, once for all metrics of this kind; for more
/// than [`Probe::MAX_MODALITIES`] the value is NaN.
#[derive(Debug, Clone)]
pub struct ShapleyMetric {
    name: MetricName,
    modality: usize,
    n_right: Vec<f64>,
    n_samples: usize,
}

/// What [`ShapleyMetric`] takes of an [`EvaluationOutput`].
#[derive(Debug, Clone)]
pub struct ShapleyInput {
    probe: Option<Probe>,
}

impl Adaptor<ShapleyInput> for EvaluationOutput {
    fn adapt(&self) -> ShapleyInput {
        ShapleyInput {
            probe: self.probe.clone(),
        }
    }
}

impl ShapleyMetric {
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

impl EpochStatistic<ShapleyInput> for ShapleyMetric {
    const UNIT: Option<&'static str> = Some("%");
    const HIGHER_IS_BETTER: bool = true;
    const DESCRIPTION: &'static str =
        "Shapley value of a modality's contribution to the fused accuracy, in percentage points";

    fn add(&mut self, input: &ShapleyInput) -> Result<(), TensorReadError> {
        let Some(probe) = &input.probe else {
            return Ok(());
        };
        let Some(batch) = probe.coalitions().map_err(failure)? else {
            return Ok(());
        };
        self.n_right.resize(batch.n_right.len(), 0.0);
        for (sum, right) in self.n_right.iter_mut().zip(&batch.n_right) {
            *sum += right;
        }
        self.n_samples += batch.n_samples;
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

epoch_metric!(ShapleyMetric, ShapleyInput);

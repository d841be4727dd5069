use std::sync::Arc;

use burn::tensor::TensorReadError;
use burn::train::metric::MetricName;

use crate::error::Result as MlaResult;
use crate::evaluation::CalibrationError;
use crate::metric::epoch::{EpochStatistic, epoch_metric};
use crate::metric::{Branch, MetricInput};

/// The expected calibration error of one modality or of the fused prediction, in percent:
/// [`CalibrationError`] over the samples of an epoch that have the view. 0 to 100, lower is better;
/// NaN where none has it.
#[derive(Debug, Clone)]
pub struct CalibrationErrorMetric {
    name: MetricName,
    branch: Branch,
    error: CalibrationError,
}

impl CalibrationErrorMetric {
    /// "ECE `name`", of modality `modality`, counted from 0.
    pub fn of_modality(modality: usize, name: &str) -> Self {
        Self::new(Branch::Modality(modality), name)
    }

    /// "ECE fused".
    pub fn fused() -> Self {
        Self::new(Branch::Fused, "fused")
    }

    fn new(branch: Branch, name: &str) -> Self {
        Self {
            name: Arc::new(format!("ECE {name}")),
            branch,
            error: CalibrationError::default(),
        }
    }

    /// Another name, as a whole.
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Arc::new(name.into());
        self
    }

    /// Another number of bins than [`CalibrationError::DEFAULT_BINS`].
    ///
    /// # Errors
    ///
    /// As [`CalibrationError::new`].
    pub fn with_bins(mut self, n_bins: usize) -> MlaResult<Self> {
        self.error = CalibrationError::new(n_bins)?;
        Ok(self)
    }
}

impl EpochStatistic<MetricInput> for CalibrationErrorMetric {
    const UNIT: Option<&'static str> = Some("%");
    const HIGHER_IS_BETTER: bool = false;
    const DESCRIPTION: &'static str =
        "Expected calibration error: how far confidence is from accuracy";

    fn add(&mut self, input: &MetricInput) -> Result<(), TensorReadError> {
        let Some(predicted) = input.branch(self.branch) else {
            return Ok(());
        };
        let [_, n_classes] = predicted.output.dims();
        let probabilities: Vec<f64> = predicted.output.try_into_vec_as()?;
        let labels: Vec<i64> = predicted.targets.try_into_vec_as()?;
        let rows = probabilities.chunks_exact(n_classes);
        for (row, label) in rows.zip(labels) {
            self.error.add_prediction(row, label as usize);
        }
        Ok(())
    }

    fn n_samples(&self) -> usize {
        self.error.n_samples()
    }

    fn value(&self) -> f64 {
        100.0 * self.error.value()
    }

    fn reset(&mut self) {
        self.error.clear();
    }
}

epoch_metric!(CalibrationErrorMetric, MetricInput);

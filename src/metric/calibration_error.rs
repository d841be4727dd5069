//! The expected calibration error as a Burn metric.

use std::sync::Arc;

use burn::tensor::TensorReadError;
use burn::train::metric::MetricName;

use crate::error::Result as MlaResult;
use crate::evaluation::CalibrationError;
use crate::method::Branch;
use crate::metric::MetricInput;
use crate::metric::epoch::{EpochStatistic, epoch_metric};

/// Expected calibration error of one modality or of the fused prediction, in percent.
///
/// It is the [`CalibrationError`] over the samples of an epoch that have the [`Branch`], from 0 to
/// 100. Lower is better. NaN without such samples.
#[derive(Debug, Clone)]
pub struct CalibrationErrorMetric {
    name: MetricName,
    branch: Branch,
    error: CalibrationError,
}

impl CalibrationErrorMetric {
    /// The metric of modality `modality`, counted from 0, before calibration, called "ECE `name`".
    pub fn of_modality(modality: usize, name: &str) -> Self {
        Self::of_branch(Branch::Modality(modality), name)
    }

    /// The metric of the fused prediction, called "ECE fused".
    pub fn fused() -> Self {
        Self::of_branch(Branch::Fused, "fused")
    }

    /// The metric of any branch, called "ECE `name`", with "calibrated" or "uncalibrated" appended for
    /// [`Branch::Calibrated`] and [`Branch::Uncalibrated`].
    pub fn of_branch(branch: Branch, name: &str) -> Self {
        Self {
            name: Arc::new(branch.metric_name("ECE", name)),
            branch,
            error: CalibrationError::default(),
        }
    }

    /// Sets the number of bins, by default [`CalibrationError::DEFAULT_BINS`].
    ///
    /// # Errors
    ///
    /// As [`CalibrationError::new`].
    pub fn with_bins(mut self, n_bins: usize) -> MlaResult<Self> {
        self.error = CalibrationError::new(n_bins)?;
        Ok(self)
    }
}

impl EpochStatistic for CalibrationErrorMetric {
    const UNIT: Option<&'static str> = Some("%");
    const HIGHER_IS_BETTER: bool = false;
    const DESCRIPTION: &'static str =
        "Expected calibration error: the distance of confidence from accuracy";

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

epoch_metric!(CalibrationErrorMetric);

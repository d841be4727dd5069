use std::sync::Arc;

use burn::tensor::TensorReadError;
use burn::tensor::activation::softmax;
use burn::train::metric::MetricName;

use crate::error::Result as MlaResult;
use crate::evaluation::CalibrationError;
use crate::metric::epoch::{EpochStatistic, epoch_metric};
use crate::metric::{ClassificationViews, View};

/// The expected calibration error of one modality or of the fused prediction, in percent:
/// [`CalibrationError`] over the samples of an epoch that have the view. 0 to 100, lower is better;
/// NaN where none has it.
#[derive(Debug, Clone)]
pub struct CalibrationErrorMetric {
    name: MetricName,
    view: View,
    error: CalibrationError,
}

impl CalibrationErrorMetric {
    /// "ECE `name`", of modality `modality`, counted from 0.
    pub fn of_modality(modality: usize, name: &str) -> Self {
        Self::new(View::Modality(modality), name)
    }

    /// "ECE fused".
    pub fn fused() -> Self {
        Self::new(View::Fused, "fused")
    }

    fn new(view: View, name: &str) -> Self {
        Self {
            name: Arc::new(format!("ECE {name}")),
            view,
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

impl EpochStatistic<ClassificationViews> for CalibrationErrorMetric {
    const UNIT: Option<&'static str> = Some("%");
    const HIGHER_IS_BETTER: bool = false;
    const DESCRIPTION: &'static str =
        "Expected calibration error: how far confidence is from accuracy";

    fn add(&mut self, views: &ClassificationViews) -> Result<(), TensorReadError> {
        let Some((logits, targets)) = views.logits(self.view) else {
            return Ok(());
        };
        let [_, n_classes] = logits.dims();
        let probabilities: Vec<f64> = softmax(logits, 1).try_into_vec_as()?;
        let rows = probabilities.chunks_exact(n_classes);
        for (row, &label) in rows.zip(targets.labels()) {
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

epoch_metric!(CalibrationErrorMetric, ClassificationViews);

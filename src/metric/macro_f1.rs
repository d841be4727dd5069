//! Macro-averaged F1 as a Burn metric, from counts on the host.

use std::sync::Arc;

use burn::tensor::TensorReadError;
use burn::train::metric::MetricName;

use crate::evaluation::Confusion;
use crate::method::Branch;
use crate::metric::MetricInput;
use crate::metric::epoch::{EpochStatistic, epoch_metric, failure};

/// Macro-averaged F1 of one modality or of the fused prediction over an epoch, in percent.
///
/// It is the [`macro_f1`](Confusion::macro_f1) over the samples that have the [`Branch`], from 0 to
/// 100. NaN without such samples. It counts on the host and works in every precision of a device.
#[derive(Debug, Clone)]
pub struct MacroF1Metric {
    name: MetricName,
    branch: Branch,
    confusion: Option<Confusion>,
}

impl MacroF1Metric {
    /// The metric of modality `modality`, counted from 0, called "Macro F1 `name`".
    pub fn of_modality(modality: usize, name: &str) -> Self {
        Self::of_branch(Branch::Modality(modality), name)
    }

    /// The metric of the fused prediction, called "Macro F1 fused".
    pub fn fused() -> Self {
        Self::of_branch(Branch::Fused, "fused")
    }

    /// The metric of any branch, called "Macro F1 `name`", with "calibrated" or "uncalibrated"
    /// appended for [`Branch::Calibrated`] and [`Branch::Uncalibrated`].
    pub fn of_branch(branch: Branch, name: &str) -> Self {
        Self {
            name: Arc::new(branch.metric_name("Macro F1", name)),
            branch,
            confusion: None,
        }
    }
}

impl EpochStatistic for MacroF1Metric {
    const UNIT: Option<&'static str> = Some("%");
    const HIGHER_IS_BETTER: bool = true;
    const DESCRIPTION: &'static str = "F1, averaged over the classes";

    fn add(&mut self, input: &MetricInput) -> Result<(), TensorReadError> {
        let Some(predicted) = input.branch(self.branch) else {
            return Ok(());
        };
        let [n_samples, n_classes] = predicted.output.dims();
        let labels: Vec<i64> = predicted.targets.try_into_vec_as()?;
        let all: Vec<usize> = (0..n_samples).collect();
        self.confusion
            .get_or_insert_with(|| Confusion::new(n_classes))
            .add_logits(predicted.output, &labels, &all)
            .map_err(failure)
    }

    fn n_samples(&self) -> usize {
        self.confusion.as_ref().map_or(0, Confusion::n_samples)
    }

    fn value(&self) -> f64 {
        let f1 = |confusion: &Confusion| 100.0 * confusion.macro_f1();
        self.confusion.as_ref().map_or(f64::NAN, f1)
    }

    fn reset(&mut self) {
        self.confusion = None;
    }
}

epoch_metric!(MacroF1Metric);

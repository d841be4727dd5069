//! Burn's classification metrics for one branch of a multimodal model.

use std::sync::Arc;

use burn::tensor::TensorReadError;
use burn::train::ClassificationOutput;
use burn::train::metric::{
    Adaptor, Metric, MetricAttributes, MetricMetadata, MetricName, Numeric, NumericEntry,
    SerializedEntry,
};

use crate::method::Branch;
use crate::metric::name::file_safe;
use crate::metric::{MetricInput, epoch};

/// One of Burn's classification metrics, for one modality or for the fused prediction.
///
/// The metric receives the probabilities of [`MetricInput::branch`] for the samples that have the
/// branch. A batch without such samples has no entry. An epoch without them has the value NaN. In
/// training, only the modality of the turn has a branch.
///
/// Burn's precision, recall and F-beta metrics panic on a device whose float type is f16 or bf16, and
/// its average precision counts in that type. [`MacroF1Metric`](crate::metric::MacroF1Metric) and
/// [`AveragePrecisionMetric`](crate::metric::AveragePrecisionMetric) do not.
///
/// ```
/// use burn::train::metric::{AccuracyMetric, AurocMetric, ClassReduction, Metric};
/// use burn_mla::metric::ModalityMetric;
///
/// let accuracy = ModalityMetric::of_modality(AccuracyMetric::new(), 0, "image");
/// assert_eq!(*accuracy.name(), "Accuracy image");
/// let auroc = ModalityMetric::fused(AurocMetric::multiclass(ClassReduction::Macro));
/// assert_eq!(*auroc.with_name("AUROC fused").name(), "AUROC fused");
/// ```
#[derive(Debug, Clone)]
pub struct ModalityMetric<M> {
    metric: M,
    branch: Branch,
    name: MetricName,
    /// Whether the last batch, and any batch of the epoch, had the branch.
    seen_last: bool,
    seen: bool,
}

impl<M: Metric> ModalityMetric<M> {
    /// A metric of modality `modality`, counted from 0, named after the metric and then the modality.
    pub fn of_modality(metric: M, modality: usize, name: &str) -> Self {
        Self::of_branch(metric, Branch::Modality(modality), name)
    }

    /// A metric of the fused prediction, named after the metric and then "fused".
    pub fn fused(metric: M) -> Self {
        Self::of_branch(metric, Branch::Fused, "fused")
    }

    /// A metric of any branch, named after the metric and then `name`. "calibrated" or "uncalibrated"
    /// is appended for [`Branch::Calibrated`] and [`Branch::Uncalibrated`].
    pub fn of_branch(metric: M, branch: Branch, name: &str) -> Self {
        Self {
            name: Arc::new(branch.metric_name(&metric.name(), name)),
            metric,
            branch,
            seen_last: false,
            seen: false,
        }
    }

    /// Replaces the whole name, by which metrics are distinguished. Characters that file names cannot
    /// have become `-`.
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Arc::new(name.into());
        self
    }

    /// The branch that the metric scores.
    pub fn branch(&self) -> Branch {
        self.branch
    }

    fn unit(&self) -> Option<String> {
        match self.metric.attributes() {
            MetricAttributes::Numeric(attributes) => attributes.unit,
            MetricAttributes::None => None,
        }
    }
}

impl<M> Metric for ModalityMetric<M>
where
    M: Metric,
    ClassificationOutput: Adaptor<M::Input>,
{
    type Input = MetricInput;

    fn name(&self) -> MetricName {
        file_safe(&self.name)
    }

    fn description(&self) -> Option<String> {
        self.metric.description()
    }

    fn attributes(&self) -> MetricAttributes {
        self.metric.attributes()
    }

    fn update(
        &mut self,
        input: &MetricInput,
        metadata: &MetricMetadata,
    ) -> Result<SerializedEntry, TensorReadError> {
        self.seen_last = false;
        let Some(output) = input.branch(self.branch) else {
            return Ok(SerializedEntry::not_available(self.unit().as_deref()));
        };
        let entry = self.metric.update(&output.adapt(), metadata)?;
        (self.seen_last, self.seen) = (true, true);
        Ok(entry)
    }

    fn compute(&mut self) -> Result<SerializedEntry, TensorReadError> {
        if self.seen {
            self.metric.compute()
        } else {
            Ok(epoch::final_entry(f64::NAN, self.unit().as_deref()))
        }
    }

    fn clear(&mut self) {
        self.metric.clear();
        (self.seen_last, self.seen) = (false, false);
    }
}

impl<M: Numeric> Numeric for ModalityMetric<M> {
    fn value(&self) -> Option<NumericEntry> {
        self.seen_last.then(|| self.metric.value()).flatten()
    }

    fn running_value(&self) -> Option<NumericEntry> {
        self.seen.then(|| self.metric.running_value()).flatten()
    }

    fn final_value(&self) -> NumericEntry {
        if self.seen {
            self.metric.final_value()
        } else {
            NumericEntry::Final(f64::NAN)
        }
    }
}

//! Mean average precision as a Burn metric, from ranks on the host.

use std::sync::Arc;

use burn::tensor::TensorReadError;
use burn::train::metric::MetricName;

use crate::method::Branch;
use crate::metric::MetricInput;
use crate::metric::epoch::{EpochStatistic, epoch_metric};

/// Mean over the classes of the average precision, of one modality or of the fused prediction over an
/// epoch, in percent.
///
/// With the samples ranked by the probability of a class, `P` of them of that class:
///
/// ```text
/// AP = 1/P sum over the samples of the class of the precision down to the rank of the sample
/// ```
///
/// Samples of equal probability share their last rank. Classes without samples are left out. The
/// value is from 0 to 100; NaN without samples that have the [`Branch`], and for probabilities that
/// are NaN. All probabilities of an epoch are kept on the host.
#[derive(Debug, Clone)]
pub struct AveragePrecisionMetric {
    name: MetricName,
    branch: Branch,
    n_classes: usize,
    /// Row-major `[sample][class]`.
    probabilities: Vec<f32>,
    labels: Vec<i64>,
}

impl AveragePrecisionMetric {
    /// The metric of modality `modality`, counted from 0, called "mAP `name`".
    pub fn of_modality(modality: usize, name: &str) -> Self {
        Self::of_branch(Branch::Modality(modality), name)
    }

    /// The metric of the fused prediction, called "mAP fused".
    pub fn fused() -> Self {
        Self::of_branch(Branch::Fused, "fused")
    }

    /// The metric of any branch, called "mAP `name`", with "calibrated" or "uncalibrated" appended for
    /// [`Branch::Calibrated`] and [`Branch::Uncalibrated`].
    pub fn of_branch(branch: Branch, name: &str) -> Self {
        Self {
            name: Arc::new(branch.metric_name("mAP", name)),
            branch,
            n_classes: 0,
            probabilities: vec![],
            labels: vec![],
        }
    }

    /// The average precision of a class; `None` without samples of it.
    fn of_class(&self, class: usize) -> Option<f64> {
        let rows = self.probabilities.chunks_exact(self.n_classes);
        let mut ranked: Vec<(f32, bool)> = rows
            .zip(&self.labels)
            .map(|(row, &label)| (row[class], label == class as i64))
            .collect();
        ranked.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        let (mut rank, mut hits, mut sum) = (0, 0, 0.0);
        for tied in ranked.chunk_by(|a, b| a.0 == b.0) {
            let new = tied.iter().filter(|(_, hit)| *hit).count();
            rank += tied.len();
            hits += new;
            sum += new as f64 * hits as f64 / rank as f64;
        }
        (hits > 0).then(|| sum / hits as f64)
    }
}

impl EpochStatistic for AveragePrecisionMetric {
    const UNIT: Option<&'static str> = Some("%");
    const HIGHER_IS_BETTER: bool = true;
    const DESCRIPTION: &'static str = "Average precision, averaged over the classes";
    const RUNNING: bool = false;

    fn add(&mut self, input: &MetricInput) -> Result<(), TensorReadError> {
        let Some(predicted) = input.branch(self.branch) else {
            return Ok(());
        };
        self.n_classes = predicted.output.dims()[1];
        let probabilities: Vec<f32> = predicted.output.try_into_vec_as()?;
        self.probabilities.extend(probabilities);
        let labels: Vec<i64> = predicted.targets.try_into_vec_as()?;
        self.labels.extend(labels);
        Ok(())
    }

    fn n_samples(&self) -> usize {
        self.labels.len()
    }

    fn value(&self) -> f64 {
        if self.probabilities.iter().any(|p| p.is_nan()) {
            return f64::NAN;
        }
        let classes = (0..self.n_classes).filter_map(|class| self.of_class(class));
        let each: Vec<f64> = classes.collect();
        100.0 * each.iter().sum::<f64>() / each.len() as f64
    }

    fn reset(&mut self) {
        self.probabilities.clear();
        self.labels.clear();
    }
}

epoch_metric!(AveragePrecisionMetric);

#[cfg(test)]
mod tests {
    use super::*;

    /// One class: scores 0.9 (hit), 0.7 (miss), 0.7 (hit), 0.1 (hit): ranks 1, 3, 4 with 1, 2 and 3
    /// hits.
    #[test]
    fn tied_samples_share_their_last_rank() {
        let mut metric = AveragePrecisionMetric::fused();
        metric.n_classes = 2;
        metric.probabilities = vec![0.9, 0.1, 0.7, 0.3, 0.7, 0.3, 0.1, 0.9];
        metric.labels = vec![0, 1, 0, 0];
        let expected = (1.0 + 2.0 / 3.0 + 3.0 / 4.0) / 3.0;
        assert!((metric.of_class(0).unwrap() - expected).abs() < 1e-12);
        // 0.9 (miss), 0.3 (hit), 0.3 (miss), 0.1 (miss).
        assert!((metric.of_class(1).unwrap() - 1.0 / 3.0).abs() < 1e-12);
        let mean = 50.0 * (expected + 1.0 / 3.0);
        assert!((EpochStatistic::value(&metric) - mean).abs() < 1e-12);
        metric.reset();
        assert!(EpochStatistic::value(&metric).is_nan());
    }
}

//! The input of this crate's metrics.

use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{DType, Int, Tensor, TensorData};
use burn::train::ClassificationOutput;
use burn::train::metric::Adaptor;

use crate::fusion::ModalityLogits;
use crate::method::{Branch, EvaluatedBatch, EvaluationOutput, StepOutput};
use crate::modality::{Presence, Targets};

/// Input of the metrics of this module, made from a [`StepOutput`] or an [`EvaluationOutput`].
///
/// A training step has one [`Branch`]: the modality of its turn, or the fused prediction if all
/// modalities are trained at once. An evaluation has all of them, and its metrics share one softmax
/// per branch.
#[derive(Debug, Clone)]
pub struct MetricInput {
    /// Logits of the step, or the fused ones; `None` if the step failed.
    one: Option<(Branch, Tensor<2>)>,
    /// Logits of an evaluation, unless it failed.
    each: Option<ModalityLogits>,
    targets: Targets,
    weights: Option<Tensor<2>>,
    evaluated: Option<EvaluatedBatch>,
}

impl MetricInput {
    /// Predictions of a branch for Burn's metrics; `None` if no sample of the batch has the branch.
    ///
    /// They are probabilities `[n, n_classes]` in f32, the cross-entropy of each sample `[n]` without
    /// label smoothing, and labels `[n]`, where `n` is the number of samples that have the branch.
    pub fn branch(&self, branch: Branch) -> Option<ClassificationOutput> {
        match &self.evaluated {
            Some(evaluated) => evaluated.branch(branch, || self.compute(branch)),
            None => self.compute(branch),
        }
    }

    /// Weight of each modality in the fused prediction, `[batch, n_modalities]`.
    pub fn weights(&self) -> Option<&Tensor<2>> {
        self.weights.as_ref()
    }

    /// The evaluated batch; `None` in training, and if the step failed.
    pub fn evaluated(&self) -> Option<&EvaluatedBatch> {
        self.evaluated.as_ref()
    }

    /// Labels of the batch.
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    fn compute(&self, branch: Branch) -> Option<ClassificationOutput> {
        let (logits, targets) = self.logits(branch)?;
        let targets = targets.tensor().without_autodiff();
        let labels = targets.clone().unsqueeze_dim::<2>(1);
        let loss = log_softmax(logits.clone(), 1).gather(1, labels).neg();
        Some(ClassificationOutput {
            loss: loss.squeeze_dim(1),
            output: softmax(logits, 1),
            targets,
        })
    }

    /// Number of classes; `None` if the step failed.
    pub(super) fn n_classes(&self) -> Option<usize> {
        self.one.as_ref().map(|(_, logits)| logits.dims()[1])
    }

    /// Modalities with a branch, in order, each with its logits and labels.
    pub(super) fn modalities(&self) -> Vec<(usize, Tensor<2>, Targets)> {
        let modalities = match (&self.one, &self.each) {
            (_, Some(each)) => 0..each.n_modalities(),
            (Some((Branch::Modality(modality), _)), None) => *modality..modality + 1,
            _ => 0..0,
        };
        modalities
            .filter_map(|modality| {
                let (logits, targets) = self.logits(Branch::Modality(modality))?;
                Some((modality, logits, targets))
            })
            .collect()
    }

    /// Logits of a branch in f32, and the labels of its samples; `None` without samples with one label
    /// each.
    fn logits(&self, branch: Branch) -> Option<(Tensor<2>, Targets)> {
        let (logits, targets) = match (branch, &self.one, &self.each) {
            (_, Some((seen, logits)), _) if *seen == branch => {
                (logits.clone(), self.targets.clone())
            }
            (Branch::Modality(modality), _, Some(each)) if modality < each.n_modalities() => {
                let logits = each.modality(modality);
                present(logits, each.presence(), &self.targets, modality)?
            }
            (Branch::Calibrated(modality), _, Some(each)) => {
                let logits = self.evaluated.as_ref()?.calibrated(modality)?;
                present(logits, each.presence(), &self.targets, modality)?
            }
            (Branch::Uncalibrated, _, Some(_)) => {
                let logits = self.evaluated.as_ref()?.uncalibrated()?;
                (logits, self.targets.clone())
            }
            _ => return None,
        };
        // Sets of labels have no cross-entropy and no accuracy.
        if targets.sets().is_some() {
            return None;
        }
        let logits = logits.without_autodiff().cast(DType::F32);
        (!targets.is_empty()).then_some((logits, targets))
    }
}

/// Logits and labels of the samples that have a modality.
fn present(
    logits: Tensor<2>,
    presence: &Presence,
    targets: &Targets,
    modality: usize,
) -> Option<(Tensor<2>, Targets)> {
    if presence.is_complete() {
        return Some((logits, targets.clone()));
    }
    let rows = presence.rows(modality);
    if rows.is_empty() {
        return None;
    }
    let indices: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
    let indices = TensorData::new(indices, [rows.len()]);
    let indices = Tensor::<1, Int>::from_data(indices, &logits.device());
    Some((logits.select(0, indices), targets.select(&rows)))
}

impl Adaptor<MetricInput> for StepOutput {
    fn adapt(&self) -> MetricInput {
        let branch = self.modality.map_or(Branch::Fused, Branch::Modality);
        MetricInput {
            one: Some((branch, self.logits.clone())),
            each: None,
            targets: self.targets.clone(),
            weights: None,
            evaluated: None,
        }
    }
}

impl Adaptor<MetricInput> for EvaluationOutput {
    fn adapt(&self) -> MetricInput {
        let fused = || (Branch::Fused, self.logits.clone());
        MetricInput {
            one: self.modalities.is_some().then(fused),
            each: self.modalities.clone(),
            targets: self.targets.clone(),
            weights: self.weights.clone(),
            evaluated: self.evaluated.clone(),
        }
    }
}

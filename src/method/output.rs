//! The outputs of a training and of an evaluation step.

use burn::tensor::{ExecutionError, Tensor};
use burn::train::metric::{AccuracyInput, Adaptor, ConfusionStatsInput, LossInput};
use burn::train::{ClassificationOutput, ItemLazy};

use crate::fusion::ModalityLogits;
use crate::method::EvaluatedBatch;
use crate::modality::Targets;

/// Output of a training step, besides its gradients.
#[derive(Debug)]
pub struct StepOutput {
    /// Modality of the turn; `None` for a method that trains all modalities at once.
    pub modality: Option<usize>,
    /// Minimised loss, `[1]`: for a turn the mean cross-entropy of the modality's predictions
    /// (Eq. 2).
    pub loss: Tensor<1>,
    /// Logits of the modality, or of all modalities together, `[batch, n_classes]`.
    pub logits: Tensor<2>,
    /// Labels of the same samples.
    pub targets: Targets,
}

/// Output of an evaluation step.
#[derive(Debug)]
pub struct EvaluationOutput {
    /// Mean cross-entropy of the fused prediction, `[1]`.
    pub loss: Tensor<1>,
    /// Predictions of each modality alone; `None` if the step failed, which stops the training.
    pub modalities: Option<ModalityLogits>,
    /// Weight of each modality, `[batch, n_modalities]`; `None` for a method without weights, or if
    /// the step failed.
    pub weights: Option<Tensor<2>>,
    /// Fused logits, `[batch, n_classes]`.
    pub logits: Tensor<2>,
    /// Labels.
    pub targets: Targets,
    /// Source of further predictions for this batch; `None` if the step failed.
    pub evaluated: Option<EvaluatedBatch>,
}

impl StepOutput {
    /// NaN in the place of a result, for a step that failed.
    pub(crate) fn failed(modality: Option<usize>, targets: &Targets, n_classes: usize) -> Self {
        let (loss, logits, targets) = no_result(targets, n_classes);
        Self {
            modality,
            loss,
            logits,
            targets,
        }
    }
}

impl EvaluationOutput {
    /// NaN in the place of a result, for a step that failed.
    pub(crate) fn failed(targets: &Targets, n_classes: usize) -> Self {
        let (loss, logits, targets) = no_result(targets, n_classes);
        Self {
            loss,
            modalities: None,
            weights: None,
            logits,
            targets,
            evaluated: None,
        }
    }
}

/// The labels are 0, because the given ones may be what the step failed on.
fn no_result(targets: &Targets, n_classes: usize) -> (Tensor<1>, Tensor<2>, Targets) {
    let device = targets.tensor().device();
    let n_samples = targets.len();
    let logits = Tensor::full([n_samples, n_classes], f32::NAN, &device);
    let loss = Tensor::full([1], f32::NAN, &device);
    (loss, logits, Targets::new(vec![0; n_samples], &device))
}

impl ItemLazy for StepOutput {
    fn sync(self) -> Result<Self, ExecutionError> {
        self.loss.device().flush()?;
        Ok(Self {
            loss: self.loss.without_autodiff(),
            logits: self.logits.without_autodiff(),
            ..self
        })
    }
}

impl ItemLazy for EvaluationOutput {
    fn sync(self) -> Result<Self, ExecutionError> {
        self.loss.device().flush()?;
        Ok(Self {
            loss: self.loss.without_autodiff(),
            logits: self.logits.without_autodiff(),
            ..self
        })
    }
}

macro_rules! classification_metrics {
    ($output:ty) => {
        impl $output {
            fn classification(&self) -> ClassificationOutput {
                ClassificationOutput::new(
                    self.loss.clone(),
                    self.logits.clone(),
                    self.targets.tensor(),
                )
            }
        }

        impl Adaptor<LossInput> for $output {
            fn adapt(&self) -> LossInput {
                self.classification().adapt()
            }
        }

        impl Adaptor<AccuracyInput> for $output {
            fn adapt(&self) -> AccuracyInput {
                self.classification().adapt()
            }
        }

        impl Adaptor<ConfusionStatsInput> for $output {
            fn adapt(&self) -> ConfusionStatsInput {
                self.classification().adapt()
            }
        }
    };
}

classification_metrics!(StepOutput);
classification_metrics!(EvaluationOutput);

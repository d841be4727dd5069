use burn::tensor::{ExecutionError, Tensor};
use burn::train::metric::{AccuracyInput, Adaptor, ConfusionStatsInput, LossInput};
use burn::train::{ClassificationOutput, ItemLazy};

use crate::fusion::ModalityLogits;
use crate::method::Probe;
use crate::modality::Targets;

/// What a training step tells besides its gradients.
#[derive(Debug)]
pub struct StepOutput {
    /// Whose turn it was; `None` for a method that trains all modalities at once.
    pub modality: Option<usize>,
    /// What was minimised, `[1]`: of a turn the mean cross-entropy of the modality's predictions
    /// (Eq. 2).
    pub loss: Tensor<1>,
    /// The logits of the modality, or of all together, `[batch, n_classes]`.
    pub logits: Tensor<2>,
    /// The labels of the same samples.
    pub targets: Targets,
}

/// What an evaluation step tells.
#[derive(Debug)]
pub struct EvaluationOutput {
    /// Mean cross-entropy of the fused prediction, `[1]`.
    pub loss: Tensor<1>,
    /// The predictions of each modality on its own; `None` when the step failed and the training
    /// is being stopped.
    pub modalities: Option<ModalityLogits>,
    /// The weight of each modality, `[batch, n_modalities]`; `None` for a method that does not
    /// weigh them, or when the step failed.
    pub weights: Option<Tensor<2>>,
    /// The fused logits, `[batch, n_classes]`.
    pub logits: Tensor<2>,
    /// The labels.
    pub targets: Targets,
    /// What the model tells of this batch when a metric asks; `None` when the step failed.
    pub probe: Option<Probe>,
}

impl StepOutput {
    /// Plainly no result, for a step that failed while the loop stops.
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
    /// Plainly no result, for a step that failed while the loop stops.
    pub(crate) fn failed(targets: &Targets, n_classes: usize) -> Self {
        let (loss, logits, targets) = no_result(targets, n_classes);
        Self {
            loss,
            modalities: None,
            weights: None,
            logits,
            targets,
            probe: None,
        }
    }
}

/// The labels are 0: those given may be what the step failed on, and metrics would fail again.
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

//! The outputs of a training and of an evaluation step.

use burn::nn::loss::CrossEntropyLossConfig;
use burn::tensor::{DType, ExecutionError, Tensor};
use burn::train::metric::{AccuracyInput, Adaptor, ConfusionStatsInput, LossInput};
use burn::train::{ClassificationOutput, ItemLazy};

use crate::fusion::ModalityLogits;
use crate::method::{EvaluatedBatch, SubsetPredictor};
use crate::modality::Targets;

/// The output of a training step, besides its gradients.
#[derive(Debug)]
pub struct StepOutput {
    /// The modality of the turn; `None` for a method that trains all modalities at once.
    pub modality: Option<usize>,
    /// The minimised loss, `[1]`: for a turn, the mean cross-entropy of the modality's predictions
    /// (Eq. 2).
    pub loss: Tensor<1>,
    /// The logits of the modality, or of all modalities together, `[batch, n_classes]`.
    pub logits: Tensor<2>,
    /// The labels of the same samples.
    pub targets: Targets,
    /// The total weight of the samples in the loss: their number unless the loss
    /// [weighs them](crate::loss::TrainingLoss::weight).
    pub weight: f64,
}

/// The output of an evaluation step.
#[derive(Debug)]
pub struct EvaluationOutput {
    /// Mean cross-entropy of the fused prediction, `[1]` in f32.
    pub loss: Tensor<1>,
    /// The predictions of each modality alone; `None` if the step failed, which stops the training.
    pub modalities: Option<ModalityLogits>,
    /// The weight of each modality, `[batch, n_modalities]`; `None` for a method without weights, or
    /// if the step failed.
    pub weights: Option<Tensor<2>>,
    /// The fused logits, `[batch, n_classes]`.
    pub logits: Tensor<2>,
    /// The labels.
    pub targets: Targets,
    /// The source of further predictions for this batch; `None` if the step failed.
    pub evaluated: Option<EvaluatedBatch>,
}

impl StepOutput {
    /// NaN in place of a result, for a step that failed.
    pub(crate) fn failed(modality: Option<usize>, targets: &Targets, n_classes: usize) -> Self {
        let (loss, logits, targets) = no_result(targets, n_classes);
        Self {
            modality,
            loss,
            logits,
            weight: targets.len() as f64,
            targets,
        }
    }
}

impl EvaluationOutput {
    /// The output for a batch: the cross-entropy of the fused `logits`, `[batch, n_classes]`, with the
    /// predictions of each modality and the source of further predictions.
    ///
    /// # Panics
    ///
    /// For a label that is not a class of the logits. [`Targets::check`] returns an error for it.
    pub fn new(
        logits: Tensor<2>,
        targets: Targets,
        modalities: ModalityLogits,
        weights: Option<Tensor<2>>,
        predictor: impl SubsetPredictor + 'static,
    ) -> Self {
        let loss = CrossEntropyLossConfig::new()
            .init(&logits.device())
            .forward(logits.clone().cast(DType::F32), targets.tensor());
        Self {
            loss,
            modalities: Some(modalities),
            weights,
            logits,
            targets,
            evaluated: Some(EvaluatedBatch::new(predictor)),
        }
    }

    /// NaN in place of a result, for a step that failed.
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

/// A NaN loss, NaN logits and labels of 0. The given labels may be the cause of the failure, and
/// metrics would fail on them too.
fn no_result(targets: &Targets, n_classes: usize) -> (Tensor<1>, Tensor<2>, Targets) {
    let device = targets.tensor().device();
    let n_samples = targets.len();
    let logits = Tensor::full([n_samples, n_classes], f32::NAN, &device);
    let loss = Tensor::full([1], f32::NAN, &device);
    (loss, logits, Targets::new(vec![0; n_samples], &device))
}

/// Implements what Burn requires of an output, and the inputs of Burn's classification metrics.
macro_rules! burn_output {
    ($output:ty) => {
        impl ItemLazy for $output {
            fn sync(self) -> Result<Self, ExecutionError> {
                self.loss.device().flush()?;
                Ok(Self {
                    loss: self.loss.without_autodiff(),
                    logits: self.logits.without_autodiff(),
                    ..self
                })
            }
        }

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
            /// The mean loss, once per sample: Burn weighs a batch by the number of its losses.
            fn adapt(&self) -> LossInput {
                let loss = self.loss.clone().without_autodiff().cast(DType::F32);
                LossInput::new(loss.expand([self.targets.len()]))
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

burn_output!(StepOutput);
burn_output!(EvaluationOutput);

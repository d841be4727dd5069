use burn::tensor::{ExecutionError, Tensor};
use burn::train::metric::{AccuracyInput, Adaptor, ConfusionStatsInput, LossInput};
use burn::train::{ClassificationOutput, ItemLazy};

use crate::modality::Targets;
use crate::model::Prediction;
use crate::train::Probe;

/// What a training step tells besides its gradients.
#[derive(Debug)]
pub struct TurnOutput {
    /// Whose turn it was.
    pub modality: usize,
    /// Eq. 2: the mean cross-entropy of the modality's predictions, `[1]`.
    pub loss: Tensor<1>,
    /// The logits of the modality, `[batch, n_classes]`.
    pub logits: Tensor<2>,
    /// The labels of the same samples.
    pub targets: Targets,
}

/// What an evaluation step tells.
#[derive(Debug)]
pub struct EvaluationOutput {
    /// Mean cross-entropy of the fused prediction, `[1]`.
    pub loss: Tensor<1>,
    /// The predictions; `None` when the step failed and the training is being stopped.
    pub prediction: Option<Prediction>,
    /// The fused logits, `[batch, n_classes]`.
    pub logits: Tensor<2>,
    /// The labels.
    pub targets: Targets,
    /// What the model tells of this batch when a metric asks; `None` as `prediction` is.
    pub probe: Option<Probe>,
}

impl ItemLazy for TurnOutput {
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

classification_metrics!(TurnOutput);
classification_metrics!(EvaluationOutput);

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer, MultiGradientsParams};
use burn::tensor::Tensor;
use burn::train::{InferenceStep, Interrupter, TrainOutput, TrainStep};

use crate::encoder::Encoders;
use crate::error::{MlaError, Result};
use crate::fusion::UncertaintyFusion;
use crate::head::SharedHead;
use crate::modality::{ModalityInputs, MultimodalBatch, Targets, Turn};
use crate::model::Mla;
use crate::projector::OrthogonalProjector;
use crate::train::{EvaluationOutput, Faults, Probe, TurnOutput};

impl<E, H, P, F> Mla<E, H, P, F>
where
    E: Encoders,
    H: SharedHead,
    P: OrthogonalProjector,
    F: UncertaintyFusion,
{
    /// Lets an error within Burn's training loop stop the training through `interrupter`, the
    /// one of the training. Without, such an error panics, since Burn's steps cannot return one.
    pub fn with_interrupter(mut self, interrupter: Interrupter) -> Self {
        self.faults = Faults::new(interrupter);
        self
    }

    /// The error that stopped Burn's training loop, if one did.
    pub fn fault(&self) -> Option<MlaError> {
        self.faults.first()
    }

    /// [`predict`](Self::predict) together with the loss of the fused prediction.
    ///
    /// # Errors
    ///
    /// As [`predict`](Self::predict), and [`MlaError::LabelOutOfRange`].
    pub fn try_evaluate(&self, batch: MultimodalBatch<E::Inputs>) -> Result<EvaluationOutput> {
        let targets = batch.targets.clone();
        targets.check(self.n_classes())?;
        let prediction = self.predict(batch)?;
        let logits = prediction.fused.clone();
        let loss = CrossEntropyLossConfig::new()
            .init(&logits.device())
            .forward(logits.clone(), targets.tensor());
        let probe = Probe::new(
            self.fusion.clone(),
            self.projection.clone(),
            prediction.clone(),
            targets.clone(),
        );
        Ok(EvaluationOutput {
            loss,
            prediction: Some(prediction),
            logits,
            targets,
            probe: Some(probe),
        })
    }

    /// Outputs that are plainly no result, for a step that failed while the loop stops.
    ///
    /// The labels are 0: those given may be what the step failed on, and metrics would fail again.
    fn no_result(&self, targets: &Targets) -> (Tensor<1>, Tensor<2>, Targets) {
        let device = targets.tensor().device();
        let n_samples = targets.len();
        let logits = Tensor::full([n_samples, self.n_classes()], f32::NAN, &device);
        let loss = Tensor::full([1], f32::NAN, &device);
        (loss, logits, Targets::new(vec![0; n_samples], &device))
    }
}

/// # Panics
///
/// [`step`](TrainStep::step) and [`optimize`](TrainStep::optimize) panic on the errors of
/// [`Mla::try_step`] and [`Mla::try_optimize`] unless the model has an interrupter
/// ([`Mla::with_interrupter`]), which then stops the training; the model is as it was before the
/// step.
impl<E, H, P, F> TrainStep for Mla<E, H, P, F>
where
    E: Encoders,
    H: SharedHead,
    P: OrthogonalProjector,
    F: UncertaintyFusion,
{
    type Input = Turn<<E::Inputs as ModalityInputs>::One>;
    type Output = TurnOutput;

    fn step(&self, turn: Self::Input) -> TrainOutput<TurnOutput> {
        let modality = E::Inputs::modality(&turn.input);
        let targets = turn.targets.clone();
        self.try_step(turn).unwrap_or_else(|error| {
            self.faults.raise(error);
            let (loss, logits, targets) = self.no_result(&targets);
            TrainOutput {
                grads: GradientsParams::new(),
                item: TurnOutput {
                    modality,
                    loss,
                    logits,
                    targets,
                },
            }
        })
    }

    fn optimize(
        mut self,
        optimizer: &mut ModuleOptimizer,
        learning_rate: ModuleLearningRate,
        gradients: GradientsParams,
    ) -> Self
    where
        Self: Module + Sized,
    {
        // No gradients, or an error elsewhere, of another part of the batch: the step failed, and
        // the model stays what it was.
        if !gradients.is_empty()
            && !self.faults.is_failing()
            && let Err(error) = self.try_optimize(optimizer, learning_rate, gradients)
        {
            self.faults.raise(error);
        }
        self
    }

    /// Brings the gradients of all devices together on the model's: the projector needs the mean
    /// feature of all of them, so that nothing of the update can be shared out.
    fn optimize_multi(
        self,
        optimizer: &mut ModuleOptimizer,
        learning_rate: ModuleLearningRate,
        gradients: MultiGradientsParams,
    ) -> Self
    where
        Self: Module + Sized,
    {
        let device = self.devices().into_iter().next();
        let mut sum = GradientsAccumulator::new();
        for (gradients, _) in gradients.grads {
            let gradients = match &device {
                Some(device) => gradients.to_device(device, &self),
                None => gradients,
            };
            sum.accumulate(&self, gradients);
        }
        self.optimize(optimizer, learning_rate, sum.grads())
    }
}

/// # Panics
///
/// On the errors of [`Mla::try_evaluate`] unless the model has an interrupter
/// ([`Mla::with_interrupter`]), which then stops the training.
impl<E, H, P, F> InferenceStep for Mla<E, H, P, F>
where
    E: Encoders,
    H: SharedHead,
    P: OrthogonalProjector,
    F: UncertaintyFusion,
{
    type Input = MultimodalBatch<E::Inputs>;
    type Output = EvaluationOutput;

    fn step(&self, batch: Self::Input) -> EvaluationOutput {
        let targets = batch.targets.clone();
        self.try_evaluate(batch).unwrap_or_else(|error| {
            self.faults.raise(error);
            let (loss, logits, targets) = self.no_result(&targets);
            EvaluationOutput {
                loss,
                prediction: None,
                logits,
                targets,
                probe: None,
            }
        })
    }
}

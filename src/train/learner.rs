use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{GradientsParams, ModuleOptimizer, MultiGradientsParams};
use burn::train::{InferenceStep, Interrupter, TrainOutput, TrainStep};

use crate::encoder::Encoders;
use crate::error::{MlaError, Result};
use crate::fusion::UncertaintyFusion;
use crate::head::SharedHead;
use crate::modality::{ModalityInputs, MultimodalBatch, Turn};
use crate::model::Mla;
use crate::projector::OrthogonalProjector;
use crate::train::gather::gathered;
use crate::train::{EvaluationOutput, Faults, MlaProbe, Probe, TurnOutput};

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
        let probe = MlaProbe {
            fusion: self.fusion.clone(),
            projection: self.projection.clone(),
            logits: prediction.modalities.clone(),
        };
        Ok(EvaluationOutput {
            loss,
            modalities: Some(prediction.modalities),
            weights: Some(prediction.weights),
            logits,
            probe: Some(Probe::new(probe, targets.clone())),
            targets,
        })
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
            TrainOutput {
                grads: GradientsParams::new(),
                item: TurnOutput::failed(Some(modality), &targets, self.n_classes()),
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
        let gradients = gathered(&self, gradients);
        self.optimize(optimizer, learning_rate, gradients)
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
            EvaluationOutput::failed(&targets, self.n_classes())
        })
    }
}

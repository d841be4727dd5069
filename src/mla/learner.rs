//! The model in Burn's training loop and as a `MultimodalMethod`.

use std::sync::Arc;

use burn::data::dataloader::DataLoader;
use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer, MultiGradientsParams};
use burn::train::{InferenceStep, Interrupter, TrainOutput, TrainStep};

use crate::encoder::Encoders;
use crate::error::{MlaError, Result};
use crate::fusion::UncertaintyFusion;
use crate::head::SharedHead;
use crate::loader::{AlternatingLoader, Passes, RoundRobin};
use crate::method::gathered;
use crate::method::{EvaluationOutput, Faults, MultimodalMethod, StepOutput, TrainingLoader};
use crate::mla::Mla;
use crate::modality::{ModalityInputs, MultimodalBatch, Turn};
use crate::projector::OrthogonalProjector;

impl<E: Encoders, H: SharedHead, P: OrthogonalProjector, F: UncertaintyFusion> Mla<E, H, P, F> {
    /// Stops training through `interrupter` when a step fails. Without one, a failed step panics,
    /// because Burn's steps cannot return errors.
    pub fn with_interrupter(mut self, interrupter: Interrupter) -> Self {
        self.faults = Faults::new(interrupter);
        self
    }

    /// The error that stopped Burn's training loop, if one did.
    pub fn fault(&self) -> Option<MlaError> {
        self.faults.first()
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
    type Output = StepOutput;

    fn step(&self, turn: Self::Input) -> TrainOutput<StepOutput> {
        let modality = E::Inputs::modality(&turn.input);
        let targets = turn.targets.clone();
        self.try_step(turn).unwrap_or_else(|error| {
            self.faults.raise(error);
            TrainOutput {
                grads: GradientsParams::new(),
                item: StepOutput::failed(Some(modality), &targets, self.n_classes()),
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

impl<E, H, P, F> MultimodalMethod for Mla<E, H, P, F>
where
    E: Encoders + 'static,
    H: SharedHead + 'static,
    P: OrthogonalProjector + 'static,
    F: UncertaintyFusion + 'static,
{
    type Inputs = E::Inputs;

    fn n_modalities(&self) -> usize {
        self.n_modalities()
    }

    fn n_classes(&self) -> usize {
        self.n_classes()
    }

    /// Turns in the order of [`RoundRobin`]; make an [`AlternatingLoader`] oneself for another.
    fn training_loader(
        &self,
        batches: Arc<dyn DataLoader<MultimodalBatch<E::Inputs>>>,
        passes: Vec<Passes>,
    ) -> Result<TrainingLoader<<Self as TrainStep>::Input>> {
        let loader = AlternatingLoader::paired(batches, self.n_modalities(), RoundRobin)?;
        let loader = loader.with_passes(passes);
        Ok(TrainingLoader {
            handle: loader.handle(),
            loader: Arc::new(loader),
        })
    }

    fn modality(turn: &<Self as TrainStep>::Input) -> Option<usize> {
        Some(E::Inputs::modality(&turn.input))
    }

    fn attach(&self, interrupter: &Interrupter) {
        self.faults.attach(interrupter);
    }

    fn report(&self, error: MlaError) {
        self.faults.raise(error);
    }

    fn try_train_step(&self, turn: <Self as TrainStep>::Input) -> Result<TrainOutput<StepOutput>> {
        self.try_step(turn)
    }

    fn try_inference_step(&self, batch: MultimodalBatch<E::Inputs>) -> Result<EvaluationOutput> {
        self.try_evaluate(batch)
    }
}

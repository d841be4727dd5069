//! `Mla` as a method of the training loop: its Burn steps, its loader and its interruption.

use std::sync::Arc;

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Device;
use burn::train::{Interrupter, TrainOutput};

use crate::encoder::Encoders;
use crate::error::{MlaError, Result};
use crate::fusion::UncertaintyFusion;
use crate::head::SharedHead;
use crate::loader::{AlternatingLoader, RoundRobin, SourceLoader};
use crate::method::{EvaluationOutput, Interruption, MultimodalMethod, StepOutput, TrainingLoader};
use crate::mla::Mla;
use crate::modality::{ModalityInputs, MultimodalBatch, Targets, Turn};
use crate::projector::OrthogonalProjector;

impl<E, H, P, F> Mla<E, H, P, F>
where
    E: Encoders,
    H: SharedHead,
    P: OrthogonalProjector,
    F: UncertaintyFusion,
{
    /// Stops training through `interrupter` when a step fails in Burn's training loop. Without an
    /// interrupter a failed step panics, because Burn's steps cannot return errors.
    ///
    /// Clones made from then on stop the same training. Give a clone for another training an
    /// interrupter of its own.
    pub fn with_interrupter(mut self, interrupter: Interrupter) -> Self {
        self.interruption = Interruption::new(interrupter);
        self
    }

    /// The error that stopped Burn's training loop, if one did.
    pub fn fault(&self) -> Option<MlaError> {
        self.interruption.fault()
    }

    /// Turns in the order of the options.
    pub(super) fn turns(
        &self,
        batches: SourceLoader<MultimodalBatch<E::Inputs>>,
    ) -> Result<AlternatingLoader<E::Inputs>> {
        let turns = AlternatingLoader::paired(batches, self.n_modalities(), RoundRobin)?;
        Ok(match self.config.ranking {
            Some(ranking) => turns.with_ranking(ranking),
            None => turns,
        })
    }
}

crate::burn_steps! {
    impl[
        E: Encoders + 'static,
        H: SharedHead + 'static,
        P: OrthogonalProjector + 'static,
        F: UncertaintyFusion + 'static
    ] Mla<E, H, P, F>
}

impl<E, H, P, F> MultimodalMethod for Mla<E, H, P, F>
where
    E: Encoders + 'static,
    H: SharedHead + 'static,
    P: OrthogonalProjector + 'static,
    F: UncertaintyFusion + 'static,
{
    type Inputs = E::Inputs;
    type TrainingInput = Turn<<E::Inputs as ModalityInputs>::One>;

    fn n_modalities(&self) -> usize {
        self.n_modalities()
    }

    fn n_classes(&self) -> usize {
        self.n_classes()
    }

    /// A loader of turns in the order of [`RoundRobin`], over the modalities by their
    /// [`ranking`](crate::MlaConfig::ranking) if there is one. For another schedule, build an
    /// [`AlternatingLoader`] yourself.
    fn training_loader(
        &self,
        batches: SourceLoader<MultimodalBatch<E::Inputs>>,
    ) -> Result<TrainingLoader<Self::TrainingInput>> {
        let loader = self.turns(batches)?;
        Ok(TrainingLoader {
            handle: loader.handle(),
            loader: Arc::new(loader),
        })
    }

    /// One per batch and modality.
    fn n_turns(&self, n_batches: usize) -> usize {
        n_batches * self.n_modalities()
    }

    fn modality(turn: &Self::TrainingInput) -> Option<usize> {
        Some(E::Inputs::modality(&turn.input))
    }

    fn targets(turn: &Self::TrainingInput) -> &Targets {
        &turn.targets
    }

    fn interruption(&self) -> &Interruption {
        &self.interruption
    }

    fn interruption_mut(&mut self) -> &mut Interruption {
        &mut self.interruption
    }

    fn check_restored(&self) -> Result<()> {
        self.projection.check()
    }

    fn is_divisible(&self) -> bool {
        true
    }

    /// The encoder of the turn and the head. The other encoders, the projector's state and the fusion have
    /// no part in a step.
    fn replica(&self, turn: &Self::TrainingInput, device: &Device) -> Self {
        let modality = E::Inputs::modality(&turn.input);
        let mut replica = self.clone();
        replica.encoders = replica.encoders.fork_of(modality, device);
        replica.head = replica.head.fork(device);
        replica.projection = replica.projection.fork_carriers(modality, device);
        replica
    }

    fn try_train_step(&self, turn: Self::TrainingInput) -> Result<TrainOutput<StepOutput>> {
        self.try_step(turn)
    }

    fn try_update(
        &mut self,
        optimizer: &mut ModuleOptimizer,
        learning_rate: ModuleLearningRate,
        gradients: GradientsParams,
    ) -> Result<()> {
        self.try_optimize(optimizer, learning_rate, gradients)
    }

    fn set_temperatures(&mut self, temperatures: &[f64]) -> Result<bool> {
        self.fusion.set_temperatures(temperatures)
    }

    fn try_inference_step(&self, batch: MultimodalBatch<E::Inputs>) -> Result<EvaluationOutput> {
        self.try_evaluate(batch)
    }
}

//! Fused turns as a method of the training loop.

use std::sync::Arc;

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::train::TrainOutput;

use crate::encoder::Encoders;
use crate::error::Result;
use crate::fusion::UncertaintyFusion;
use crate::head::SharedHead;
use crate::loader::{FusedTurnLoader, SourceLoader, UnimodalThenFused};
use crate::method::{EvaluationOutput, Interruption, MultimodalMethod, StepOutput, TrainingLoader};
use crate::mla::FusedTurns;
use crate::modality::{MultimodalBatch, ScheduledTurn, Targets};
use crate::projector::OrthogonalProjector;

crate::burn_steps! {
    impl[
        E: Encoders + 'static,
        H: SharedHead + 'static,
        P: OrthogonalProjector + 'static,
        F: UncertaintyFusion + 'static
    ] FusedTurns<E, H, P, F>
}

impl<E, H, P, F> MultimodalMethod for FusedTurns<E, H, P, F>
where
    E: Encoders + 'static,
    H: SharedHead + 'static,
    P: OrthogonalProjector + 'static,
    F: UncertaintyFusion + 'static,
{
    type Inputs = E::Inputs;
    type TrainingInput = ScheduledTurn<E::Inputs>;

    fn n_modalities(&self) -> usize {
        self.model.n_modalities()
    }

    fn n_classes(&self) -> usize {
        self.model.n_classes()
    }

    /// The loader of turns of the [`Mla`](crate::Mla), with fused turns on a further pass over the same
    /// batches. For another schedule or unpaired data, build a [`FusedTurnLoader`] yourself.
    fn training_loader(
        &self,
        batches: SourceLoader<MultimodalBatch<E::Inputs>>,
    ) -> Result<TrainingLoader<Self::TrainingInput>> {
        let fused = SourceLoader {
            loader: batches.loader.clone(),
            sources: batches.sources.clone(),
        };
        let turns = self.model.turns(batches)?;
        let loader = FusedTurnLoader::new(turns, fused, self.config.schedule)?;
        Ok(TrainingLoader {
            handle: loader.handle(),
            loader: Arc::new(loader),
        })
    }

    /// One per batch and modality, and the fused turns of all cycles that are complete.
    fn n_turns(&self, n_batches: usize) -> usize {
        let UnimodalThenFused { every, block } = self.config.schedule;
        self.model.n_turns(n_batches) + n_batches / (every * block) * block
    }

    fn modality(turn: &Self::TrainingInput) -> Option<usize> {
        turn.modality()
    }

    fn targets(turn: &Self::TrainingInput) -> &Targets {
        turn.targets()
    }

    fn interruption(&self) -> &Interruption {
        &self.model.interruption
    }

    fn interruption_mut(&mut self) -> &mut Interruption {
        &mut self.model.interruption
    }

    fn check_restored(&self) -> Result<()> {
        self.model.check_restored()
    }

    fn try_train_step(&self, turn: Self::TrainingInput) -> Result<TrainOutput<StepOutput>> {
        match turn {
            ScheduledTurn::Unimodal(turn) => self.model.try_step(turn),
            ScheduledTurn::Fused(batch) => self.try_fused_step(batch),
        }
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
        self.model.set_temperatures(temperatures)
    }

    fn try_inference_step(&self, batch: MultimodalBatch<E::Inputs>) -> Result<EvaluationOutput> {
        self.model.try_evaluate(batch)
    }
}

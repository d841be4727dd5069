use std::sync::Arc;

use burn::data::dataloader::DataLoader;
use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;
use burn::train::{Interrupter, TrainOutput};

use crate::encoder::Encoders;
use crate::error::{MlaError, Result};
use crate::fusion::{ModalityLogits, UncertaintyFusion};
use crate::head::SharedHead;
use crate::loader::{AlternatingLoader, Passes, RoundRobin};
use crate::method::{
    EvaluatedBatch, EvaluationOutput, Interruption, MultimodalMethod, StepOutput, SubsetPredictor,
    TrainingLoader,
};
use crate::mla::{Mla, Projection};
use crate::modality::{ModalityInputs, MultimodalBatch, Presence, Targets, Turn};
use crate::projector::{Gains, OrthogonalProjector};

impl<E, H, P, F> Mla<E, H, P, F>
where
    E: Encoders,
    H: SharedHead,
    P: OrthogonalProjector,
    F: UncertaintyFusion,
{
    /// Stops training through `interrupter` when a step fails in Burn's training loop. Without an
    /// interrupter a failed step panics, because Burn's steps cannot return errors.
    pub fn with_interrupter(mut self, interrupter: Interrupter) -> Self {
        self.interruption = Interruption::new(interrupter);
        self
    }

    /// The error that stopped Burn's training loop.
    pub fn fault(&self) -> Option<MlaError> {
        self.interruption.fault()
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
        let predictor = MlaSubsets {
            fusion: self.fusion.clone(),
            projection: self.projection.clone(),
            logits: prediction.modalities.clone(),
        };
        Ok(EvaluationOutput {
            loss,
            modalities: Some(prediction.modalities),
            weights: Some(prediction.weights),
            logits,
            evaluated: Some(EvaluatedBatch::new(predictor)),
            targets,
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

    /// Turns in the order of [`RoundRobin`]; make an [`AlternatingLoader`] oneself for another.
    fn training_loader(
        &self,
        batches: Arc<dyn DataLoader<MultimodalBatch<E::Inputs>>>,
        passes: Vec<Passes>,
    ) -> Result<TrainingLoader<Self::TrainingInput>> {
        let loader = AlternatingLoader::paired(batches, self.n_modalities(), RoundRobin)?;
        let loader = loader.with_passes(passes);
        Ok(TrainingLoader {
            handle: loader.handle(),
            loader: Arc::new(loader),
        })
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

    fn try_inference_step(&self, batch: MultimodalBatch<E::Inputs>) -> Result<EvaluationOutput> {
        self.try_evaluate(batch)
    }
}

/// Predictions of an evaluated batch from subsets of its modalities.
struct MlaSubsets<P: OrthogonalProjector, F> {
    fusion: F,
    projection: Projection<P>,
    logits: ModalityLogits,
}

impl<P: OrthogonalProjector, F: UncertaintyFusion> SubsetPredictor for MlaSubsets<P, F> {
    fn presence(&self) -> &Presence {
        self.logits.presence()
    }

    fn fuse(&self, rows: &[usize], modalities: &[usize]) -> Result<Tensor<2>> {
        let subset = self.logits.restricted(rows, modalities)?;
        Ok(self.fusion.fuse(&subset).logits)
    }

    fn gains(&self, layer: usize, modality: usize) -> Result<Option<Gains>> {
        let layers = self.projection.layers();
        let Some((of, carrier)) = layers
            .get(layer)
            .and_then(|of| Some((of, of.carriers().get(modality)?)))
        else {
            return Ok(None);
        };
        let (rule, device) = (self.projection.rule(), carrier.val().device());
        Gains::of(rule, of.state(), modality, of.d_input(), &device).map(Some)
    }
}

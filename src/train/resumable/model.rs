use burn::train::{InferenceStep, Interrupter, LearnerModel, TrainOutput, TrainStep};

#[cfg(doc)]
use super::ResumableTraining;
use crate::encoder::Encoders;
use crate::error::MlaError;
use crate::fusion::UncertaintyFusion;
use crate::head::SharedHead;
use crate::modality::ModalityInputs;
use crate::model::Mla;
use crate::projector::OrthogonalProjector;
use crate::train::{EvaluationOutput, TurnOutput};

/// What [`ResumableTraining`] needs of a model, besides what Burn's loop does.
///
/// [`Mla`] has it; so has whatever else is to be trained in the same way.
pub trait ResumableModel:
    LearnerModel + TrainStep<Output = TurnOutput> + InferenceStep<Output = EvaluationOutput>
{
    /// Number of modalities.
    fn n_modalities(&self) -> usize;

    /// Number of classes.
    fn n_classes(&self) -> usize;

    /// Whose turn it is; turns of different modalities are not accumulated together.
    fn modality(turn: &<Self as TrainStep>::Input) -> usize;

    /// Gives the model the interrupter of its training, through which it reports an error of
    /// [`TrainStep::optimize`] and those of [`report`](Self::report).
    fn attach(&self, interrupter: &Interrupter);

    /// Stops the training with an error.
    fn report(&self, error: MlaError);

    /// [`TrainStep::step`] with its errors.
    ///
    /// # Errors
    ///
    /// Those of the model; it is as it was then.
    fn try_train_step(
        &self,
        turn: <Self as TrainStep>::Input,
    ) -> crate::Result<TrainOutput<TurnOutput>>;

    /// [`InferenceStep::step`] with its errors.
    ///
    /// # Errors
    ///
    /// Those of the model.
    fn try_inference_step(
        &self,
        batch: <Self as InferenceStep>::Input,
    ) -> crate::Result<EvaluationOutput>;
}

impl<E, H, P, F> ResumableModel for Mla<E, H, P, F>
where
    E: Encoders + 'static,
    H: SharedHead + 'static,
    P: OrthogonalProjector + 'static,
    F: UncertaintyFusion + 'static,
{
    fn n_modalities(&self) -> usize {
        self.n_modalities()
    }

    fn n_classes(&self) -> usize {
        self.n_classes()
    }

    fn modality(turn: &<Self as TrainStep>::Input) -> usize {
        E::Inputs::modality(&turn.input)
    }

    fn attach(&self, interrupter: &Interrupter) {
        self.faults.attach(interrupter);
    }

    fn report(&self, error: MlaError) {
        self.faults.raise(error);
    }

    fn try_train_step(
        &self,
        turn: <Self as TrainStep>::Input,
    ) -> crate::Result<TrainOutput<TurnOutput>> {
        self.try_step(turn)
    }

    fn try_inference_step(
        &self,
        batch: <Self as InferenceStep>::Input,
    ) -> crate::Result<EvaluationOutput> {
        self.try_evaluate(batch)
    }
}

//! The evaluation step of `Mla`, and what metrics compute from an evaluated batch.

use burn::tensor::Tensor;

use crate::encoder::Encoders;
use crate::error::Result;
use crate::fusion::{ModalityLogits, UncertaintyFusion};
use crate::head::SharedHead;
use crate::method::{EvaluationOutput, SubsetPredictor};
use crate::mla::{Mla, Projection};
use crate::modality::{MultimodalBatch, Presence};
use crate::projector::{Gains, OrthogonalProjector};

impl<E, H, P, F> Mla<E, H, P, F>
where
    E: Encoders,
    H: SharedHead,
    P: OrthogonalProjector,
    F: UncertaintyFusion,
{
    /// Computes [`predict`](Self::predict) and the loss of the fused prediction.
    ///
    /// # Errors
    ///
    /// As [`predict`](Self::predict), and
    /// [`MlaError::LabelOutOfRange`](crate::MlaError::LabelOutOfRange).
    pub fn try_evaluate(&self, batch: MultimodalBatch<E::Inputs>) -> Result<EvaluationOutput> {
        let targets = batch.targets.clone();
        targets.check_single("the evaluation")?;
        let labels = targets.check(self.n_classes());
        labels.map_err(|error| error.located(None, batch.samples.as_deref()))?;
        let prediction = self.predict(batch)?;
        let predictor = EvaluatedLogits {
            fusion: self.fusion.clone(),
            projection: self.projection.clone(),
            logits: prediction.modalities.clone(),
        };
        Ok(EvaluationOutput::new(
            prediction.fused,
            targets,
            prediction.modalities,
            Some(prediction.weights),
            predictor,
        ))
    }
}

/// An evaluated batch of an [`Mla`]: its logits, with the fusion and the projection of the model.
struct EvaluatedLogits<P: OrthogonalProjector, F> {
    fusion: F,
    projection: Projection<P>,
    logits: ModalityLogits,
}

impl<P: OrthogonalProjector, F: UncertaintyFusion> SubsetPredictor for EvaluatedLogits<P, F> {
    fn presence(&self) -> &Presence {
        self.logits.presence()
    }

    fn fuse(&self, rows: &[usize], modalities: &[usize]) -> Result<Tensor<2>> {
        let subset = self.logits.restricted(rows, modalities)?;
        Ok(self.fusion.fuse(&subset).logits)
    }

    fn calibrated(&self, modality: usize) -> Option<Tensor<2>> {
        let exists = modality < self.logits.n_modalities();
        exists.then(|| {
            self.fusion
                .calibrated(modality, self.logits.present_logits(modality))
        })
    }

    fn uncalibrated(&self) -> Option<Tensor<2>> {
        Some(self.fusion.uncalibrated().fuse(&self.logits).logits)
    }

    fn gains(&self, layer: usize, modality: usize) -> Result<Option<Gains>> {
        self.projection.gains(layer, modality)
    }
}

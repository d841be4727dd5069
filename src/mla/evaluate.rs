//! Evaluation of a batch: the prediction, its loss, and what metrics measure on it.

use burn::nn::loss::CrossEntropyLossConfig;
use burn::tensor::Tensor;

use crate::encoder::Encoders;
use crate::error::Result;
use crate::fusion::{ModalityLogits, UncertaintyFusion};
use crate::head::SharedHead;
use crate::method::{EvaluationOutput, Probe, Probed};
use crate::mla::{Mla, Projection};
use crate::modality::{MultimodalBatch, Presence};
use crate::projector::{Gains, OrthogonalProjector};

impl<E: Encoders, H: SharedHead, P: OrthogonalProjector, F: UncertaintyFusion> Mla<E, H, P, F> {
    /// Predicts a batch and computes the loss of the fused prediction.
    ///
    /// # Errors
    ///
    /// Those of [`predict`](Self::predict), and [`MlaError::LabelOutOfRange`].
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

/// An evaluated batch of an [`Mla`](crate::Mla).
struct MlaProbe<P: OrthogonalProjector, F> {
    fusion: F,
    projection: Projection<P>,
    logits: ModalityLogits,
}

impl<P: OrthogonalProjector, F: UncertaintyFusion> Probed for MlaProbe<P, F> {
    fn presence(&self) -> &Presence {
        self.logits.presence()
    }

    fn fuse(&self, rows: &[usize], modalities: &[usize]) -> Result<Tensor<2>> {
        let subset = self.logits.restricted(rows, modalities)?;
        Ok(self.fusion.fuse(&subset).logits)
    }

    fn gains(&self, layer: usize, modality: usize) -> Result<Option<Gains>> {
        self.projection.gains(layer, modality)
    }
}

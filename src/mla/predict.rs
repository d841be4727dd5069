//! Prediction: features, logits, and their fusion (Eq. 6-8).

use burn::tensor::Tensor;

use crate::encoder::{Encoders, run_placed};
use crate::error::{MlaError, NonFinite, Result};
use crate::fusion::{ModalityLogits, UncertaintyFusion, entropy};
use crate::head::{HeadOutput, SharedHead};
use crate::mla::Mla;
use crate::modality::{ModalityInputs, MultimodalBatch};
use crate::numeric::first_not_finite;
use crate::projector::OrthogonalProjector;

/// The predictions for a batch.
#[derive(Debug, Clone)]
pub struct Prediction {
    /// The logits of each modality, 0 where it is missing.
    pub modalities: ModalityLogits,
    /// Eq. 7 in nats, after calibration, `[n_samples, n_modalities]`: entropies under every fusion
    /// rule, and `log n_classes` where a modality is missing.
    pub uncertainties: Tensor<2>,
    /// The weight of each modality, `[n_samples, n_modalities]`.
    pub weights: Tensor<2>,
    /// Eq. 6: the fused logits, `[n_samples, n_classes]`.
    pub fused: Tensor<2>,
}

impl<E: Encoders, H: SharedHead, P: OrthogonalProjector, F: UncertaintyFusion> Mla<E, H, P, F> {
    /// Features, logits and the inputs of the protected layers for one modality's input.
    ///
    /// # Panics
    ///
    /// When the encoder panics on the shape of the input.
    pub fn forward(&self, input: <E::Inputs as ModalityInputs>::One) -> HeadOutput {
        self.head.forward(self.encoders.encode(input))
    }

    /// Predicts the samples of a batch from their present modalities. The targets are ignored.
    ///
    /// Call it on [`valid`](burn::module::Module::valid): no graph is kept, dropout is off, and
    /// batch normalization uses its running statistics.
    ///
    /// # Errors
    ///
    /// - those of [`MultimodalBatch::presence`] for a malformed batch;
    /// - [`MlaError::ModalityCount`] when it has another number of modalities;
    /// - [`MlaError::Size`] when the number of an encoder's rows differs from that of its input;
    /// - [`MlaError::NonFinite`] for logits that are not finite, unless the check is off.
    pub fn predict(&self, batch: MultimodalBatch<E::Inputs>) -> Result<Prediction> {
        let (computed, presence) = run_placed(batch, self.n_modalities(), |_, input| {
            self.forward(input).logits
        })?;
        if self.config.finite_check
            && let Some(modality) = first_not_finite(&computed)?
        {
            return Err(MlaError::NonFinite {
                what: NonFinite::Logits,
                modality,
                step: self.projection.n_steps(),
            });
        }
        let zeros = computed.iter().flatten().next().map(Tensor::zeros_like);
        let zeros = zeros.ok_or(MlaError::NothingPresent { sample: 0 })?;
        let logits = computed.into_iter();
        let logits = logits.map(|logits| logits.unwrap_or_else(|| zeros.clone()));
        let modalities = ModalityLogits::new(logits.collect(), presence)?;
        let fused = self.fusion.fuse(&modalities);
        Ok(Prediction {
            uncertainties: modalities.score(|m, logits| entropy(self.fusion.calibrated(m, logits))),
            weights: fused.weights,
            fused: fused.logits,
            modalities,
        })
    }
}

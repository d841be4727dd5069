//! Prediction: features, logits, and their fusion (Eq. 6-8).

use burn::tensor::Tensor;

use crate::encoder::{Encoders, encode, run_placed};
use crate::error::{MlaError, Result, output_shape};
use crate::fusion::{Fused, ModalityLogits, UncertaintyFusion, entropy};
use crate::head::{HeadOutput, SharedHead};
use crate::mla::Mla;
use crate::modality::{ModalityInputs, MultimodalBatch};
use crate::module::ModelThread;
use crate::numeric::{first_not_finite, not_finite_rows};
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
    /// When the encoder panics for an input that its [`check`](crate::encoder::Encoder::check)
    /// refuses; [`predict`](Self::predict) returns an error instead.
    pub fn forward(&self, input: <E::Inputs as ModalityInputs>::One) -> HeadOutput {
        let modality = E::Inputs::modality(&input);
        let features = self.encoders.encode(input);
        self.head.forward_of(modality, features)
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
    /// - [`MlaError::Input`] for an input that its encoder refuses, such as one of another shape;
    /// - [`MlaError::EncoderOutput`] and [`MlaError::OutputShape`] for features, logits or weights of
    ///   another shape than documented;
    /// - unless the check is off, [`MlaError::NonFinitePrediction`] for logits of a modality that are
    ///   not finite, and [`MlaError::NonFiniteFusion`] for a fusion that returns such values.
    ///
    /// If the batch has the positions of its samples in the data set, the error of a sample is a
    /// [`MlaError::Sample`].
    pub fn predict(&self, batch: MultimodalBatch<E::Inputs>) -> Result<Prediction> {
        let samples = batch.samples.clone();
        let thread = ModelThread::of(&self.encoders, &self.head);
        let prediction = thread.run(|| self.predict_batch(batch));
        prediction.map_err(|error| error.located(None, samples.as_deref()))
    }

    fn predict_batch(&self, batch: MultimodalBatch<E::Inputs>) -> Result<Prediction> {
        let (computed, presence) = run_placed(batch, self.n_modalities(), |input, n_samples| {
            let modality = E::Inputs::modality(&input);
            let features = encode(&self.encoders, input, n_samples)?;
            let logits = self.head.forward_of(modality, features).logits;
            let expected = [n_samples, self.n_classes()];
            output_shape("the logits of the head", expected, logits.dims())?;
            Ok(logits)
        })?;
        let zeros = computed.iter().flatten().next().map(Tensor::zeros_like);
        let zeros = zeros.ok_or(MlaError::NothingPresent { sample: 0 })?;
        let logits = computed.into_iter();
        let logits = logits.map(|logits| logits.unwrap_or_else(|| zeros.clone()));
        let modalities = ModalityLogits::new(logits.collect(), presence)?;
        let fused = self.fuse(&modalities)?;
        Ok(Prediction {
            uncertainties: modalities.score(|m, logits| entropy(self.fusion.calibrated(m, logits))),
            weights: fused.weights,
            fused: fused.logits,
            modalities,
        })
    }

    /// Fuses logits and checks the result. The logits are checked with it, by one device read.
    fn fuse(&self, logits: &ModalityLogits) -> Result<Fused> {
        let fused = self.fusion.fuse(logits);
        let (n_samples, n_modalities) = (logits.n_samples(), logits.n_modalities());
        let shape = [n_samples, n_modalities];
        output_shape("the weights of the fusion", shape, fused.weights.dims())?;
        let shape = [n_samples, logits.n_classes()];
        output_shape("the fused logits", shape, fused.logits.dims())?;
        if !self.config.finite_check {
            return Ok(fused);
        }
        let mut all: Vec<_> = (0..n_modalities)
            .map(|m| Some(logits.modality(m)))
            .collect();
        all.extend([Some(fused.weights.clone()), Some(fused.logits.clone())]);
        let Some(at) = first_not_finite(&all)? else {
            return Ok(fused);
        };
        let rows = match &all[at] {
            Some(values) => not_finite_rows(values)?,
            None => vec![],
        };
        let sample = rows.first().copied().unwrap_or_default();
        Err(if at < n_modalities {
            let modality = at;
            MlaError::NonFinitePrediction { modality, sample }
        } else {
            MlaError::NonFiniteFusion { sample }
        })
    }
}

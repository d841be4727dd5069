//! Fusion of unimodal predictions by their uncertainty (Eq. 6-8).

mod calibration;
mod cpu;
mod entropy;
mod fixed;
mod logits;
mod mean;
mod score;
pub(crate) mod temperatures;

use burn::module::{Module, ModuleDisplay};
use burn::tensor::Tensor;

pub use calibration::{fit_temperature, negative_log_likelihood};
pub use entropy::{EntropyFusion, EntropyFusionConfig, entropy};
pub use fixed::FixedFusion;
pub use logits::ModalityLogits;
pub use mean::MeanFusion;
pub use score::{Score, ScoreFusion, ScoreFusionConfig};

use crate::module::type_name;
use cpu::weighted_sum::weighted_sum;

/// A fused prediction.
#[derive(Debug, Clone)]
pub struct Fused {
    /// Eq. 6: the weighted sum of the modalities' logits, `[n_samples, n_classes]`.
    pub logits: Tensor<2>,
    /// The weights, `[n_samples, n_modalities]`.
    pub weights: Tensor<2>,
}

/// A rule that weights the prediction of each modality, sample by sample.
///
/// # Laws
///
/// - weights are in `[0, 1]`, and the weights of a sample sum to 1 over its modalities;
/// - the weight of a missing modality is exactly 0, whatever its logits are;
/// - weights and fused logits are finite for logits that after calibration are at most half the
///   largest number of their type: 1.7e38 in f32 and bf16, 32,752 in f16.
///
/// # Implementing your own
///
/// ```
/// use burn::module::Module;
/// use burn::tensor::{Device, Tensor, activation::softmax};
/// use burn_mla::fusion::{ModalityLogits, UncertaintyFusion};
///
/// /// All weight to the modality with the highest probability (ties share it).
/// #[derive(Module, Debug)]
/// struct WinnerTakesAll {}
///
/// impl UncertaintyFusion for WinnerTakesAll {
///     fn weights(&self, logits: &ModalityLogits) -> Tensor<2> {
///         let confidence = logits.score(|_, logits| softmax(logits, 1).max_dim(1).squeeze_dim(1));
///         let confidence = logits.mask(confidence, -1.0);
///         let best = confidence.clone().max_dim(1);
///         let winners = confidence.greater_equal(best).float();
///         winners.clone() / winners.sum_dim(1)
///     }
/// }
///
/// let device = Device::flex();
/// let sure = Tensor::from_floats([[5.0, 0.0]], &device);
/// let unsure = Tensor::from_floats([[0.0, 0.1]], &device);
/// let fused = WinnerTakesAll {}.fuse(&ModalityLogits::complete(vec![sure, unsure])?);
/// assert_eq!(fused.weights.into_data().try_to_vec::<f32>().unwrap(), [1.0, 0.0]);
/// # Ok::<(), burn_mla::MlaError>(())
/// ```
pub trait UncertaintyFusion: Module + ModuleDisplay + Sync + 'static {
    /// The weight of each modality, `[n_samples, n_modalities]`.
    fn weights(&self, logits: &ModalityLogits) -> Tensor<2>;

    /// The logits of a modality as they enter the fused sum. A rule that calibrates overrides it.
    ///
    /// # Shapes
    ///
    /// `[n_samples, n_classes]`, in and out.
    fn calibrated(&self, modality: usize, logits: Tensor<2>) -> Tensor<2> {
        let _ = modality;
        logits
    }

    /// The rule without calibration, for which [`calibrated`](Self::calibrated) changes nothing. A
    /// rule that calibrates overrides it.
    fn uncalibrated(&self) -> Self {
        self.clone()
    }

    /// Eq. 6: `sum_m weight_m * logits_m`, sample by sample.
    ///
    /// # Panics
    ///
    /// If [`weights`](Self::weights) or [`calibrated`](Self::calibrated) return another shape than
    /// documented.
    fn fuse(&self, logits: &ModalityLogits) -> Fused {
        let weights = self.weights(logits);
        Fused {
            logits: fused_by(self, logits, weights.clone()),
            weights,
        }
    }

    /// Replaces the temperature of each modality, by which [`calibrated`](Self::calibrated) divides
    /// its logits, and returns whether the rule has temperatures. The default has none and changes
    /// nothing.
    ///
    /// # Errors
    ///
    /// [`MlaError`](crate::MlaError) for another number of modalities, or a temperature that is not
    /// positive and finite. The rule is then unchanged.
    fn set_temperatures(&mut self, temperatures: &[f64]) -> crate::Result<bool> {
        let _ = temperatures;
        Ok(false)
    }

    /// The rule and its options, as a [model file](crate::Mla::save_safetensors) records them. A model
    /// loads only files with the same description. State that the file holds, such as calibration
    /// temperatures, is no part of it. The default is the name of the type.
    fn describe(&self) -> String {
        type_name::<Self>()
    }

    /// Checks that the rule was made for this number of modalities.
    ///
    /// # Errors
    ///
    /// [`MlaError`](crate::MlaError) if it was made for another number.
    fn check(&self, n_modalities: usize) -> crate::Result<()> {
        let _ = n_modalities;
        Ok(())
    }
}

/// Eq. 6 with given weights, `[n_samples, n_modalities]`.
pub(crate) fn fused_by<F: UncertaintyFusion>(
    fusion: &F,
    logits: &ModalityLogits,
    weights: Tensor<2>,
) -> Tensor<2> {
    let calibrated = (0..logits.n_modalities())
        .map(|m| fusion.calibrated(m, logits.present_logits(m)))
        .collect();
    weighted_sum(calibrated, weights)
}

#[cfg(test)]
pub(crate) mod laws;

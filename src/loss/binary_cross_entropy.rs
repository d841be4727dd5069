//! Binary cross-entropy of each class, for samples with several labels.

use burn::tensor::Tensor;

use crate::error::Result;
use crate::loss::TrainingLoss;
use crate::modality::Targets;

/// Binary cross-entropy of every class on its own, for samples with any number of labels
/// ([`Targets::several`]), also none.
///
/// ```text
/// loss = mean_{i, c} -(y_ic log p_ic + (1 - y_ic) log(1 - p_ic)),   p = sigmoid(logits)
/// ```
///
/// Targets with one label per sample are used as sets of one. Predict by `sigmoid(logits) > 0.5`:
/// fusion, evaluation and calibration of this crate are for one label per sample.
#[derive(Debug, Clone, Copy, Default)]
pub struct BinaryCrossEntropy;

impl TrainingLoss for BinaryCrossEntropy {
    /// # Errors
    ///
    /// As [`Targets::check`].
    fn loss(&self, logits: Tensor<2>, targets: &Targets) -> Result<Tensor<1>> {
        targets.check(logits.dims()[1])?;
        let wanted = targets.multi_hot(logits.dims()[1], &logits.device());
        let wanted = wanted.cast(logits.dtype());
        // max(z, 0) - z y + log(1 + exp(-|z|)): no overflow for large logits.
        let softplus = logits.clone().abs().neg().exp().log1p();
        let loss = logits.clone().clamp_min(0.0) - logits * wanted + softplus;
        Ok(loss.mean())
    }

    /// A mean over classes grows with one of them.
    fn cross_entropy_share(&self, n_classes: usize) -> f64 {
        1.0 / n_classes.max(1) as f64
    }
}

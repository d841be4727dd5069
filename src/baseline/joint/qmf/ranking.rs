//! The ranking loss of QMF, and what a batch adds to the history of losses that it ranks by.

use burn::tensor::activation::{log_softmax, relu};
use burn::tensor::{DType, Tensor};

use crate::baseline::JointSamples;

/// Computes what the samples of a batch add to the history, `[n_samples, 2 M]`, in f32 whatever the
/// precision of the model: the loss in each modality, 0 where it is missing, and 1 where it is not.
///
/// `each` are the logits of each modality.
pub(super) fn observed(each: &[Tensor<2>], batch: &JointSamples) -> Tensor<2> {
    let (n_samples, n_modalities) = (batch.targets.len(), each.len());
    let options = (&batch.features.device().inner(), DType::F32);
    let labels = batch.targets.tensor().without_autodiff();
    let labels = labels.unsqueeze_dim::<2>(1);
    let mut columns = Vec::with_capacity(2 * n_modalities);
    let mut seen = Vec::with_capacity(n_modalities);
    for (modality, logits) in each.iter().enumerate() {
        let logits = logits.clone().without_autodiff();
        let logits = logits.cast(DType::F32);
        let losses = log_softmax(logits, 1).gather(1, labels.clone()).neg();
        let present = batch.features.present(modality);
        let present = present.map(|present| present.without_autodiff());
        let present = present.unwrap_or_else(|| Tensor::ones([n_samples, 1], options));
        let present = present.cast(DType::F32);
        columns.push(losses * present.clone());
        seen.push(present);
    }
    columns.append(&mut seen);
    Tensor::cat(columns, 1)
}

/// Mean over neighbours `i, j` of `max(0, g(k_i, k_j) (c_i - c_j) + |k_i - k_j|)`, with `g` the
/// sign of `k_i - k_j`, `c` the confidences and `k` the difficulties, both `[n]`. The last sample is
/// the neighbour of the first.
pub(super) fn ranking_loss(confidence: Tensor<1>, difficulty: Tensor<1>) -> Tensor<1> {
    let n = confidence.dims()[0];
    let next = |values: &Tensor<1>| {
        let (first, rest) = (values.clone().slice([0..1]), values.clone().slice([1..n]));
        if n == 1 {
            first
        } else {
            Tensor::cat(vec![rest, first], 0)
        }
    };
    let apart = difficulty.clone() - next(&difficulty);
    let against = confidence.clone() - next(&confidence);
    let (sign, margin) = (apart.clone().sign(), apart.abs());
    relu(against * sign + margin).mean()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_devices;

    #[test]
    fn the_harder_sample_must_be_less_confident_by_the_difference() {
        for device in test_devices() {
            let confidence = Tensor::from_floats([0.2, 0.9, 0.5], &device);
            let difficulty = Tensor::from_floats([1.0, 0.0, 0.5], &device);
            // (0, 1): 0 is harder by 1 and less confident by 0.7: 0.3 left. (1, 2): 2 is harder by
            // 0.5 and less confident by 0.4: 0.1. (2, 0): 0 harder by 0.5, less by 0.3: 0.2.
            let loss: f32 = ranking_loss(confidence, difficulty).into_scalar();
            assert!((loss - 0.2).abs() < 1e-6, "{loss}");
            let one = Tensor::from_floats([3.0], &device);
            let loss: f32 = ranking_loss(one.clone(), one).into_scalar();
            assert_eq!(loss, 0.0);
        }
    }
}

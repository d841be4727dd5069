//! The ranking loss of QMF and the history of losses that it ranks by.

use burn::tensor::activation::{log_softmax, relu};
use burn::tensor::{DType, IndexingUpdateOp, Int, Tensor, TensorData};

use crate::baseline::JointSamples;

/// History of the losses of each sample per modality, `[n_data, 2 M]`: for each sample of the data
/// set the sums of its losses, then the numbers of times it was seen.
pub(super) struct LossHistory {
    /// Sums that include the current batch, `[n_data, M]`.
    sums: Tensor<2>,
    counts: Tensor<2>,
}

/// Computes what a batch adds to the history, in f32 whatever the precision of the model.
///
/// `each` are the logits of each modality, `at` the positions of the samples in the data set.
pub(super) fn observed(
    each: &[Tensor<2>],
    batch: &JointSamples,
    at: &[usize],
    n_data: usize,
) -> Tensor<2> {
    let (n_samples, n_modalities) = (at.len(), each.len());
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
    let rows = Tensor::cat(columns, 1);
    Tensor::zeros([n_data, 2 * n_modalities], options).select_assign(
        0,
        positions(at, &rows),
        rows,
        IndexingUpdateOp::Add,
    )
}

impl LossHistory {
    pub(super) fn new(history: Tensor<2>) -> Self {
        let [n_data, columns] = history.dims();
        let n_modalities = columns / 2;
        Self {
            sums: history.clone().slice([0..n_data, 0..n_modalities]),
            counts: history.slice([0..n_data, n_modalities..columns]),
        }
    }

    /// Mean loss of the samples `at`, `[at.len()]`, scaled to the range from 0 to 1 over the samples
    /// seen so far.
    pub(super) fn difficulty(&self, modality: usize, at: &[usize]) -> Tensor<1> {
        let [n_data, _] = self.sums.dims();
        let column = |table: &Tensor<2>| {
            let column = table.clone().slice([0..n_data, modality..modality + 1]);
            column.squeeze_dim::<1>(1)
        };
        let counts = column(&self.counts);
        let means = column(&self.sums) / counts.clone().clamp_min(1.0);
        let unseen = counts.equal_elem(0.0);
        let lowest = means.clone().mask_fill(unseen.clone(), f32::MAX).min();
        let highest = means.clone().mask_fill(unseen, f32::MIN).max();
        let range = (highest - lowest.clone()).clamp_min(f32::MIN_POSITIVE);
        let positions = positions(at, &means);
        (means.select(0, positions) - lowest) / range
    }
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

fn positions<const D: usize>(at: &[usize], like: &Tensor<D>) -> Tensor<1, Int> {
    let at: Vec<i64> = at.iter().map(|&at| at as i64).collect();
    let shape = [at.len()];
    Tensor::from_data(TensorData::new(at, shape), &like.device())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_devices;

    fn values(tensor: Tensor<1>) -> Vec<f32> {
        tensor.into_data().iter().collect()
    }

    #[test]
    fn difficulty_is_the_mean_loss_from_0_to_1_over_what_was_seen() {
        for device in test_devices() {
            // Sums and counts of four samples; the last was never seen.
            let history =
                Tensor::from_floats([[4.0, 2.0], [9.0, 3.0], [1.0, 1.0], [0.0, 0.0]], &device);
            let history = LossHistory::new(history);
            assert_eq!(values(history.difficulty(0, &[1, 2, 0])), [1.0, 0.0, 0.5]);
        }
    }

    #[test]
    fn one_difficulty_for_all_is_0() {
        let device = burn::tensor::Device::flex();
        let history = LossHistory::new(Tensor::from_floats([[4.0, 2.0], [2.0, 1.0]], &device));
        assert_eq!(values(history.difficulty(0, &[0, 1])), [0.0, 0.0]);
    }

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

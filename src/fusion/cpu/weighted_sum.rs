//! Eq. 6. On a CPU, one block of rows at a time is summed, which stays in the cache from one modality
//! to the next.

use burn::tensor::{DType, Tensor, TensorData};
#[cfg(feature = "host-kernels")]
use rayon::{
    iter::{IndexedParallelIterator, ParallelIterator},
    slice::ParallelSliceMut,
};

use crate::fusion::cpu::rows;
use crate::numeric::{Numbers, add_scaled, is_host};

/// `sum_m weights[:, m] * logits_m`, sample by sample.
///
/// # Panics
///
/// If the weights are not `[n_samples, n_modalities]`, or if the logits of the modalities do not all
/// have the same shape `[n_samples, n_classes]`.
pub(in crate::fusion) fn weighted_sum(logits: Vec<Tensor<2>>, weights: Tensor<2>) -> Tensor<2> {
    let [n_samples, n_classes] = logits[0].dims();
    let shape = [n_samples, logits.len()];
    assert_eq!(
        weights.dims(),
        shape,
        "[n_samples, n_modalities] of weights"
    );
    for (m, logits) in logits.iter().enumerate() {
        let shape = [n_samples, n_classes];
        assert_eq!(
            logits.dims(),
            shape,
            "[n_samples, n_classes] of modality {m}"
        );
    }
    let weights_on_host = weights.dtype() == DType::F32 && is_host(&weights.device());
    if weights_on_host && logits.iter().all(rows::supports) {
        return on_host(&logits, weights);
    }
    let weight_of = |m: usize| weights.clone().slice([0..n_samples, m..m + 1]);
    (logits.into_iter().enumerate())
        .map(|(m, logits)| logits * weight_of(m))
        .reduce(|sum, term| sum + term)
        .expect("there is at least one modality")
}

fn on_host(logits: &[Tensor<2>], weights: Tensor<2>) -> Tensor<2> {
    let device = weights.device();
    let ([n_samples, n_classes], n_modalities) = (logits[0].dims(), logits.len());
    let weights = Numbers::of(weights);
    let n_rows = rows::rows_per_block(n_classes);
    let add_up = |(block, sums): (usize, &mut [f32])| {
        let first = block * n_rows;
        let samples = first..first + sums.len() / n_classes;
        for (m, logits) in logits.iter().enumerate() {
            let logits = Numbers::of(logits.clone().slice([samples.clone(), 0..n_classes]));
            let weights = weights.get().chunks_exact(n_modalities).skip(first);
            let rows = sums.chunks_exact_mut(n_classes);
            let rows = rows.zip(logits.get().chunks_exact(n_classes));
            for ((sum, row), weights) in rows.zip(weights) {
                add_scaled(sum, weights[m], row);
            }
        }
    };
    let mut sums = vec![0.0; n_samples * n_classes];
    if n_samples <= n_rows {
        // Another thread would take longer to wake up.
        add_up((0, &mut sums));
    } else {
        #[cfg(feature = "host-kernels")]
        let blocks = sums.par_chunks_mut(n_rows * n_classes);
        #[cfg(not(feature = "host-kernels"))]
        let blocks = sums.chunks_mut(n_rows * n_classes);
        blocks.enumerate().for_each(add_up);
    }
    let data = TensorData::new(sums, [n_samples, n_classes]);
    Tensor::from_data(data, (&device, DType::F32))
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution};

    use super::*;

    fn random(shape: [usize; 2], device: &Device) -> Tensor<2> {
        Tensor::random(shape, Distribution::Normal(0.0, 1.0), device)
    }

    /// A tensor with autodiff takes the other path, through Burn's operations.
    #[test]
    fn agrees_with_the_operations_of_burn() {
        const N_CLASSES: usize = 7;
        for device in crate::test_devices() {
            for n_samples in [0, 1, 5, 2 * rows::rows_per_block(N_CLASSES) + 3] {
                for n_modalities in [1, 2, 3] {
                    let weights = random([n_samples, n_modalities], &device);
                    let logits: Vec<_> = (0..n_modalities)
                        .map(|_| random([n_samples, N_CLASSES], &device))
                        .collect();
                    let recorded = logits.iter().cloned().map(Tensor::from_inner).collect();
                    let expected = weighted_sum(recorded, Tensor::from_inner(weights.clone()));
                    let sum = weighted_sum(logits, weights);
                    assert_eq!(sum.dims(), [n_samples, N_CLASSES]);
                    let expected = expected.into_data();
                    sum.into_data().assert_eq(&expected, true);
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "[n_samples, n_modalities] of weights")]
    fn each_modality_has_a_weight() {
        let device = Device::flex();
        let logits = vec![random([4, 2], &device); 2];
        weighted_sum(logits, random([4, 1], &device));
    }

    #[test]
    fn non_finite_values_stay_in_their_sample() {
        for device in crate::test_devices() {
            let odd = Tensor::from_floats([[f32::NAN], [f32::INFINITY], [1.0]], &device);
            let weights = Tensor::from_floats([[0.5, 0.5]; 3], &device);
            let sum = weighted_sum(vec![odd, Tensor::ones([3, 1], &device)], weights);
            let sum: Vec<f32> = sum.into_data().iter().collect();
            assert!(sum[0].is_nan());
            assert_eq!(sum[1..], [f32::INFINITY, 1.0]);
        }
    }
}

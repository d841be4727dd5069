//! Small data for the tests of methods that are fitted to whole training sets.

use burn::tensor::{Device, Tensor, TensorData};

use crate::baseline::ModalityFeatures;
use crate::modality::{Presence, Targets};

pub(in crate::baseline) fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter().collect()
}

/// Three modalities of widths 4, 3, 5, whose first two columns share two numbers of each sample, and
/// four classes, which are the signs of these numbers.
pub(in crate::baseline) fn shared_signal(
    n: usize,
    seed: u64,
    mask: Option<Vec<bool>>,
    device: &Device,
) -> (ModalityFeatures, Targets) {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    let shared: Vec<[f32; 2]> = (0..n).map(|_| [next(), next()]).collect();
    let views = [4, 3, 5].map(|width| {
        let entries: Vec<f32> = (0..n * width)
            .map(|at| {
                let (sample, column) = (at / width, at % width);
                let signal = shared[sample].get(column).copied().unwrap_or_default();
                2.0 * signal + 0.5 * next()
            })
            .collect();
        Tensor::<2>::from_data(TensorData::new(entries, [n, width]), device)
    });
    let presence = match mask {
        None => Presence::all(n, 3),
        Some(mask) => Presence::from_mask(mask, 3).unwrap(),
    };
    let labels = shared
        .iter()
        .map(|[a, b]| usize::from(*a > 0.0) + 2 * usize::from(*b > 0.0));
    let features = ModalityFeatures::new(views.to_vec(), presence).unwrap();
    (features, Targets::new(labels, device))
}

/// A mask in which each sample lacks one of three modalities in turn.
pub(in crate::baseline) fn gaps(n: usize) -> Vec<bool> {
    (0..3 * n).map(|at| at % 3 != (at / 3) % 3).collect()
}

/// A mask in which each sample has exactly one of three modalities, as the CPM mask at its highest rates.
pub(in crate::baseline) fn one_each(n: usize) -> Vec<bool> {
    (0..3 * n).map(|at| at % 3 == (at / 3) % 3).collect()
}

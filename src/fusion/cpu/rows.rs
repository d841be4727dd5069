//! One number per row of logits on a CPU, a block of rows at a time. A block stays in the cache from
//! one operation to the next, and exponentials use vector instructions.

use burn::tensor::{DType, Tensor, TensorData};
#[cfg(feature = "host-kernels")]
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use crate::numeric::{Numbers, is_host, largest, sum};

/// Approximate number of logits in a block.
const BLOCK: usize = 1 << 14;

/// Shifted logits below this have a probability of 0 in f32.
pub(in crate::fusion) const NO_PROBABILITY: f32 = -200.0;

/// Returns whether this file can process the logits: f32, on a CPU, without autodiff, at least one
/// class.
pub(in crate::fusion) fn supports(logits: &Tensor<2>) -> bool {
    logits.dtype() == DType::F32 && is_host(&logits.device()) && logits.dims()[1] > 0
}

/// Number of rows of `n_classes` logits in a block.
pub(in crate::fusion) fn rows_per_block(n_classes: usize) -> usize {
    (BLOCK / n_classes).max(1)
}

/// A row of logits, relative to the largest of them.
pub(in crate::fusion) struct Row<'a> {
    pub(in crate::fusion) largest: f32,
    /// `z - largest`, at least -200.
    pub(in crate::fusion) shifted: &'a [f32],
    /// `exp(z - largest)`.
    pub(in crate::fusion) exps: &'a [f32],
    /// The sum of `exps`, at least 1.
    pub(in crate::fusion) sum: f32,
}

impl Row<'_> {
    /// The second largest of `exps`: 1 where two classes share the largest, 0 for a single class.
    pub(in crate::fusion) fn second_exp(&self) -> f32 {
        let (mut first, mut second) = (0.0, 0.0);
        for &exp in self.exps {
            if exp > first {
                (first, second) = (exp, first);
            } else if exp > second {
                second = exp;
            }
        }
        second
    }
}

/// Computes one number per row, `[n_samples, n_classes]` to `[n_samples]`.
pub(in crate::fusion) fn score(
    logits: &Tensor<2>,
    score: impl Fn(&Row<'_>) -> f32 + Sync,
) -> Tensor<1> {
    let [n_samples, n_classes] = logits.dims();
    let n_rows = rows_per_block(n_classes);
    let score_block = |block: usize| {
        let first = block * n_rows;
        let rows = first..(first + n_rows).min(n_samples);
        let block = Numbers::of(logits.clone().slice([rows, 0..n_classes]));
        scores(block, n_classes, &score)
    };
    let n_blocks = n_samples.div_ceil(n_rows);
    let scores: Vec<f32> = match n_blocks {
        // Another thread would take longer to wake up.
        0 | 1 => (0..n_blocks).flat_map(score_block).collect(),
        #[cfg(feature = "host-kernels")]
        _ => {
            let blocks = (0..n_blocks).into_par_iter();
            blocks.flat_map_iter(score_block).collect()
        }
        #[cfg(not(feature = "host-kernels"))]
        _ => (0..n_blocks).flat_map(score_block).collect(),
    };
    let data = TensorData::new(scores, [n_samples]);
    Tensor::from_data(data, (&logits.device(), DType::F32))
}

/// The score of each row of `n_classes` logits.
fn scores(mut logits: Numbers, n_classes: usize, score: &impl Fn(&Row<'_>) -> f32) -> Vec<f32> {
    let rows = logits.get_mut().chunks_exact_mut(n_classes);
    let largest: Vec<f32> = rows.map(shift).collect();
    let shifted = logits.get();
    let mut exps = shifted.to_vec();
    exp(&mut exps);
    let rows = shifted.chunks_exact(n_classes);
    let rows = rows.zip(exps.chunks_exact(n_classes)).zip(largest);
    rows.map(|((shifted, exps), largest)| {
        score(&Row {
            largest,
            shifted,
            exps,
            sum: sum(exps),
        })
    })
    .collect()
}

/// Replaces each number by its exponential.
fn exp(x: &mut [f32]) {
    #[cfg(feature = "host-kernels")]
    rten_simd::SimdUnaryOp::map_mut(&rten_vecmath::Exp {}, x);
    #[cfg(not(feature = "host-kernels"))]
    x.iter_mut().for_each(|x| *x = x.exp());
}

/// Subtracts the largest logit and returns it. NaN propagates.
fn shift(row: &mut [f32]) -> f32 {
    let largest = largest(row);
    for z in row {
        let shifted = *z - largest;
        *z = if shifted < NO_PROBABILITY {
            NO_PROBABILITY
        } else {
            shifted
        };
    }
    largest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fusion::{Score, entropy};
    use burn::tensor::{Device, Distribution};

    /// Several blocks of ordinary rows, and one row of each unusual kind.
    fn logits(device: &Device) -> Tensor<2> {
        const N_CLASSES: usize = 101;
        let random = |scale: f64| -> Tensor<2> {
            let normal = Distribution::Normal(0.0, scale);
            Tensor::random([2 * BLOCK / N_CLASSES, N_CLASSES], normal, device)
        };
        let row = |value: fn(usize) -> f32| -> Tensor<2> {
            let row: Vec<f32> = (0..N_CLASSES).map(value).collect();
            Tensor::from_data(TensorData::new(row, [1, N_CLASSES]), device)
        };
        Tensor::cat(
            vec![
                random(1e-3),
                random(3.0),
                random(1e4),
                row(|_| 7.0),
                row(|c| if c == 100 { 3e38 } else { -3e38 }),
                row(|c| if c % 50 == 0 { 30.0 } else { 0.0 }),
                row(|c| if c == 3 { f32::NEG_INFINITY } else { c as f32 }),
                row(|c| if c == 3 { f32::NAN } else { 0.0 }),
                row(|c| if c == 3 { f32::INFINITY } else { 0.0 }),
                row(|_| f32::NEG_INFINITY),
                row(|_| f32::NAN),
            ],
            0,
        )
    }

    /// A tensor with autodiff takes the other path, through Burn's operations.
    #[test]
    fn agrees_with_the_operations_of_burn() {
        type RowScore = fn(Tensor<2>) -> Tensor<1>;
        let scores: [(&str, RowScore); 4] = [
            ("entropy", entropy),
            ("probability", |z| Score::MaxProbability.of(z)),
            ("margin", |z| Score::Margin.of(z)),
            ("energy", |z| Score::Energy.of(z)),
        ];
        for device in crate::test_devices() {
            let logits = logits(&device);
            let recorded = Tensor::<2>::from_inner(logits.clone());
            assert!(supports(&logits) && !supports(&recorded));
            for (name, score) in scores {
                let here: Vec<f32> = score(logits.clone()).into_data().iter().collect();
                let expected: Vec<f32> = score(recorded.clone()).into_data().iter().collect();
                assert_eq!(here.len(), expected.len());
                for (i, (here, expected)) in here.iter().zip(expected).enumerate() {
                    let near = (here - expected).abs() <= 1e-5 * (1.0 + expected.abs());
                    let same = *here == expected || here.is_nan() && expected.is_nan();
                    assert!(near || same, "{name} of row {i}: {here}, not {expected}");
                }
            }
        }
    }

    #[test]
    fn no_samples_have_no_entropies_and_a_single_class_has_entropy_0() {
        for device in crate::test_devices() {
            let none = entropy(Tensor::zeros([0, 3], &device));
            assert_eq!(none.dims(), [0]);
            let one = entropy(Tensor::full([2, 1], 5.0, &device));
            assert_eq!(one.into_data().iter::<f32>().collect::<Vec<_>>(), [0.0; 2]);
        }
    }
}

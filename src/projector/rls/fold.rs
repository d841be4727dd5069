//! Folds of corrections of low rank into the matrix that they correct.

use burn::tensor::Tensor;

use crate::numeric::product;
use crate::numeric::{Numbers, is_host};

/// Rows of the matrix per fold on a [host](is_host). Intermediate results stay in the cache, and
/// none is as large as the matrix.
const BLOCK: usize = 64;

/// `base + left^T right`, with `left` and `right` `[n, s]` and `base` `[s, s]`.
pub(super) fn add(base: Tensor<2>, left: Tensor<2>, right: Tensor<2>) -> Tensor<2> {
    if is_host(&base.device()) {
        on_host(base, left, right, |base, correction| base + correction)
    } else {
        base + product(left.transpose(), right)
    }
}

/// `base - left^T right`, with the same shapes.
pub(super) fn subtract(base: Tensor<2>, left: Tensor<2>, right: Tensor<2>) -> Tensor<2> {
    if is_host(&base.device()) {
        on_host(base, left, right, |base, correction| base - correction)
    } else {
        base - product(left.transpose(), right)
    }
}

fn on_host(
    base: Tensor<2>,
    left: Tensor<2>,
    right: Tensor<2>,
    correct: impl Fn(f32, f32) -> f32,
) -> Tensor<2> {
    let device = base.device();
    let [n, s] = left.dims();
    let mut base = Numbers::of(base);
    for (block, of_base) in base.get_mut().chunks_mut(BLOCK * s).enumerate() {
        let at = BLOCK * block;
        let left = left.clone().slice([0..n, at..(at + BLOCK).min(s)]);
        let correction = Numbers::of(product(left.transpose(), right.clone()));
        for (base, &correction) in of_base.iter_mut().zip(correction.get()) {
            *base = correct(*base, correction);
        }
    }
    base.into_tensor(&device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, Tolerance};

    #[test]
    fn blocks_make_the_whole_product() {
        for device in crate::test_devices() {
            for s in [1, 63, 64, 65, 200] {
                let random = |rows| -> Tensor<2> {
                    Tensor::random([rows, s], Distribution::Normal(0.0, 1.0), &device)
                };
                let (base, left, right) = (random(s), random(3), random(3));
                let correction = left.clone().transpose().matmul(right.clone());
                let added = add(base.clone(), left.clone(), right.clone());
                let subtracted = subtract(base.clone(), left, right);
                let near = Tolerance::absolute(1e-5);
                added.into_data().assert_approx_eq::<f32>(
                    &(base.clone() + correction.clone()).into_data(),
                    near,
                );
                subtracted
                    .into_data()
                    .assert_approx_eq::<f32>(&(base - correction).into_data(), near);
            }
        }
    }
}

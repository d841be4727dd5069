//! Central moment discrepancy of two samples.

use burn::tensor::{DType, Tensor};

/// Keeps the derivative of a norm finite at 0.
const FLOOR: f64 = 1e-16;

/// The central moment discrepancy of the rows of `a` and `b` up to the order `moments`, `[1]` in f32:
///
/// ```text
/// |mean a - mean b| + sum over k = 2 .. moments of |c_k(a) - c_k(b)|
/// ```
///
/// with Euclidean norms over the columns and `c_k` the mean of `(x - mean)^k` in each column.
///
/// Source: Zellinger et al., "Central Moment Discrepancy (CMD) for Domain-Invariant Representation
/// Learning", ICLR 2017, without the division by powers of the interval: the features of a LeakyReLU have
/// none. IF-MMIN's code does the same. A norm is the square root of the sum of squares and 1e-16, whose
/// derivative is finite where two samples coincide, and for a single row, which has no higher moments.
///
/// # Shapes
///
/// `a`: `[n, columns]`; `b`: `[m, columns]`.
pub(super) fn central_moment_discrepancy(a: Tensor<2>, b: Tensor<2>, moments: usize) -> Tensor<1> {
    let (a, b) = (a.cast(DType::F32), b.cast(DType::F32));
    let (mean_a, mean_b) = (a.clone().mean_dim(0), b.clone().mean_dim(0));
    let (a, b) = (a - mean_a.clone(), b - mean_b.clone());
    let mut sum = norm(mean_a - mean_b);
    let (mut power_a, mut power_b) = (a.clone(), b.clone());
    for _ in 2..=moments {
        (power_a, power_b) = (power_a * a.clone(), power_b * b.clone());
        let difference = power_a.clone().mean_dim(0) - power_b.clone().mean_dim(0);
        sum = sum + norm(difference);
    }
    sum
}

fn norm(row: Tensor<2>) -> Tensor<1> {
    (row.square().sum() + FLOOR).sqrt()
}

#[cfg(all(test, feature = "train"))]
mod tests {
    use burn::tensor::{Device, TensorData};
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;
    use crate::baseline::missing::imputing::{Golden, close};
    use crate::test_devices;

    #[rstest]
    fn the_golden_values_hold(#[values(0, 1, 2)] pair: usize) {
        let golden = Golden::load("ifmmin", "cmd");
        for device in test_devices() {
            let device = device.autodiff();
            let rows = |name: &str| {
                let rows: Tensor<2> = golden.tensor(&format!("{name}.{pair}"), &device);
                rows.require_grad()
            };
            let (a, b) = (rows("a"), rows("b"));
            for moments in [1, 2, 3, 5] {
                let name = format!("cmd.{pair}.{moments}");
                let found = central_moment_discrepancy(a.clone(), b.clone(), moments);
                close(found, golden.values(&name), 1e-5, &name);
            }
            let gradients = central_moment_discrepancy(a.clone(), b.clone(), 5).backward();
            for (rows, name) in [(a, "grad_a"), (b, "grad_b")] {
                let name = format!("{name}.{pair}");
                let found = rows.grad(&gradients).unwrap();
                close(found, golden.values(&name), 3e-5, &name);
            }
        }
    }

    #[test]
    fn equal_samples_and_single_rows_have_finite_gradients() {
        for device in test_devices() {
            let device = device.autodiff();
            let two = Tensor::<2>::from_floats([[1.0, 2.0], [3.0, -1.0]], &device);
            let one = Tensor::<2>::from_floats([[1.0, 2.0]], &device);
            for (a, b) in [
                (two.clone(), two),
                (one.clone(), one.clone()),
                (one.clone(), one * 2.0),
            ] {
                let (a, b) = (a.require_grad(), b.require_grad());
                let found = central_moment_discrepancy(a.clone(), b, 5);
                let gradient = a.grad(&found.backward()).unwrap();
                assert!(gradient.sum().into_scalar::<f32>().is_finite());
            }
        }
    }

    fn rows(values: &[f32], device: &Device) -> Tensor<2> {
        let data = TensorData::new(values.to_vec(), [values.len() / 3, 3]);
        Tensor::from_data(data, device)
    }

    fn discrepancy(a: Tensor<2>, b: Tensor<2>, moments: usize) -> f32 {
        central_moment_discrepancy(a, b, moments).into_scalar()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]

        #[test]
        fn the_laws_hold(
            a in prop::collection::vec(-2.0_f32..2.0, 12),
            b in prop::collection::vec(-2.0_f32..2.0, 18),
            shift in -3.0_f32..3.0,
        ) {
            for device in test_devices() {
                let (x, y) = (rows(&a, &device), rows(&b, &device));
                let found = discrepancy(x.clone(), y.clone(), 4);
                prop_assert!(found >= 0.0);
                let close = |other: f32| (found - other).abs() <= 1e-3 * (1.0 + found);
                prop_assert!(close(discrepancy(y.clone(), x.clone(), 4)), "symmetric");
                let shifted = discrepancy(x.clone() + shift, y.clone() + shift, 4);
                prop_assert!(close(shifted), "a common shift: {found}, {shifted}");
                let mut reversed: Vec<[f32; 3]> = a.as_chunks::<3>().0.to_vec();
                reversed.reverse();
                let reversed = rows(&reversed.concat(), &device);
                prop_assert!(discrepancy(x.clone(), reversed, 4) < 1e-4, "a permutation");
                // The term of order k scales with the k-th power of a factor.
                for k in 2..5 {
                    let term = |factor: f32| {
                        let (x, y) = (x.clone() * factor, y.clone() * factor);
                        discrepancy(x.clone(), y.clone(), k) - discrepancy(x, y, k - 1)
                    };
                    let (one, two) = (term(1.0), term(2.0));
                    let expected = one * 2.0_f32.powi(k as i32);
                    prop_assert!((two - expected).abs() <= 2e-3 * (1.0 + found) * 16.0);
                }
            }
        }
    }
}

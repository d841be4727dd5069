//! Eq. 5 in square-root form: `S` of `P = S S^T`, with `S = base - left^T right`.

use burn::linalg::svd;
use burn::tensor::Tensor;

use crate::error::{MlaError, Result};
use crate::projector::Buffer;
use crate::projector::pending::PendingRows;
use crate::projector::product::product;

/// `S = base - left^T right`.
pub(super) struct SquareRoot<'a> {
    pub(super) base: &'a Buffer<2>,
    pub(super) left: &'a PendingRows,
    pub(super) right: &'a PendingRows,
}

impl SquareRoot<'_> {
    /// `S x` for columns `x`, `[d_input, n]`.
    fn apply(&self, x: Tensor<2>) -> Tensor<2> {
        let along_base = product(self.base.get(), x.clone());
        self.corrected(along_base, self.left, self.right, x)
    }

    /// `S^T x` for columns `x`, `[d_input, n]`.
    fn apply_transposed(&self, x: Tensor<2>) -> Tensor<2> {
        let along_base = product(self.base.get().transpose(), x.clone());
        self.corrected(along_base, self.right, self.left, x)
    }

    fn corrected(
        &self,
        along_base: Tensor<2>,
        outer: &PendingRows,
        inner: &PendingRows,
        x: Tensor<2>,
    ) -> Tensor<2> {
        if outer.is_empty() {
            return along_base;
        }
        along_base - product(outer.rows().transpose(), product(inner.rows(), x))
    }

    /// `P x` for columns `x`.
    pub(super) fn project(&self, x: Tensor<2>) -> Tensor<2> {
        self.apply(self.apply_transposed(x))
    }

    /// The rows, left and right, of `(S f) f^T / (d + sqrt(alpha d))` with `f = S^T r` and
    /// `d = alpha + f^T f`, for a column `r`.
    pub(super) fn correction(&self, r: Tensor<2>, alpha: f64) -> [Tensor<2>; 2] {
        let f = self.apply_transposed(r);
        let d = product(f.clone().transpose(), f.clone()) + alpha;
        let scale = d.clone() + (d * alpha).sqrt();
        let left = self.apply(f.clone()) / scale;
        [left.transpose(), f.transpose()]
    }

    /// `P = S S^T`, symmetric to the last bit.
    pub(super) fn matrix(&self) -> Tensor<2> {
        let mut s = self.base.get();
        if !self.left.is_empty() {
            s = s - product(self.left.rows().transpose(), self.right.rows());
        }
        let p = product(s.clone(), s.transpose());
        (p.clone() + p.transpose()) * 0.5
    }
}

/// Folds the rows into the base when there is no room for another one.
pub(super) fn push(
    base: Buffer<2>,
    left: PendingRows,
    right: PendingRows,
) -> (Buffer<2>, PendingRows, PendingRows) {
    if !left.is_full() {
        return (base, left, right);
    }
    let correction = product(left.rows().transpose(), right.rows());
    (
        base.replace(|s| s - correction),
        left.clear(),
        right.clear(),
    )
}

/// A square root of `p`, from its singular value decomposition `U D U^T`: `U sqrt(D)`.
///
/// The decomposition runs on the host, for `s = 512` in about a second.
pub(super) fn of(p: Tensor<2>) -> Result<Tensor<2>> {
    let not_positive = MlaError::NotPositive { what: "P" };
    let largest = p.clone().abs().max();
    let largest: f32 = largest
        .try_into_scalar()
        .map_err(MlaError::read("the projector"))?;
    if !largest.is_finite() {
        return Err(not_positive);
    }
    let (u, d, _) = svd::<2, 1>(p.clone(), MAX_SWEEPS);
    let factor = u * d.sqrt().unsqueeze_dim(0);
    // A negative eigenvalue shows up with its sign lost.
    let error = product(factor.clone(), factor.clone().transpose()) - p;
    let error: f32 = error
        .abs()
        .max()
        .try_into_scalar()
        .map_err(MlaError::read("the projector"))?;
    match error <= TOLERANCE * largest {
        true => Ok(factor),
        false => Err(not_positive),
    }
}

/// Sweeps a singular value may take: a handful do, this is for matrices from nowhere.
const MAX_SWEEPS: usize = 1000;

/// What rounding may have made negative, of the largest entry.
const TOLERANCE: f32 = 1e-3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_is_the_square_of_its_root() {
        for device in crate::test_devices() {
            let p = [[4.0, 2.0, 0.0], [2.0, 5.0, 1.0], [0.0, 1.0, 3.0]];
            let p = Tensor::<2>::from_floats(p, &device);
            let s = of(p.clone()).unwrap();
            let square = s.clone().matmul(s.transpose());
            let error = (square - p).abs().max().into_scalar::<f32>();
            assert!(error < 1e-5, "{error}");
        }
    }

    #[test]
    fn a_matrix_that_is_far_from_positive_has_no_root() {
        let p = Tensor::<2>::eye(3, &burn::tensor::Device::flex()).neg();
        let error = of(p).unwrap_err();
        assert_eq!(error, MlaError::NotPositive { what: "P" });
    }
}

//! Eq. 5 in square-root form: `S` of `P = S S^T`, with `S = base - left^T right`.

use burn::tensor::{DType, Tensor, TensorData};

use crate::error::{MlaError, Result};
use crate::module::Buffer;
use crate::numeric::Symmetric;
use crate::numeric::product;
use crate::projector::pending::PendingRows;
use crate::projector::rls::fold;

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
        if self.left.is_empty() {
            return along_base;
        }
        let along_rows = product(self.right.rows(), x);
        along_base - product(self.left.rows().transpose(), along_rows)
    }

    /// `x S` for rows `x`, `[n, d_input]`. For `S^T x^T`, ndarray would copy `S`.
    fn apply_to_rows(&self, x: Tensor<2>) -> Tensor<2> {
        let along_base = product(x.clone(), self.base.get());
        if self.left.is_empty() {
            return along_base;
        }
        let along_rows = product(x, self.left.rows().transpose());
        along_base - product(along_rows, self.right.rows())
    }

    /// `P x` for columns `x`.
    pub(super) fn project(&self, x: Tensor<2>) -> Tensor<2> {
        self.apply(self.apply_to_rows(x.transpose()).transpose())
    }

    /// The correction of an update with a row `r`.
    pub(super) fn correction(&self, r: Tensor<2>, alpha: f64) -> Correction {
        let f = self.apply_to_rows(r);
        let denominator = product(f.clone(), f.clone().transpose()) + alpha;
        let scale = denominator.clone() + (denominator.clone() * alpha).sqrt();
        let sf = self.apply(f.clone().transpose());
        Correction {
            left: (sf.clone() / scale).transpose(),
            right: f,
            squared_gain: product(sf.clone().transpose(), sf),
            denominator,
        }
    }

    /// `P = S S^T`, exactly symmetric.
    pub(super) fn matrix(&self) -> Tensor<2> {
        let mut s = self.base.get();
        if !self.left.is_empty() {
            s = fold::subtract(s, self.left.rows(), self.right.rows());
        }
        let p = product(s.clone(), s.transpose());
        (p.clone() + p.transpose()) * 0.5
    }
}

/// `S f f^T / (d + sqrt(alpha d))` with `f = S^T r` and `d = alpha + f^T f`, as a product of two
/// rows.
pub(super) struct Correction {
    pub(super) left: Tensor<2>,
    pub(super) right: Tensor<2>,
    /// `|S f|^2`, `[1, 1]`.
    pub(super) squared_gain: Tensor<2>,
    /// `d`, `[1, 1]`.
    pub(super) denominator: Tensor<2>,
}

/// Folds the rows into the base.
pub(super) fn fold_in(
    base: Buffer<2>,
    left: PendingRows,
    right: PendingRows,
) -> (Buffer<2>, PendingRows, PendingRows) {
    let base = base.replace(|s| fold::subtract(s, left.rows(), right.rows()));
    (base, left.clear(), right.clear())
}

/// The Cholesky factor of `p`, computed on the host.
///
/// If rounding has made `p` indefinite, the smallest sufficient multiple of the identity, at most
/// 1e-3, is added.
pub(super) fn of(p: Tensor<2>) -> Result<Tensor<2>> {
    let device = p.device();
    let p = Symmetric::read(p)?;
    let lifts = [0.0, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3];
    let factor = lifts
        .into_iter()
        .find_map(|lift| p.shifted(lift).cholesky())
        .ok_or(MlaError::NotPositive { what: "P" })?;
    let [rows, columns] = [factor.nrows(), factor.ncols()];
    // nalgebra stores columns one after the other: its transpose is row-major `L`.
    let entries: Vec<f32> = factor.transpose().iter().map(|&x| x as f32).collect();
    let data = TensorData::new(entries, [rows, columns]);
    Ok(Tensor::from_data(data, (&device, DType::F32)))
}

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

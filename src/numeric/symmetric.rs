//! Symmetric matrices on the host, in f64: a thin door to nalgebra. Burn 0.22.1 has no symmetric
//! eigendecomposition, and its `svd` panics on matrices near the identity, where every projector
//! starts.

use burn::tensor::{DType, Device, Tensor, TensorData};
use nalgebra::{DMatrix, SymmetricEigen};

use crate::error::{MlaError, Result};

/// A symmetric matrix.
#[derive(Debug, Clone)]
pub(crate) struct Symmetric(DMatrix<f64>);

/// Eigenvalues in descending order, each with its unit vector.
pub(crate) struct Eigen {
    pub(crate) values: Vec<f64>,
    pub(crate) vectors: Vec<Vec<f64>>,
}

impl Symmetric {
    /// Reads the symmetric part of a matrix.
    pub(crate) fn read(matrix: Tensor<2>) -> Result<Self> {
        let [n, _] = matrix.dims();
        let entries: Vec<f64> = matrix
            .try_to_vec_as()
            .map_err(MlaError::read("the projector"))?;
        let matrix = DMatrix::from_vec(n, n, entries);
        Ok(Self((&matrix + matrix.transpose()) * 0.5))
    }

    /// `A A^T`, with `rows` as the rows of `A`.
    pub(crate) fn gram(rows: &[Vec<f64>]) -> Self {
        let width = rows.first().map_or(0, Vec::len);
        let columns = rows.iter().flatten().copied();
        let transposed = DMatrix::from_iterator(width, rows.len(), columns);
        Self(transposed.tr_mul(&transposed))
    }

    /// `A^T A`, with `rows` as the rows of `A`.
    pub(crate) fn scatter(rows: &[Vec<f64>]) -> Self {
        let width = rows.first().map_or(0, Vec::len);
        let columns = rows.iter().flatten().copied();
        let transposed = DMatrix::from_iterator(width, rows.len(), columns);
        Self(&transposed * transposed.transpose())
    }

    pub(crate) fn is_finite(&self) -> bool {
        self.0.iter().all(|x| x.is_finite())
    }

    pub(crate) fn trace(&self) -> f64 {
        self.0.trace()
    }

    /// The lower triangular `L` of `A = L L^T`; `None` unless `A` is positive definite.
    pub(crate) fn cholesky(&self) -> Option<Tensor<2>> {
        todo_remove(self)
    }

    /// The matrix plus `shift` times the identity.
    pub(crate) fn shifted(&self, shift: f64) -> Self {
        let n = self.0.nrows();
        Self(&self.0 + DMatrix::from_diagonal_element(n, n, shift))
    }

    /// All eigenvalues and eigenvectors. Entries must be finite.
    pub(crate) fn eigen(self) -> Eigen {
        let SymmetricEigen {
            eigenvalues,
            eigenvectors,
        } = self.0.symmetric_eigen();
        let mut order: Vec<usize> = (0..eigenvalues.len()).collect();
        order.sort_by(|&i, &k| eigenvalues[k].total_cmp(&eigenvalues[i]));
        let vector = |&i: &usize| eigenvectors.column(i).iter().copied().collect();
        Eigen {
            values: order.iter().map(|&i| eigenvalues[i]).collect(),
            vectors: order.iter().map(vector).collect(),
        }
    }

    /// The smallest and the largest eigenvalue. Entries must be finite.
    pub(crate) fn extreme_eigenvalues(&self) -> (f64, f64) {
        let values = self.0.symmetric_eigenvalues();
        (values.min(), values.max())
    }
}

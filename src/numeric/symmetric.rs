//! Symmetric matrices on the host, in f64: a thin door to nalgebra. Burn 0.22.1 has no symmetric
//! eigendecomposition, and its `svd` panics on matrices near the identity, where every projector
//! starts.

use burn::tensor::Tensor;
use nalgebra::{DMatrix, SymmetricEigen};

use crate::error::{MlaError, Result};

/// A symmetric matrix.
#[derive(Debug, Clone)]
pub(crate) struct Symmetric(DMatrix<f64>);

/// Takes a matrix that is symmetric already.
impl From<DMatrix<f64>> for Symmetric {
    fn from(matrix: DMatrix<f64>) -> Self {
        Self(matrix)
    }
}

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
        let transposed = columns(rows);
        Self(transposed.tr_mul(&transposed))
    }

    /// `A^T A`, with `rows` as the rows of `A`.
    pub(crate) fn scatter(rows: &[Vec<f64>]) -> Self {
        let transposed = columns(rows);
        Self(&transposed * transposed.transpose())
    }

    /// `A^T A`.
    pub(crate) fn of_columns(matrix: &DMatrix<f64>) -> Self {
        Self(matrix.transpose() * matrix)
    }

    pub(crate) fn is_finite(&self) -> bool {
        self.0.iter().all(|x| x.is_finite())
    }

    pub(crate) fn trace(&self) -> f64 {
        self.0.trace()
    }

    /// All eigenvalues and eigenvectors. Entries must be finite.
    pub(crate) fn eigen(self) -> Eigen {
        if self.0.is_empty() {
            // nalgebra panics on an empty matrix.
            let (values, vectors) = (vec![], vec![]);
            return Eigen { values, vectors };
        }
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

/// The matrix with the given columns.
fn columns(columns: &[Vec<f64>]) -> DMatrix<f64> {
    let height = columns.first().map_or(0, Vec::len);
    let entries = columns.iter().flatten().copied();
    DMatrix::from_iterator(height, columns.len(), entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A symmetric matrix with the given eigenvalues, rotated by reflections.
    fn with_eigenvalues(values: &[f64]) -> Symmetric {
        let n = values.len();
        let mut matrix = DMatrix::from_diagonal(&values.to_vec().into());
        for seed in 1..4 {
            let u = DMatrix::from_fn(n, 1, |i, _| ((i + 1) as f64 * f64::from(seed)).sin());
            let reflection =
                DMatrix::identity(n, n) - &u * u.transpose() * (2.0 / u.norm_squared());
            matrix = &reflection * matrix * &reflection;
        }
        Symmetric(matrix)
    }

    fn assert_eigenvectors(matrix: &Symmetric, eigen: &Eigen, tolerance: f64) {
        let vectors = columns(&eigen.vectors);
        let values = DMatrix::from_diagonal(&eigen.values.clone().into());
        let off = (&matrix.0 * &vectors - &vectors * values).amax();
        assert!(off < tolerance, "A V - V D is up to {off}");
        let n = eigen.values.len();
        let off = (vectors.tr_mul(&vectors) - DMatrix::identity(n, n)).amax();
        assert!(off < tolerance, "V^T V - I is up to {off}");
    }

    #[test]
    fn eigenvalues_are_found_from_the_largest_with_their_vectors() {
        let values = [5.0, 2.0, 2.0, 1e-9, 0.0, -3.0];
        let matrix = with_eigenvalues(&values);
        let eigen = matrix.clone().eigen();
        for (found, expected) in eigen.values.iter().zip(values) {
            assert!((found - expected).abs() < 1e-12, "{found}, not {expected}");
        }
        assert_eigenvectors(&matrix, &eigen, 1e-12);
    }

    #[test]
    fn extreme_eigenvalues_of_a_large_matrix_are_exact_enough() {
        let spectra: [fn(usize) -> f64; 3] = [
            |_| 1.0,
            |i| if i == 7 { -1e-5 } else { 1.0 },
            |i| 0.99f64.powi(i as i32),
        ];
        for spectrum in spectra {
            let values: Vec<f64> = (0..150).map(spectrum).collect();
            let (smallest, largest) = with_eigenvalues(&values).extreme_eigenvalues();
            let expected = values.iter().fold((f64::MAX, f64::MIN), |(low, high), &x| {
                (low.min(x), high.max(x))
            });
            assert!((smallest - expected.0).abs() < 1e-8, "{smallest}");
            assert!((largest - expected.1).abs() < 1e-8, "{largest}");
        }
    }

    #[test]
    fn eigenvectors_of_a_large_matrix_are_eigenvectors() {
        let spectra: [fn(usize) -> f64; 5] = [
            |_| 1.0,
            |_| 0.0,
            |i| [5.0, 5.0, 5.0, 1.0][i.min(3)],
            |i| 0.99f64.powi(i as i32),
            |i| 1.0 + 1e-3 * ((i * i) as f64).sin(),
        ];
        for (at, spectrum) in spectra.into_iter().enumerate() {
            let mut values: Vec<f64> = (0..200).map(spectrum).collect();
            let matrix = with_eigenvalues(&values);
            values.sort_by(|a, b| b.total_cmp(a));
            let eigen = matrix.clone().eigen();
            for (found, expected) in eigen.values.iter().zip(values) {
                assert!((found - expected).abs() < 1e-10, "spectrum {at}: {found}");
            }
            assert_eigenvectors(&matrix, &eigen, 1e-10);
        }
    }

    #[test]
    fn an_empty_matrix_has_no_eigenvalues() {
        let eigen = Symmetric::gram(&[]).eigen();
        assert!(eigen.values.is_empty() && eigen.vectors.is_empty());
    }

    #[test]
    fn gram_and_scatter_are_the_two_products_of_rows() {
        let rows = [vec![1.0, 2.0, 3.0], vec![0.0, -1.0, 2.0]];
        assert_eq!(Symmetric::gram(&rows).0.as_slice(), [14.0, 4.0, 4.0, 5.0]);
        let scatter = [1.0, 2.0, 3.0, 2.0, 5.0, 4.0, 3.0, 4.0, 13.0];
        assert_eq!(Symmetric::scatter(&rows).0.as_slice(), scatter);
    }
}

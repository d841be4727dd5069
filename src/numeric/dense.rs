//! Dense matrices on the host in f64, and the way to and from tensors.
//!
//! Samples are columns: the rows of a tensor in memory are the columns of a matrix, which saves a
//! transposition, and nalgebra multiplies such matrices by blocks.

use std::ops::Range;

use burn::tensor::{DType, Device, Tensor, TensorData};
use nalgebra::{Cholesky, DMatrix, Dyn};

use crate::error::{MlaError, Result};
use crate::numeric::on_all_cores;

/// A matrix in f64.
pub(crate) type Matrix = DMatrix<f64>;

/// Reads a tensor, `[rows, columns]`, as a matrix with its rows as columns, `[columns, rows]`.
pub(crate) fn read_columns(tensor: Tensor<2>, what: &'static str) -> Result<Matrix> {
    let [rows, columns] = tensor.dims();
    let entries: Vec<f64> = tensor
        .without_autodiff()
        .try_into_vec_as()
        .map_err(MlaError::read(what))?;
    Ok(Matrix::from_vec(columns, rows, entries))
}

/// The columns of a matrix as the rows of a tensor in f32: the inverse of [`read_columns`].
pub(crate) fn columns_to_tensor(matrix: &Matrix, device: &Device) -> Tensor<2> {
    let entries: Vec<f32> = matrix.iter().map(|&x| x as f32).collect();
    let data = TensorData::new(entries, [matrix.ncols(), matrix.nrows()]);
    Tensor::from_data(data, (&device.clone().inner(), DType::F32))
}

/// Subtracts the mean of the columns from each of them and returns it.
pub(crate) fn centre(matrix: &mut Matrix) -> Vec<f64> {
    let mean = matrix.column_mean();
    for mut column in matrix.column_iter_mut() {
        column -= &mean;
    }
    mean.iter().copied().collect()
}

/// Rows of a block of a large product, which one thread computes.
const BLOCK: usize = 128;

/// `a b^T`.
pub(crate) fn times_transposed(a: &Matrix, b: &Matrix) -> Matrix {
    let b = b.transpose();
    if a.nrows() <= BLOCK {
        return a * b;
    }
    let blocks = blocks(a.nrows());
    let products = on_all_cores(&blocks, |rows| a.rows_range(rows.clone()) * &b);
    let mut all = Matrix::zeros(a.nrows(), b.ncols());
    for (rows, product) in blocks.into_iter().zip(products) {
        all.rows_range_mut(rows).copy_from(&product);
    }
    all
}

/// `a a^T`, at half the cost where it is large.
pub(crate) fn gram(a: &Matrix) -> Matrix {
    let transposed = a.transpose();
    if a.nrows() <= BLOCK {
        return a * transposed;
    }
    let blocks = blocks(a.nrows());
    let lower = (0..blocks.len()).flat_map(|i| (0..=i).map(move |j| (i, j)));
    let lower: Vec<(usize, usize)> = lower.collect();
    let product = |&(i, j): &(usize, usize)| {
        let columns = transposed.columns_range(blocks[j].clone());
        a.rows_range(blocks[i].clone()) * columns
    };
    let products = on_all_cores(&lower, product);
    let mut all = Matrix::zeros(a.nrows(), a.nrows());
    for ((i, j), product) in lower.into_iter().zip(products) {
        let (rows, columns) = (blocks[i].clone(), blocks[j].clone());
        let mut mirrored = all.view_range_mut(columns.clone(), rows.clone());
        mirrored.tr_copy_from(&product);
        all.view_range_mut(rows, columns).copy_from(&product);
    }
    all
}

fn blocks(n: usize) -> Vec<Range<usize>> {
    let begins = (0..n).step_by(BLOCK);
    begins.map(|begin| begin..n.min(begin + BLOCK)).collect()
}

/// What remains of a diagonal entry of a singular matrix after elimination, as a share of it, at most.
const ROUNDING: f64 = 1e-14;

/// The factor `L` with `L L^T = matrix`. A matrix that is singular up to rounding is an error.
pub(crate) fn cholesky(matrix: Matrix, what: &'static str) -> Result<Cholesky<f64, Dyn>> {
    let error = MlaError::NotPositive { what };
    // nalgebra takes a NaN for positive.
    if matrix.iter().any(|x| !x.is_finite()) {
        return Err(error);
    }
    let diagonal = matrix.diagonal();
    let factor = Cholesky::new(matrix).ok_or(error.clone())?;
    let pivots = factor.l_dirty().diagonal();
    let mut pairs = pivots.iter().zip(diagonal.iter());
    if pairs.any(|(pivot, entry)| pivot * pivot <= ROUNDING * entry) {
        return Err(error);
    }
    Ok(factor)
}

/// `L^-1 b` for a lower triangular `L`.
pub(crate) fn solve_lower(factor: &Matrix, b: &Matrix) -> Result<Matrix> {
    factor.solve_lower_triangular(b).ok_or(NO_INVERSE)
}

/// `L^-T b` for a lower triangular `L`.
pub(crate) fn solve_lower_transposed(factor: &Matrix, b: &Matrix) -> Result<Matrix> {
    factor.tr_solve_lower_triangular(b).ok_or(NO_INVERSE)
}

const NO_INVERSE: MlaError = MlaError::NotPositive {
    what: "a matrix of a triangular factor",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_tensor_are_columns_of_a_matrix() {
        for device in crate::test_devices() {
            let tensor = Tensor::<2>::from_floats([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], &device);
            let matrix = read_columns(tensor.clone(), "a test").unwrap();
            assert_eq!((matrix.nrows(), matrix[(2, 0)]), (3, 3.0));
            let back = columns_to_tensor(&matrix, &device);
            back.into_data().assert_eq(&tensor.into_data(), true);
        }
    }

    #[test]
    fn the_mean_of_centred_columns_is_zero() {
        let mut matrix = Matrix::from_row_slice(2, 3, &[1.0, 2.0, 6.0, 0.0, 0.0, 3.0]);
        assert_eq!(centre(&mut matrix), [3.0, 1.0]);
        assert_eq!(matrix.column_sum().as_slice(), [0.0, 0.0]);
    }

    #[test]
    fn products_by_blocks_are_products() {
        for (rows, others) in [(3, 5), (128, 7), (129, 300), (300, 129)] {
            let entry = |seed: usize| move |i: usize, k: usize| ((i * seed + k) as f64).sin();
            let a = Matrix::from_fn(rows, 11, entry(7));
            let b = Matrix::from_fn(others, 11, entry(3));
            assert!((times_transposed(&a, &b) - &a * b.transpose()).amax() < 1e-12);
            assert!((gram(&a) - &a * a.transpose()).amax() < 1e-12);
        }
    }

    #[test]
    fn what_is_not_positive_definite_is_named() {
        for matrix in [
            Matrix::zeros(2, 2),
            Matrix::from_element(1, 1, f64::NAN),
            Matrix::from_element(1, 1, f64::INFINITY),
            Matrix::from_row_slice(2, 2, &[0.3, 0.1, 0.1, 0.1 / 3.0]),
        ] {
            let what = "a test";
            let error = cholesky(matrix, what).unwrap_err();
            assert_eq!(error, MlaError::NotPositive { what });
        }
    }
}

//! Leading singular triples of a matrix on the host, in f64.
//!
//! nalgebra's decompositions of a matrix of width 512 take longer than all products of a canonical
//! correlation analysis. One-sided Jacobi rotations are short and accurate for small matrices, singular
//! values that repeat or are zero included. For large ones a block Krylov space gives the leading
//! triples by products of matrices.

use nalgebra::{Dyn, MatrixViewMut, U1};
use rand::rngs::ChaCha12Rng;
use rand::{Rng, SeedableRng};

use crate::numeric::{Matrix, Symmetric};

/// Leading singular values in descending order, with orthonormal vectors: `matrix V = U diag(values)`.
pub(crate) struct Singular {
    /// `[rows, n]`.
    pub(crate) left: Matrix,
    pub(crate) values: Vec<f64>,
    /// `[columns, n]`.
    pub(crate) right: Matrix,
}

/// Width up to which Jacobi rotations are used.
const SMALL: usize = 64;

/// Columns of a block beyond the requested ones, which speed up convergence.
const EXTRA: usize = 8;

/// Residual of an eigenvector of `T^T T`, as a share of the largest eigenvalue, at which it has converged.
const CONVERGED: f64 = 1e-11;

/// Singular values below this share of the largest have no direction of their own.
const RANK: f64 = 1e-12;

/// The `n` leading singular triples; fewer if the matrix is narrower. Entries must be finite.
pub(crate) fn leading(matrix: &Matrix, n: usize) -> Singular {
    let n = n.min(matrix.nrows()).min(matrix.ncols());
    if matrix.ncols() > matrix.nrows() {
        let Singular {
            left,
            values,
            right,
        } = leading(&matrix.transpose(), n);
        return Singular {
            left: right,
            values,
            right: left,
        };
    }
    let right = if matrix.ncols() <= SMALL || 2 * (n + EXTRA) >= matrix.ncols() {
        jacobi(matrix.clone())
    } else {
        krylov(matrix, n)
    };
    triples(matrix, &right, n)
}

/// The triples of given right singular vectors, which are sorted.
fn triples(matrix: &Matrix, right: &Matrix, n: usize) -> Singular {
    let image = matrix * right;
    let lengths: Vec<f64> = image.column_iter().map(|column| column.norm()).collect();
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by(|&i, &k| lengths[k].total_cmp(&lengths[i]));
    order.truncate(n);
    let values: Vec<f64> = order.iter().map(|&i| lengths[i]).collect();
    let right = right.select_columns(&order);
    let mut left = image.select_columns(&order);
    let smallest = RANK * values.first().copied().unwrap_or(0.0);
    for (i, &value) in values.iter().enumerate() {
        let begin = if value > smallest { None } else { Some(0) };
        orthonormalise(&mut left, i, begin);
    }
    Singular {
        left,
        values,
        right,
    }
}

/// Makes column `at` a unit vector that is orthogonal to the columns before it. `axis` replaces the
/// column by the first coordinate axis from it on that is not in their span.
fn orthonormalise(columns: &mut Matrix, at: usize, axis: Option<usize>) {
    let mut axis = axis;
    loop {
        if let Some(axis) = axis {
            columns.column_mut(at).fill(0.0);
            columns[(axis, at)] = 1.0;
        }
        let before = columns.column(at).norm();
        // Twice is enough for orthogonality to rounding.
        for _ in 0..2 {
            for other in 0..at {
                let share = columns.column(other).dot(&columns.column(at));
                let other = columns.column(other).clone_owned();
                columns.column_mut(at).axpy(-share, &other, 1.0);
            }
        }
        let length = columns.column(at).norm();
        let next = axis.map_or(0, |axis| axis + 1);
        if length > 1e-6 * before || next >= columns.nrows() {
            columns
                .column_mut(at)
                .unscale_mut(length.max(f64::MIN_POSITIVE));
            return;
        }
        axis = Some(next);
    }
}

/// All right singular vectors of a matrix with at least as many rows as columns, by rotations of pairs
/// of columns until all are orthogonal (Hestenes, 1958).
fn jacobi(mut matrix: Matrix) -> Matrix {
    const SWEEPS: usize = 60;
    let n = matrix.ncols();
    let mut right = Matrix::identity(n, n);
    for _ in 0..SWEEPS {
        let mut rotated = false;
        for p in 0..n {
            for q in p + 1..n {
                let (a, b) = (matrix.column(p), matrix.column(q));
                let (alpha, beta, gamma) = (a.norm_squared(), b.norm_squared(), a.dot(&b));
                if gamma.abs() <= f64::EPSILON * (alpha * beta).sqrt() {
                    continue;
                }
                rotated = true;
                let zeta = (beta - alpha) / (2.0 * gamma);
                let tangent = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
                let cosine = 1.0 / tangent.hypot(1.0);
                rotate(&mut matrix, p, q, cosine, cosine * tangent);
                rotate(&mut right, p, q, cosine, cosine * tangent);
            }
        }
        if !rotated {
            break;
        }
    }
    right
}

fn rotate(matrix: &mut Matrix, p: usize, q: usize, cosine: f64, sine: f64) {
    for row in 0..matrix.nrows() {
        let (a, b) = (matrix[(row, p)], matrix[(row, q)]);
        matrix[(row, p)] = cosine * a - sine * b;
        matrix[(row, q)] = sine * a + cosine * b;
    }
}

/// At least `n` leading right singular vectors, from the Krylov space of `T^T T` and a block of random
/// vectors that is wider than `n` (Musco and Musco, "Randomized Block Krylov Methods", NeurIPS 2015).
///
/// The space grows until the vectors have converged, at worst to all directions, where they are exact.
/// The random numbers are always the same.
fn krylov(matrix: &Matrix, n: usize) -> Matrix {
    let width = matrix.ncols();
    let transposed = matrix.transpose();
    let mut numbers = ChaCha12Rng::from_seed([7; 32]);
    let mut block = Matrix::from_fn(width, n + EXTRA, |_, _| uniform(&mut numbers));
    let mut space = Matrix::zeros(width, 0);
    // Products of `T` with the space.
    let mut image = Matrix::zeros(matrix.nrows(), 0);
    let mut next_check = 6 * (n + EXTRA);
    loop {
        let n_columns = block.ncols().min(width - space.ncols());
        block = outside(
            &space,
            block.columns(0, n_columns).clone_owned(),
            &mut numbers,
        );
        let of_block = matrix * &block;
        space = beside(&space, &block);
        image = beside(&image, &of_block);
        let size = space.ncols();
        if size >= next_check || size == width {
            let eigen = Symmetric::of_columns(&image).eigen();
            let ritz = Matrix::from_fn(size, n, |row, at| eigen.vectors[at][row]);
            let vectors = &space * &ritz;
            let mut residual = &transposed * (&image * ritz);
            for (at, mut column) in residual.column_iter_mut().enumerate() {
                column.axpy(-eigen.values[at], &vectors.column(at), 1.0);
            }
            let worst = residual.column_iter().map(|column| column.norm());
            let worst = worst.fold(0.0, f64::max);
            if size == width || worst <= CONVERGED * eigen.values[0] {
                return vectors;
            }
            next_check = size + size / 2;
        }
        block = &transposed * of_block;
    }
}

fn uniform(numbers: &mut ChaCha12Rng) -> f64 {
    f64::from(numbers.next_u32()) / f64::from(u32::MAX) - 0.5
}

/// Orthonormal columns that are orthogonal to the space: those of the block as far as they leave it, and
/// random ones in place of the others. There must be as many directions outside of the space.
fn outside(space: &Matrix, mut block: Matrix, numbers: &mut ChaCha12Rng) -> Matrix {
    /// Share of a column outside of a space below which it is in it.
    const WITHIN: f64 = 1e-4;
    let project = |block: &mut Matrix| {
        if space.ncols() > 0 {
            let shares = space.transpose() * &*block;
            *block -= space * shares;
        }
    };
    loop {
        block.column_iter_mut().for_each(normalise);
        project(&mut block);
        let mut replaced = false;
        for at in 0..block.ncols() {
            let is_within = block.column(at).norm() < WITHIN || {
                normalise(block.column_mut(at));
                for _ in 0..2 {
                    for other in 0..at {
                        let other = block.column(other).clone_owned();
                        let share = other.dot(&block.column(at));
                        block.column_mut(at).axpy(-share, &other, 1.0);
                    }
                }
                block.column(at).norm() < WITHIN
            };
            if is_within {
                block.column_mut(at).apply(|x| *x = uniform(numbers));
                replaced = true;
            }
            normalise(block.column_mut(at));
        }
        if !replaced {
            // The second time removes what rounding left.
            project(&mut block);
            return block;
        }
    }
}

/// Divides a column by its length, unless that is 0.
fn normalise(mut column: MatrixViewMut<'_, f64, Dyn, U1>) {
    let length = column.norm();
    if length > 0.0 {
        column.unscale_mut(length);
    }
}

fn beside(left: &Matrix, right: &Matrix) -> Matrix {
    let columns = left.ncols() + right.ncols();
    let entries = left.iter().chain(right.iter()).copied();
    Matrix::from_iterator(right.nrows(), columns, entries)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// A matrix with the given singular values, rotated by reflections.
    fn with_values(rows: usize, columns: usize, values: &[f64]) -> Matrix {
        let mut matrix = Matrix::zeros(rows, columns);
        for (i, &value) in values.iter().enumerate() {
            matrix[(i, i)] = value;
        }
        let reflection = |n: usize, seed: f64| {
            let u = Matrix::from_fn(n, 1, |i, _| ((i + 1) as f64 * seed).sin());
            Matrix::identity(n, n) - &u * u.transpose() * (2.0 / u.norm_squared())
        };
        for seed in [1.0, 1.7] {
            matrix = reflection(rows, seed) * matrix * reflection(columns, seed + 0.3);
        }
        matrix
    }

    fn assert_triples(matrix: &Matrix, found: &Singular, values: &[f64], tolerance: f64) {
        assert_eq!(found.values.len(), values.len());
        for (found, expected) in found.values.iter().zip(values) {
            assert!(
                (found - expected).abs() < tolerance,
                "{found}, not {expected}"
            );
        }
        let n = values.len();
        for vectors in [&found.left, &found.right] {
            let off = (vectors.transpose() * vectors - Matrix::identity(n, n)).amax();
            assert!(off < tolerance, "V^T V - I is up to {off}");
        }
        let diagonal = Matrix::from_diagonal(&values.to_vec().into());
        let off = (matrix * &found.right - &found.left * diagonal).amax();
        assert!(off < tolerance, "T V - U D is up to {off}");
    }

    #[rstest]
    #[case::square(4, 4, &[3.0, 2.0, 1.0, 0.5])]
    #[case::tall(7, 3, &[3.0, 2.0, 1e-6])]
    #[case::wide(3, 7, &[3.0, 2.0, 1e-6])]
    #[case::repeated(5, 5, &[1.0, 1.0, 1.0, 1.0, 1.0])]
    #[case::without_rank(5, 4, &[2.0, 1.0, 0.0, 0.0])]
    #[case::zero(3, 3, &[0.0, 0.0, 0.0])]
    fn small_matrices(#[case] rows: usize, #[case] columns: usize, #[case] values: &[f64]) {
        let matrix = with_values(rows, columns, values);
        assert_triples(&matrix, &leading(&matrix, 9), values, 1e-12);
        assert_triples(&matrix, &leading(&matrix, 2), &values[..2], 1e-12);
    }

    #[rstest]
    #[case::decaying(|i: usize| 0.95f64.powi(i as i32))]
    #[case::close(|i: usize| 1.0 - i as f64 / 1000.0)]
    #[case::repeated(|i: usize| [1.0, 1.0, 1.0, 0.5][i.min(3)])]
    #[case::identity(|_| 1.0)]
    #[case::of_rank_two(|i: usize| if i < 2 { 1.0 } else { 0.0 })]
    #[case::zero(|_| 0.0)]
    fn the_leading_of_a_large_matrix(#[case] spectrum: fn(usize) -> f64) {
        let values: Vec<f64> = (0..120).map(spectrum).collect();
        for (rows, columns) in [(130, 120), (120, 125)] {
            let matrix = with_values(rows, columns, &values);
            assert_triples(&matrix, &leading(&matrix, 4), &values[..4], 1e-9);
        }
    }
}

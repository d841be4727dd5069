//! Symmetric matrices on the host, in f64: what projectors and analyses need of them now and then.
//!
//! Burn's own decomposition, `burn::linalg::svd` 0.22.1, does not converge on matrices near the
//! identity, which is where every projector starts, and panics then.

use burn::tensor::{DType, Device, Tensor, TensorData};

use crate::error::{MlaError, Result};

/// A symmetric matrix, row by row.
#[derive(Debug, Clone)]
pub(crate) struct Symmetric {
    n: usize,
    entries: Vec<f64>,
}

/// Eigenvalues from the largest, each with its unit vector.
pub(crate) struct Eigen {
    pub(crate) values: Vec<f64>,
    pub(crate) vectors: Vec<Vec<f64>>,
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

impl Symmetric {
    /// Reads a matrix of which only the symmetric part counts.
    pub(crate) fn read(matrix: Tensor<2>) -> Result<Self> {
        let [n, _] = matrix.dims();
        let read: Vec<f64> = matrix
            .try_to_vec_as()
            .map_err(MlaError::read("the projector"))?;
        let entry = |at: usize| (read[at] + read[at % n * n + at / n]) / 2.0;
        let entries = (0..n * n).map(entry).collect();
        Ok(Self { n, entries })
    }

    /// `A A^T` of rows.
    pub(crate) fn gram(rows: &[Vec<f64>]) -> Self {
        let n = rows.len();
        let mut entries = vec![0.0; n * n];
        for (i, k) in (0..n).flat_map(|i| (0..=i).map(move |k| (i, k))) {
            let entry = dot(&rows[i], &rows[k]);
            entries[i * n + k] = entry;
            entries[k * n + i] = entry;
        }
        Self { n, entries }
    }

    fn row(&self, i: usize) -> &[f64] {
        &self.entries[i * self.n..][..self.n]
    }

    pub(crate) fn is_finite(&self) -> bool {
        self.entries.iter().all(|x| x.is_finite())
    }

    pub(crate) fn trace(&self) -> f64 {
        (0..self.n).map(|i| self.row(i)[i]).sum()
    }

    /// The lower triangular `L` of `A = L L^T`; `None` unless `A` is positive definite.
    pub(crate) fn cholesky(&self) -> Option<Self> {
        let n = self.n;
        let mut l = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                let (above, row) = (&l[j * n..][..j], &l[i * n..][..j]);
                let rest = self.row(i)[j] - dot(above, row);
                l[i * n + j] = match i == j {
                    true if rest > 0.0 => rest.sqrt(),
                    true => return None,
                    false => rest / l[j * n + j],
                };
            }
        }
        Some(Self { n, entries: l })
    }

    /// The matrix plus `shift` times the identity.
    pub(crate) fn shifted(&self, shift: f64) -> Self {
        let mut shifted = self.clone();
        (0..self.n).for_each(|i| shifted.entries[i * self.n + i] += shift);
        shifted
    }

    pub(crate) fn to_tensor(&self, device: &Device) -> Tensor<2> {
        let entries: Vec<f32> = self.entries.iter().map(|&x| x as f32).collect();
        let data = TensorData::new(entries, [self.n, self.n]);
        Tensor::from_data(data, (device, DType::F32))
    }

    /// All eigenvalues and eigenvectors by cyclic Jacobi rotations (Golub and Van Loan, "Matrix
    /// Computations", 8.5): slow for large matrices, and it always converges.
    pub(crate) fn eigen(&self) -> Eigen {
        let n = self.n;
        let mut a = self.entries.clone();
        let mut vectors: Vec<Vec<f64>> = (0..n)
            .map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect())
            .collect();
        for _ in 0..MAX_SWEEPS {
            let off: f64 = (0..n * n)
                .filter(|at| at / n != at % n)
                .map(|at| a[at] * a[at])
                .sum();
            if off.sqrt() <= f64::EPSILON * dot(&a, &a).sqrt() {
                break;
            }
            for p in 0..n {
                for q in p + 1..n {
                    let Some((cos, sin)) = rotation(a[p * n + p], a[q * n + q], a[p * n + q])
                    else {
                        continue;
                    };
                    let turn = |x: f64, y: f64| (cos * x - sin * y, sin * x + cos * y);
                    for k in 0..n {
                        let at = (k * n + p, k * n + q);
                        (a[at.0], a[at.1]) = turn(a[at.0], a[at.1]);
                    }
                    for k in 0..n {
                        let at = (p * n + k, q * n + k);
                        (a[at.0], a[at.1]) = turn(a[at.0], a[at.1]);
                    }
                    let (before, from_q) = vectors.split_at_mut(q);
                    for (x, y) in before[p].iter_mut().zip(&mut from_q[0]) {
                        (*x, *y) = turn(*x, *y);
                    }
                }
            }
        }
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&i, &j| a[j * n + j].total_cmp(&a[i * n + i]));
        Eigen {
            values: order.iter().map(|&i| a[i * n + i]).collect(),
            vectors: order
                .iter()
                .map(|&i| std::mem::take(&mut vectors[i]))
                .collect(),
        }
    }

    /// The `n_leading` largest eigenvalues with their vectors, at most all; of a large matrix by a
    /// block Krylov iteration (Musco and Musco, "Randomized Block Krylov Methods for Stronger and
    /// Faster Approximate Singular Value Decomposition", NeurIPS 2015), started anew from its best
    /// vectors until they are eigenvectors but for rounding. A block finds eigenvalues that occur
    /// several times, which Lanczos' iteration does not.
    pub(crate) fn leading(&self, n_leading: usize) -> Eigen {
        let block_size = n_leading + KRYLOV_SURPLUS;
        let all = || {
            let mut eigen = self.eigen();
            eigen.values.truncate(n_leading);
            eigen.vectors.truncate(n_leading);
            eigen
        };
        if 2 * KRYLOV_BLOCKS * block_size > self.n {
            return all();
        }
        // Any start that leans on every eigenvector will do; this one is the same each time.
        let mut block: Vec<Vec<f64>> = (0..block_size)
            .map(|k| {
                let angle = |i: usize| (1.0 + k as f64) * (1.0 + (i * i) as f64);
                (0..self.n).map(|i| angle(i).sin()).collect()
            })
            .collect();
        for _ in 0..MAX_RESTARTS {
            let (basis, images) = self.krylov(block);
            let m = basis.len();
            let entry = |at: usize| dot(&basis[at / m], &images[at % m]);
            let small = Self {
                n: m,
                entries: (0..m * m).map(entry).collect(),
            };
            let eigen = small.eigen();
            let combine = |rows: &[Vec<f64>], weights: &[f64]| {
                let mut sum = vec![0.0; self.n];
                for (row, weight) in rows.iter().zip(weights) {
                    sum.iter_mut().zip(row).for_each(|(s, x)| *s += weight * x);
                }
                sum
            };
            let weights = eigen.vectors.iter().take(block_size);
            block = weights.map(|w| combine(&basis, w)).collect();
            let scale = eigen.values.first().map_or(0.0, |value| value.abs());
            let found = eigen.vectors.iter().zip(&eigen.values).zip(&block);
            let converged = found.take(n_leading).all(|((weights, value), vector)| {
                let mut rest = combine(&images, weights);
                let pairs = rest.iter_mut().zip(vector);
                pairs.for_each(|(x, v)| *x -= value * v);
                dot(&rest, &rest).sqrt() <= KRYLOV_TOLERANCE * scale
            });
            if converged && block.len() >= n_leading {
                block.truncate(n_leading);
                let values = eigen.values.into_iter().take(n_leading).collect();
                return Eigen {
                    values,
                    vectors: block,
                };
            }
        }
        all()
    }

    /// An orthonormal basis of what powers of the matrix make of a block, and its images.
    fn krylov(&self, mut block: Vec<Vec<f64>>) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
        let (mut basis, mut images): (Vec<Vec<f64>>, Vec<Vec<f64>>) = (vec![], vec![]);
        for _ in 0..KRYLOV_BLOCKS {
            let known = basis.len();
            for vector in block {
                basis.extend(orthonormal(vector, &basis));
            }
            let image = |v: &Vec<f64>| (0..self.n).map(|i| dot(self.row(i), v)).collect();
            images.extend(basis[known..].iter().map(image));
            block = images[known..].to_vec();
        }
        (basis, images)
    }

    /// The smallest and the largest eigenvalue; of a large matrix by Lanczos' iteration with full
    /// reorthogonalization (Golub and Van Loan, 10.1), which has converged to what f32 entries
    /// tell long before its last step.
    pub(crate) fn extreme_eigenvalues(&self) -> (f64, f64) {
        let ends = |values: &[f64]| (values[values.len() - 1], values[0]);
        if self.n <= LANCZOS_STEPS {
            return ends(&self.eigen().values);
        }
        let mut basis: Vec<Vec<f64>> = vec![];
        let mut tridiagonal = Self {
            n: LANCZOS_STEPS,
            entries: vec![0.0; LANCZOS_STEPS * LANCZOS_STEPS],
        };
        // Any start that leans on every eigenvector will do; this one is the same each time.
        let mut v: Vec<f64> = (0..self.n).map(|i| (1.0 + (i * i) as f64).sin()).collect();
        let mut length = dot(&v, &v).sqrt();
        for step in 0..LANCZOS_STEPS {
            v.iter_mut().for_each(|x| *x /= length);
            let mut next: Vec<f64> = (0..self.n).map(|i| dot(self.row(i), &v)).collect();
            tridiagonal.entries[step * LANCZOS_STEPS + step] = dot(&next, &v);
            basis.push(v);
            for _ in 0..2 {
                for known in &basis {
                    let along = dot(&next, known);
                    next.iter_mut()
                        .zip(known)
                        .for_each(|(x, k)| *x -= along * k);
                }
            }
            length = dot(&next, &next).sqrt();
            if step + 1 == LANCZOS_STEPS || length < 1e-12 {
                tridiagonal.truncate(step + 1);
                break;
            }
            tridiagonal.entries[step * LANCZOS_STEPS + step + 1] = length;
            tridiagonal.entries[(step + 1) * LANCZOS_STEPS + step] = length;
            v = next;
        }
        ends(&tridiagonal.eigen().values)
    }

    /// The leading `n x n` block.
    fn truncate(&mut self, n: usize) {
        self.entries = (0..n).flat_map(|i| self.row(i)[..n].to_vec()).collect();
        self.n = n;
    }
}

/// The part of a vector that is orthogonal to orthonormal ones, at length 1; `None` where nothing
/// but rounding is left.
pub(crate) fn orthonormal(mut vector: Vec<f64>, to: &[Vec<f64>]) -> Option<Vec<f64>> {
    let before = dot(&vector, &vector).sqrt();
    // Twice is enough (Golub and Van Loan, 5.2).
    for _ in 0..2 {
        for known in to {
            let along = dot(&vector, known);
            let pairs = vector.iter_mut().zip(known);
            pairs.for_each(|(x, k)| *x -= along * k);
        }
    }
    let length = dot(&vector, &vector).sqrt();
    if length <= 1e-12 * before {
        return None;
    }
    vector.iter_mut().for_each(|x| *x /= length);
    Some(vector)
}

/// Cosine and sine of the rotation that makes an off-diagonal entry 0; `None` where it is.
fn rotation(pp: f64, qq: f64, pq: f64) -> Option<(f64, f64)> {
    if pq == 0.0 {
        return None;
    }
    let theta = (qq - pp) / (2.0 * pq);
    let tan = theta.signum() / (theta.abs() + theta.hypot(1.0));
    let cos = 1.0 / tan.hypot(1.0);
    Some((cos, tan * cos))
}

/// Sweeps of Jacobi rotations: about ten do for any matrix.
const MAX_SWEEPS: usize = 50;

const LANCZOS_STEPS: usize = 80;

/// Vectors in a block beyond those wanted: they make the wanted ones converge.
const KRYLOV_SURPLUS: usize = 6;
const KRYLOV_BLOCKS: usize = 6;
/// Of the length of `A v - lambda v`, as a share of the largest eigenvalue.
const KRYLOV_TOLERANCE: f64 = 1e-12;
const MAX_RESTARTS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    /// A symmetric matrix with the given eigenvalues, rotated by reflections.
    fn with_eigenvalues(values: &[f64]) -> Symmetric {
        let n = values.len();
        let mut entries = vec![0.0; n * n];
        (0..n).for_each(|i| entries[i * n + i] = values[i]);
        for seed in 1..4 {
            let u: Vec<f64> = (0..n)
                .map(|i| ((i + 1) as f64 * f64::from(seed)).sin())
                .collect();
            let scale = 2.0 / dot(&u, &u);
            for rows in [true, false] {
                for i in 0..n {
                    let at = |k: usize| if rows { k * n + i } else { i * n + k };
                    let along: f64 = (0..n).map(|k| entries[at(k)] * u[k]).sum();
                    (0..n).for_each(|k| entries[at(k)] -= scale * along * u[k]);
                }
            }
        }
        Symmetric { n, entries }
    }

    #[test]
    fn eigenvalues_are_found_from_the_largest_with_their_vectors() {
        let values = [5.0, 2.0, 2.0, 1e-9, 0.0, -3.0];
        let matrix = with_eigenvalues(&values);
        let eigen = matrix.eigen();
        for (found, expected) in eigen.values.iter().zip(values) {
            assert!((found - expected).abs() < 1e-12, "{found}, not {expected}");
        }
        for (value, vector) in eigen.values.iter().zip(&eigen.vectors) {
            for (i, x) in vector.iter().enumerate() {
                assert!((dot(matrix.row(i), vector) - value * x).abs() < 1e-12);
            }
        }
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
    fn leading_eigenvectors_of_a_large_matrix_are_eigenvectors() {
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
            for n_leading in [1, 4] {
                let eigen = matrix.leading(n_leading);
                assert_eq!(eigen.values.len(), n_leading, "spectrum {at}");
                for (i, vector) in eigen.vectors.iter().enumerate() {
                    let value = eigen.values[i];
                    assert!((value - values[i]).abs() < 1e-10, "spectrum {at}: {value}");
                    for (k, x) in vector.iter().enumerate() {
                        assert!((dot(matrix.row(k), vector) - value * x).abs() < 1e-10);
                    }
                    for (k, other) in eigen.vectors.iter().enumerate() {
                        let expected = f64::from(u8::from(i == k));
                        assert!((dot(vector, other) - expected).abs() < 1e-10);
                    }
                }
            }
        }
    }

    #[test]
    fn all_leading_eigenvalues_are_all_eigenvalues() {
        let matrix = with_eigenvalues(&[3.0, 2.0, -1.0]);
        for (n_leading, expected) in [(0, 0), (2, 2), (3, 3), (9, 3)] {
            let eigen = matrix.leading(n_leading);
            assert_eq!(eigen.values.len(), expected);
            assert_eq!(eigen.vectors.len(), expected);
        }
    }

    #[test]
    fn only_a_positive_definite_matrix_has_a_cholesky_factor() {
        let matrix = with_eigenvalues(&[3.0, 1.0, 1e-6]);
        let l = matrix.cholesky().unwrap();
        for i in 0..3 {
            for j in 0..3 {
                let entry = dot(l.row(i), l.row(j));
                assert!((entry - matrix.row(i)[j]).abs() < 1e-12);
            }
        }
        assert!(with_eigenvalues(&[3.0, 1.0, -1e-6]).cholesky().is_none());
        assert!(with_eigenvalues(&[f64::NAN]).cholesky().is_none());
    }
}

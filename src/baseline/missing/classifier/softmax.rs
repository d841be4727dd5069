//! A softmax layer with a quadratic penalty.

use crate::numeric::{Design, Matrix, fit_multinomial};

/// A linear layer on samples, `[width, n_samples]`, with weights `[width, n_classes]`.
struct Linear<'a> {
    samples: &'a Matrix,
    n_classes: usize,
}

impl Design for Linear<'_> {
    fn shape(&self) -> (usize, usize) {
        (self.samples.nrows(), self.n_classes)
    }

    fn scores(&self, weights: &Matrix) -> Matrix {
        weights.transpose() * self.samples
    }

    fn pull_back(&self, errors: &Matrix) -> Matrix {
        self.samples * errors.transpose()
    }
}

/// Weights of each class with the intercept last, `[width + 1, n_classes]`, for `samples`,
/// `[width + 1, n_samples]` with ones in the last row, and the objective.
///
/// ```text
/// min_V 1/2 |V|^2 + c sum_n CE(softmax((z_n, 1) V), y_n)
/// ```
pub(super) fn fit(samples: &Matrix, labels: &[usize], n_classes: usize, c: f64) -> (Matrix, f64) {
    let offset = Matrix::zeros(n_classes, samples.ncols());
    fit_multinomial(&Linear { samples, n_classes }, &offset, labels, c)
}

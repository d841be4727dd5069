//! A linear support vector machine, one class against the rest.

use crate::error::Result;
use crate::numeric::{Matrix, cholesky, gram};

/// Updates of a class; five or six are enough.
const MOST_UPDATES: usize = 100;

/// Norm of the gradient, as a share of that at zero, at which the optimum is reached.
const CONVERGED: f64 = 1e-11;

/// Weights of each class with the intercept last, `[width + 1, n_classes]`, for `samples`,
/// `[width + 1, n_samples]` with ones in the last row, and the sum of the classes' objectives.
///
/// ```text
/// min_v 1/2 |v|^2 + c sum_n max(0, 1 - t_n (z_n, 1) v)^2      t_n = 1 for the class, -1 for the rest
/// ```
///
/// This is the primal problem of liblinear (Fan et al., JMLR 2008, "L2-loss") with the intercept in
/// the penalty. It is strongly convex, and its gradient is piecewise linear: Newton's method with the
/// generalised Hessian `I + 2 c sum_active (z, 1)(z, 1)^T` (Mangasarian, 2002) ends after a few updates.
pub(super) fn fit(
    samples: &Matrix,
    labels: &[usize],
    n_classes: usize,
    c: f64,
) -> Result<(Matrix, f64)> {
    let mut weights = Matrix::zeros(samples.nrows(), n_classes);
    let mut total = 0.0;
    for class in 0..n_classes {
        let signs = labels
            .iter()
            .map(|&label| if label == class { 1.0 } else { -1.0 });
        let problem = Problem {
            samples,
            signs: signs.collect(),
            c,
        };
        let (found, objective) = problem.solve()?;
        weights.set_column(class, &found.column(0));
        total += objective;
    }
    Ok((weights, total))
}

struct Problem<'a> {
    samples: &'a Matrix,
    signs: Vec<f64>,
    c: f64,
}

impl Problem<'_> {
    /// The weights, `[width + 1, 1]`, and the objective at the optimum.
    fn solve(&self) -> Result<(Matrix, f64)> {
        let mut at = Matrix::zeros(self.samples.nrows(), 1);
        let mut slacks = self.slacks(&at);
        let mut value = self.value(&at, &slacks);
        let mut smallest = None;
        for _ in 0..MOST_UPDATES {
            let active: Vec<usize> = (0..slacks.len()).filter(|&n| slacks[n] > 0.0).collect();
            let rows = self.samples.select_columns(&active);
            let pull = active
                .iter()
                .map(|&n| 2.0 * self.c * self.signs[n] * slacks[n]);
            let pull = Matrix::from_iterator(active.len(), 1, pull);
            let gradient = &at - &rows * pull;
            let smallest = *smallest.get_or_insert(CONVERGED * gradient.norm());
            if gradient.norm() <= smallest {
                break;
            }
            let mut hessian = gram(&rows) * (2.0 * self.c);
            for i in 0..hessian.nrows() {
                hessian[(i, i)] += 1.0;
            }
            let direction =
                cholesky(hessian, "the Hessian of the support vector machine")?.solve(&-&gradient);
            let slope = gradient.dot(&direction);
            let mut step = 1.0;
            loop {
                let next = &at + &direction * step;
                let next_slacks = self.slacks(&next);
                let next_value = self.value(&next, &next_slacks);
                if next_value <= value + 1e-4 * step * slope {
                    (at, slacks, value) = (next, next_slacks, next_value);
                    break;
                }
                step *= 0.5;
                if step < 1e-10 {
                    // Rounding hides any further decrease.
                    return Ok((at, value));
                }
            }
        }
        Ok((at, value))
    }

    /// `1 - t (z, 1) v` of each sample.
    fn slacks(&self, at: &Matrix) -> Vec<f64> {
        let scores = at.transpose() * self.samples;
        let pairs = scores.iter().zip(&self.signs);
        pairs.map(|(score, sign)| 1.0 - sign * score).collect()
    }

    fn value(&self, at: &Matrix, slacks: &[f64]) -> f64 {
        let losses = slacks.iter().map(|slack| slack.max(0.0).powi(2));
        0.5 * at.norm_squared() + self.c * losses.sum::<f64>()
    }
}

//! Penalised multinomial logistic regression, for any linear map from parameters to scores.

use crate::numeric::Matrix;

/// Updates of Newton's method.
const MOST_UPDATES: usize = 50;

/// Norm of the gradient, as a share of that at zero, at which the optimum is reached.
const CONVERGED: f64 = 1e-9;

/// Steps of conjugate gradients for one update.
const MOST_STEPS: usize = 200;

/// A linear map from parameters, of any shape, to the scores of samples.
pub(crate) trait Design {
    /// Shape of the parameters.
    fn shape(&self) -> (usize, usize);

    /// Scores `[n_classes, n_samples]` of parameters.
    fn scores(&self, parameters: &Matrix) -> Matrix;

    /// The adjoint map: a gradient at the scores as a gradient at the parameters.
    fn pull_back(&self, errors: &Matrix) -> Matrix;
}

/// The parameters with the least objective, and the objective.
///
/// ```text
/// min_V 1/2 |V|^2 + c sum_n CE(softmax(offset_n + scores(V)_n), y_n)
/// ```
///
/// The offset is `[n_classes, n_samples]`. The problem is smooth and strongly convex. Newton's method
/// solves it, with conjugate gradients for each update.
pub(crate) fn fit_multinomial(
    design: &impl Design,
    offset: &Matrix,
    labels: &[usize],
    c: f64,
) -> (Matrix, f64) {
    let problem = Problem {
        design,
        offset,
        labels,
        c,
    };
    let (rows, columns) = design.shape();
    let mut at = Matrix::zeros(rows, columns);
    let (mut value, mut probabilities) = problem.evaluate(&at);
    let mut smallest = None;
    for _ in 0..MOST_UPDATES {
        let mut errors = probabilities.clone();
        for (n, &label) in labels.iter().enumerate() {
            errors[(label, n)] -= 1.0;
        }
        let gradient = &at + design.pull_back(&errors) * c;
        let smallest = *smallest.get_or_insert(CONVERGED * gradient.norm());
        if gradient.norm() <= smallest {
            break;
        }
        let direction = problem.newton(&probabilities, &gradient);
        let slope = gradient.dot(&direction);
        let mut step = 1.0;
        loop {
            let next = &at + &direction * step;
            let (next_value, next_probabilities) = problem.evaluate(&next);
            if next_value <= value + 1e-4 * step * slope {
                (at, value, probabilities) = (next, next_value, next_probabilities);
                break;
            }
            step *= 0.5;
            if step < 1e-10 {
                // Rounding hides any further decrease.
                return (at, value);
            }
        }
    }
    (at, value)
}

/// Turns each column of scores into probabilities, and returns the sum of the cross-entropies.
pub(crate) fn softmax_columns(scores: &mut Matrix, labels: &[usize]) -> f64 {
    let mut loss = 0.0;
    for (mut scores, &label) in scores.column_iter_mut().zip(labels) {
        let largest = scores.max();
        let own = scores[label] - largest;
        scores.apply(|score| *score = (*score - largest).exp());
        let sum = scores.sum();
        loss += sum.ln() - own;
        scores.unscale_mut(sum);
    }
    loss
}

struct Problem<'a, D> {
    design: &'a D,
    offset: &'a Matrix,
    labels: &'a [usize],
    c: f64,
}

impl<D: Design> Problem<'_, D> {
    /// The objective, and the probabilities of the classes, `[n_classes, n_samples]`.
    fn evaluate(&self, at: &Matrix) -> (f64, Matrix) {
        let mut scores = self.design.scores(at) + self.offset;
        let loss = softmax_columns(&mut scores, self.labels);
        (0.5 * at.norm_squared() + self.c * loss, scores)
    }

    /// The direction of Newton's method: the solution of `H d = -gradient`.
    fn newton(&self, probabilities: &Matrix, gradient: &Matrix) -> Matrix {
        let curvature = |direction: &Matrix| {
            let mut change = self.design.scores(direction).component_mul(probabilities);
            let columns = change.column_iter_mut().zip(probabilities.column_iter());
            for (mut change, probabilities) in columns {
                let sum = change.sum();
                change.axpy(-sum, &probabilities, 1.0);
            }
            direction + self.design.pull_back(&change) * self.c
        };
        let mut found = Matrix::zeros(gradient.nrows(), gradient.ncols());
        let mut residual = -gradient;
        let mut towards = residual.clone();
        let mut squared = residual.norm_squared();
        let enough = (1e-6 * gradient.norm()).powi(2);
        for _ in 0..MOST_STEPS {
            if squared <= enough {
                break;
            }
            let curved = curvature(&towards);
            let step = squared / towards.dot(&curved);
            found += &towards * step;
            residual -= curved * step;
            let next = residual.norm_squared();
            towards = &residual + towards * (next / squared);
            squared = next;
        }
        found
    }
}

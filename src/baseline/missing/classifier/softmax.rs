//! A softmax layer with a quadratic penalty.

use crate::numeric::Matrix;

/// Updates of Newton's method.
const MOST_UPDATES: usize = 50;

/// Norm of the gradient, as a share of that at zero, at which the optimum is reached.
const CONVERGED: f64 = 1e-9;

/// Steps of conjugate gradients for one update.
const MOST_STEPS: usize = 200;

/// Weights of each class with the intercept last, `[width + 1, n_classes]`, for `samples`,
/// `[width + 1, n_samples]` with ones in the last row, and the objective.
///
/// ```text
/// min_V 1/2 |V|^2 + c sum_n CE(softmax((z_n, 1) V), y_n)
/// ```
///
/// The problem is smooth and strongly convex. Newton's method solves it, with conjugate gradients for
/// each update.
pub(super) fn fit(samples: &Matrix, labels: &[usize], n_classes: usize, c: f64) -> (Matrix, f64) {
    let mut at = Matrix::zeros(samples.nrows(), n_classes);
    let (mut value, mut probabilities) = evaluate(samples, labels, &at, c);
    let mut smallest = None;
    for _ in 0..MOST_UPDATES {
        let mut errors = probabilities.clone();
        for (n, &label) in labels.iter().enumerate() {
            errors[(label, n)] -= 1.0;
        }
        let gradient = &at + samples * errors.transpose() * c;
        let smallest = *smallest.get_or_insert(CONVERGED * gradient.norm());
        if gradient.norm() <= smallest {
            break;
        }
        let direction = newton(samples, &probabilities, &gradient, c);
        let slope = gradient.dot(&direction);
        let mut step = 1.0;
        loop {
            let next = &at + &direction * step;
            let (next_value, next_probabilities) = evaluate(samples, labels, &next, c);
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

/// The objective, and the probabilities of the classes, `[n_classes, n_samples]`.
fn evaluate(samples: &Matrix, labels: &[usize], at: &Matrix, c: f64) -> (f64, Matrix) {
    let mut scores = at.transpose() * samples;
    let mut loss = 0.0;
    for (mut scores, &label) in scores.column_iter_mut().zip(labels) {
        let largest = scores.max();
        let own = scores[label] - largest;
        scores.apply(|score| *score = (*score - largest).exp());
        let sum = scores.sum();
        loss += sum.ln() - own;
        scores.unscale_mut(sum);
    }
    (0.5 * at.norm_squared() + c * loss, scores)
}

/// The direction of Newton's method: the solution of `H d = -gradient`.
fn newton(samples: &Matrix, probabilities: &Matrix, gradient: &Matrix, c: f64) -> Matrix {
    let curvature = |direction: &Matrix| {
        let mut change = (direction.transpose() * samples).component_mul(probabilities);
        let columns = change.column_iter_mut().zip(probabilities.column_iter());
        for (mut change, probabilities) in columns {
            let sum = change.sum();
            change.axpy(-sum, &probabilities, 1.0);
        }
        direction + samples * change.transpose() * c
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

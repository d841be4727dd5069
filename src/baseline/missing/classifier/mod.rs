//! The linear classifier on the projections of CCA, DCCA and DCCAE.

mod softmax;
mod svm;

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{DType, Device, Tensor};

use crate::baseline::missing::whole_set::FitValues;
use crate::error::Result;
use crate::module::Buffer;
use crate::numeric::Matrix;

/// The classifier that is fitted to the projections of a correlation analysis.
///
/// Both penalise their weights and the intercept, with one weight `c` for the losses of all samples. They are
/// solved to the optimum on the host in f64.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum LinearClassifier {
    /// A linear support vector machine, one class against the rest: the primal problem of liblinear with
    /// squared hinge losses, `1/2 |v|^2 + c sum_n max(0, 1 - t_n (z_n, 1) v)^2`. Its logits are the
    /// decision values.
    Svm,
    /// A softmax layer, `1/2 |V|^2 + c sum_n CE((z_n, 1) V, y_n)`.
    Softmax,
}

impl LinearClassifier {
    /// The weights and intercepts, `[width + 1, n_classes]`, for projections `[width, n_samples]`, and the
    /// objective.
    pub(super) fn fit(
        self,
        projections: &Matrix,
        labels: &[usize],
        n_classes: usize,
        c: f64,
    ) -> Result<(Matrix, f64)> {
        let width = projections.nrows();
        let samples = projections.clone().insert_row(width, 1.0);
        match self {
            Self::Svm => svm::fit(&samples, labels, n_classes, c),
            Self::Softmax => Ok(softmax::fit(&samples, labels, n_classes, c)),
        }
    }
}

/// A linear layer whose weights are fitted, not trained.
#[derive(Module, Debug)]
pub(super) struct FittedLinear {
    /// `[width, n_classes]`.
    weight: Buffer<2>,
    /// `[n_classes]`.
    bias: Buffer<1>,
}

impl FittedLinear {
    /// A layer whose logits are 0.
    pub(super) fn zeros(width: usize, n_classes: usize, device: &Device) -> Self {
        let options = (&device.clone().inner(), DType::F32);
        Self {
            weight: Buffer::new(Tensor::zeros([width, n_classes], options)),
            bias: Buffer::new(Tensor::zeros([n_classes], options)),
        }
    }

    /// `[n_samples, n_classes]`
    pub(super) fn forward(&self, projections: Tensor<2>) -> Tensor<2> {
        projections.matmul(self.weight.get()) + self.bias.get().unsqueeze_dim::<2>(0)
    }

    pub(super) fn n_classes(&self) -> usize {
        self.bias.dims()[0]
    }

    /// Adds weights and intercepts, `[width + 1, n_classes]`, to what a fit found.
    pub(super) fn fitted(&self, weights: &Matrix, values: &mut FitValues) {
        let width = weights.nrows() - 1;
        values.matrix(&self.weight, &weights.rows(0, width).clone_owned());
        let bias: Vec<f64> = weights.row(width).iter().copied().collect();
        values.vector(&self.bias, &bias);
    }
}

/// Matrices of the same number of columns, one below the other.
pub(super) fn stacked(parts: &[Matrix]) -> Matrix {
    let n_rows = parts.iter().map(Matrix::nrows).sum();
    let mut all = Matrix::zeros(n_rows, parts[0].ncols());
    let mut begin = 0;
    for part in parts {
        all.rows_mut(begin, part.nrows()).copy_from(part);
        begin += part.nrows();
    }
    all
}

/// The logits, `[n_classes, n_samples]`, of projections, `[width, n_samples]`, by weights with the
/// intercept last.
pub(super) fn logits(weights: &Matrix, projections: &Matrix) -> Matrix {
    let width = projections.nrows();
    let mut logits = weights.rows(0, width).transpose() * projections;
    for mut column in logits.column_iter_mut() {
        column += weights.row(width).transpose();
    }
    logits
}

#[cfg(all(test, feature = "train"))]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::baseline::missing::golden::Golden;

    #[rstest]
    #[case("cca/pairs_2_views")]
    #[case("cca/pairs_3_views")]
    #[case("cca/pairs_4_views")]
    fn weights_are_those_of_liblinear(#[case] name: &str) {
        let golden = Golden::load(name);
        let n_train = golden.size("n_train");
        let labels = golden.values("labels")[..n_train].iter();
        let labels: Vec<usize> = labels.map(|&label| label as usize).collect();
        let bias = golden.values("svm_bias");
        let n_classes = bias.len();
        let expected = golden.values("svm_weight");
        let width = expected.len() / n_classes;
        let z = &golden.values("z")[..n_train * width];
        let z = Matrix::from_column_slice(width, n_train, z);
        let c = golden.meta["svm_c"].as_f64().unwrap();
        let (found, _) = LinearClassifier::Svm
            .fit(&z, &labels, n_classes, c)
            .unwrap();
        for (i, expected) in expected.iter().chain(bias).enumerate() {
            let found = found[(i / n_classes, i % n_classes)];
            assert!((found - expected).abs() < 1e-9, "{i}: {found}, {expected}");
        }
    }

    /// Samples around the corners of a square, `[2, 4 n]`, and their labels.
    fn corners(n: usize) -> (Matrix, Vec<usize>) {
        let labels: Vec<usize> = (0..4 * n).map(|i| i % 4).collect();
        let entry = |row: usize, at: usize| {
            let corner = [[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]][at % 4][row];
            corner + 0.3 * ((1 + at * 2 + row) as f64 * 1.7).sin()
        };
        (Matrix::from_fn(2, 4 * n, entry), labels)
    }

    #[rstest]
    #[case(LinearClassifier::Svm)]
    #[case(LinearClassifier::Softmax)]
    fn the_objective_is_least_and_classes_are_told_apart(#[case] classifier: LinearClassifier) {
        let (samples, labels) = corners(20);
        let (weights, objective) = classifier.fit(&samples, &labels, 4, 0.5).unwrap();
        let extended = samples.clone().insert_row(2, 1.0);
        let value = |weights: &Matrix| -> f64 {
            let scores = weights.transpose() * &extended;
            let mut value = 0.5 * weights.norm_squared();
            for (scores, &label) in scores.column_iter().zip(&labels) {
                value += 0.5
                    * match classifier {
                        LinearClassifier::Svm => (0..4)
                            .map(|class| {
                                let sign = if class == label { 1.0 } else { -1.0 };
                                (1.0 - sign * scores[class]).max(0.0).powi(2)
                            })
                            .sum::<f64>(),
                        LinearClassifier::Softmax => {
                            scores.iter().map(|score| score.exp()).sum::<f64>().ln() - scores[label]
                        }
                    };
            }
            value
        };
        assert!((value(&weights) - objective).abs() < 1e-9);
        for at in 0..weights.len() {
            for change in [1e-3, -1e-3] {
                let mut changed = weights.clone();
                changed[at] += change;
                assert!(value(&changed) > objective, "{at}");
            }
        }
        let scores = weights.transpose() * &extended;
        for (scores, &label) in scores.column_iter().zip(&labels) {
            assert_eq!(scores.argmax().0, label);
        }
    }

    #[rstest]
    #[case(LinearClassifier::Svm)]
    #[case(LinearClassifier::Softmax)]
    fn samples_without_difference_or_of_one_class_have_an_optimum(
        #[case] classifier: LinearClassifier,
    ) {
        let zeros = Matrix::zeros(3, 6);
        for labels in [[0, 0, 0, 0, 0, 0], [0, 1, 0, 1, 1, 0]] {
            let (weights, objective) = classifier.fit(&zeros, &labels, 3, 0.01).unwrap();
            assert!(objective.is_finite() && weights.iter().all(|x| x.is_finite()));
            assert_eq!(weights.rows(0, 3).amax(), 0.0);
        }
    }
}

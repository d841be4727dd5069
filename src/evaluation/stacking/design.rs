//! The linear maps of a learnt fusion, from its parameters to scores.

use serde::{Deserialize, Serialize};

use crate::error::{Result, same_size};
use crate::evaluation::stacking::StackingWeights;
use crate::evaluation::stacking::samples::Samples;
use crate::numeric::{Design, Matrix};

/// One weight per source, `[n_sources, 1]`.
pub(super) struct PerSource<'a>(pub(super) &'a Samples);

impl Design for PerSource<'_> {
    fn shape(&self) -> (usize, usize) {
        (self.0.sources.len(), 1)
    }

    fn scores(&self, weights: &Matrix) -> Matrix {
        self.0.weighted(weights.as_slice())
    }

    fn pull_back(&self, errors: &Matrix) -> Matrix {
        let products = self.0.sources.iter().map(|source| source.dot(errors));
        Matrix::from_iterator(self.0.sources.len(), 1, products)
    }
}

/// Scales, then biases, `[n_classes, 2 n_sources]`.
pub(super) struct PerClass<'a>(pub(super) &'a Samples);

impl Design for PerClass<'_> {
    fn shape(&self) -> (usize, usize) {
        (self.0.n_classes, 2 * self.0.sources.len())
    }

    fn scores(&self, parameters: &Matrix) -> Matrix {
        let n_sources = self.0.sources.len();
        let mut scores = parameters.columns(n_sources, n_sources) * &self.0.presence;
        for (s, source) in self.0.sources.iter().enumerate() {
            let scales = parameters.column(s);
            for (mut scores, x) in scores.column_iter_mut().zip(source.column_iter()) {
                scores += scales.component_mul(&x);
            }
        }
        scores
    }

    fn pull_back(&self, errors: &Matrix) -> Matrix {
        let n_sources = self.0.sources.len();
        let mut gradient = Matrix::zeros(self.0.n_classes, 2 * n_sources);
        for (s, source) in self.0.sources.iter().enumerate() {
            gradient.set_column(s, &source.component_mul(errors).column_sum());
        }
        let biases = errors * self.0.presence.transpose();
        gradient
            .columns_mut(n_sources, n_sources)
            .copy_from(&biases);
        gradient
    }
}

/// A linear layer on features, `[n_features, n_classes]`.
pub(super) struct Full {
    /// `[n_features, n_samples]`: log-probabilities, presence and entropies.
    features: Matrix,
    n_classes: usize,
}

impl Full {
    pub(super) fn new(samples: &Samples) -> Self {
        let (n_sources, n_classes) = (samples.sources.len(), samples.n_classes);
        let mut features = Matrix::zeros(n_sources * (n_classes + 2), samples.len());
        for (s, source) in samples.sources.iter().enumerate() {
            features
                .rows_mut(s * n_classes, n_classes)
                .copy_from(source);
        }
        let at = n_sources * n_classes;
        features
            .rows_mut(at, n_sources)
            .copy_from(&samples.presence);
        let entropies = samples.entropies();
        features
            .rows_mut(at + n_sources, n_sources)
            .copy_from(&entropies);
        Self {
            features,
            n_classes,
        }
    }
}

impl Design for Full {
    fn shape(&self) -> (usize, usize) {
        (self.features.nrows(), self.n_classes)
    }

    fn scores(&self, weights: &Matrix) -> Matrix {
        weights.transpose() * &self.features
    }

    fn pull_back(&self, errors: &Matrix) -> Matrix {
        &self.features * errors.transpose()
    }
}

/// Term added to the weighted sum of the sources.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Residual {
    Nothing,
    /// Parameters of [`PerClass`], column by column.
    PerClass(Vec<f64>),
    /// Parameters of [`Full`], column by column.
    Full(Vec<f64>),
}

impl Residual {
    /// The residual with the least objective.
    pub(super) fn fit(
        weights: StackingWeights,
        samples: &Samples,
        offset: &Matrix,
        strength: f64,
    ) -> Self {
        let labels = &samples.labels;
        if strength == 0.0 {
            return Self::Nothing;
        }
        match weights {
            StackingWeights::PerSource => Self::Nothing,
            StackingWeights::PerClass => {
                Self::PerClass(fit(&PerClass(samples), offset, labels, strength))
            }
            StackingWeights::Full => Self::Full(fit(&Full::new(samples), offset, labels, strength)),
        }
    }

    /// Checks the number of parameters.
    ///
    /// # Errors
    ///
    /// [`MlaError::Size`](crate::MlaError::Size) for another one.
    pub(super) fn check(&self, n_sources: usize, n_classes: usize) -> Result<()> {
        let (per_class, parameters) = match self {
            Self::Nothing => return Ok(()),
            Self::PerClass(parameters) => (n_sources.saturating_mul(2), parameters),
            Self::Full(parameters) => {
                let of_source = n_classes.saturating_add(2);
                (n_sources.saturating_mul(of_source), parameters)
            }
        };
        let expected = per_class.saturating_mul(n_classes);
        let what = "parameters of a stored fusion";
        same_size(what, expected, parameters.len())
    }

    /// Adds the residual of samples to their scores.
    pub(super) fn add_to(&self, scores: &mut Matrix, samples: &Samples) {
        match self {
            Self::Nothing => {}
            Self::PerClass(parameters) => add(&PerClass(samples), parameters, scores),
            Self::Full(parameters) => add(&Full::new(samples), parameters, scores),
        }
    }
}

fn fit(design: &impl Design, offset: &Matrix, labels: &[usize], strength: f64) -> Vec<f64> {
    let (parameters, _) = crate::numeric::fit_multinomial(design, offset, labels, strength);
    parameters.as_slice().to_vec()
}

fn add(design: &impl Design, parameters: &[f64], scores: &mut Matrix) {
    let (rows, columns) = design.shape();
    *scores += design.scores(&Matrix::from_column_slice(rows, columns, parameters));
}

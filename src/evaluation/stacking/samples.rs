//! The outputs of a model as log-probabilities on the host.

use burn::tensor::Tensor;

use crate::error::{MlaError, Result};
use crate::evaluation::stacking::{check_sizes, no_prediction};
use crate::method::EvaluationOutput;
use crate::numeric::{Matrix, read_columns};

/// Log-probabilities of the sources of samples: the modalities, then the fused prediction.
#[derive(Debug, Clone)]
pub(super) struct Samples {
    pub(super) n_modalities: usize,
    pub(super) n_classes: usize,
    fused: bool,
    /// `[n_classes, n_samples]` per source, 0 where a sample lacks it.
    pub(super) sources: Vec<Matrix>,
    /// `[n_sources, n_samples]`, 1 or 0.
    pub(super) presence: Matrix,
    pub(super) labels: Vec<usize>,
}

impl Samples {
    pub(super) fn new(n_modalities: usize, n_classes: usize, fused: bool) -> Self {
        let n_sources = n_modalities + usize::from(fused);
        Self {
            n_modalities,
            n_classes,
            fused,
            sources: vec![Matrix::zeros(n_classes, 0); n_sources],
            presence: Matrix::zeros(n_sources, 0),
            labels: vec![],
        }
    }

    pub(super) fn len(&self) -> usize {
        self.presence.ncols()
    }

    pub(super) fn add(&mut self, output: &EvaluationOutput) -> Result<()> {
        output.targets.check_single("stacking")?;
        output.targets.check(self.n_classes)?;
        self.add_unlabelled(output)?;
        let labels = output.targets.labels().iter();
        // Checked: not negative.
        self.labels.extend(labels.map(|&label| label as usize));
        Ok(())
    }

    pub(super) fn add_unlabelled(&mut self, output: &EvaluationOutput) -> Result<()> {
        let each = output.modalities.as_ref().ok_or_else(no_prediction)?;
        let found = [each.n_modalities(), each.n_classes()];
        check_sizes([self.n_modalities, self.n_classes], found)?;
        let n_samples = each.n_samples();
        let mut sources = vec![];
        let mut presence = Matrix::from_element(self.sources.len(), n_samples, 1.0);
        for modality in 0..self.n_modalities {
            let error = |sample| MlaError::NonFinitePrediction { modality, sample };
            let mut values = log_probabilities(each.present_logits(modality), error)?;
            for sample in 0..n_samples {
                if !each.presence().is_present(sample, modality) {
                    presence[(modality, sample)] = 0.0;
                    values.column_mut(sample).fill(0.0);
                }
            }
            sources.push(values);
        }
        if self.fused {
            let error = |sample| MlaError::NonFiniteFusion { sample };
            sources.push(log_probabilities(output.logits.clone(), error)?);
        }
        for (all, new) in self.sources.iter_mut().zip(sources) {
            *all = beside(all, &new);
        }
        self.presence = beside(&self.presence, &presence);
        Ok(())
    }

    /// `sum_s w_s x_s`, `[n_classes, n_samples]`.
    pub(super) fn weighted(&self, weights: &[f64]) -> Matrix {
        let mut sum = Matrix::zeros(self.n_classes, self.len());
        for (source, &weight) in self.sources.iter().zip(weights) {
            sum += source * weight;
        }
        sum
    }

    /// The entropy of each source, `[n_sources, n_samples]`, in nats, 0 where a sample lacks it.
    pub(super) fn entropies(&self) -> Matrix {
        Matrix::from_fn(self.sources.len(), self.len(), |source, sample| {
            let log_p = self.sources[source].column(sample);
            -log_p.iter().map(|x| x * x.exp()).sum::<f64>() * self.presence[(source, sample)]
        })
    }

    /// The samples at some positions.
    pub(super) fn select(&self, at: &[usize]) -> Self {
        Self {
            sources: self.sources.iter().map(|x| x.select_columns(at)).collect(),
            presence: self.presence.select_columns(at),
            labels: at.iter().map(|&i| self.labels[i]).collect(),
            ..*self
        }
    }
}

fn beside(left: &Matrix, right: &Matrix) -> Matrix {
    let mut all = Matrix::zeros(left.nrows(), left.ncols() + right.ncols());
    all.columns_mut(0, left.ncols()).copy_from(left);
    all.columns_mut(left.ncols(), right.ncols())
        .copy_from(right);
    all
}

/// Log-probabilities `[n_classes, n_samples]` of logits. `error` is that of a sample that is not finite.
fn log_probabilities(logits: Tensor<2>, error: impl Fn(usize) -> MlaError) -> Result<Matrix> {
    let mut values = read_columns(logits, "logits to stack")?;
    for (sample, mut column) in values.column_iter_mut().enumerate() {
        if column.iter().any(|x| !x.is_finite()) {
            return Err(error(sample));
        }
        let largest = column.max();
        let sum: f64 = column.iter().map(|x| (x - largest).exp()).sum();
        let log_sum = largest + sum.ln();
        column.add_scalar_mut(-log_sum);
    }
    Ok(values)
}

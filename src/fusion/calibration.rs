//! Temperature scaling: the temperature that fits logits to labels.

use burn::tensor::Tensor;

use crate::error::{MlaError, Result, same_size};
use crate::modality::Targets;

/// Bound of the search of [`fit_temperature`] over `log T`, which is 1/50 to 50 in `T`.
const LOG_RANGE: f64 = 3.912;
const TOLERANCE: f64 = 1e-4;

/// Fits the temperature `T` that minimises the negative log-likelihood of `softmax(logits / T)`.
///
/// Temperature scaling (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017):
/// one number per modality. Fit it on validation data, never on test data. The loss is unimodal in
/// `T`, and a golden-section search over `log T` finds its minimum, in f64 on the host.
///
/// The result lies in `[0.02, 50]`. Logits that are right for every sample end at the lower bound,
/// uninformative logits at the upper bound.
///
/// # Errors
///
/// [`MlaError`] for no sample, different numbers of logits and labels, a label out of range, or
/// logits that are not finite.
pub fn fit_temperature(logits: Tensor<2>, targets: &Targets) -> Result<f64> {
    let split = Split::read(logits, targets)?;
    let nll = |log_t: f64| split.negative_log_likelihood(log_t.exp());
    let ratio = (5f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = (-LOG_RANGE, LOG_RANGE);
    let (mut left, mut right) = (high - ratio * (high - low), low + ratio * (high - low));
    let (mut nll_left, mut nll_right) = (nll(left), nll(right));
    while high - low > TOLERANCE {
        if nll_left <= nll_right {
            (high, right, nll_right) = (right, left, nll_left);
            left = high - ratio * (high - low);
            nll_left = nll(left);
        } else {
            (low, left, nll_left) = (left, right, nll_right);
            right = low + ratio * (high - low);
            nll_right = nll(right);
        }
    }
    Ok(((low + high) / 2.0).exp())
}

/// Mean negative log-likelihood of `softmax(logits / temperature)`, in nats.
///
/// # Errors
///
/// As [`fit_temperature`].
pub fn negative_log_likelihood(
    logits: Tensor<2>,
    targets: &Targets,
    temperature: f64,
) -> Result<f64> {
    let temperature = crate::error::positive("temperature", temperature)?;
    Ok(Split::read(logits, targets)?.negative_log_likelihood(temperature))
}

/// Logits and labels on the host.
struct Split {
    logits: Vec<f64>,
    labels: Vec<usize>,
    n_classes: usize,
}

impl Split {
    fn read(logits: Tensor<2>, targets: &Targets) -> Result<Self> {
        let [n_samples, n_classes] = logits.dims();
        same_size("labels of a split", n_samples, targets.len())?;
        if n_samples == 0 {
            return Err(MlaError::Empty { what: "the split" });
        }
        targets.check(n_classes)?;
        let logits: Vec<f64> = logits
            .try_into_vec_as::<f32>()
            .map_err(MlaError::read("logits"))?
            .into_iter()
            .map(f64::from)
            .collect();
        if let Some(at) = logits.iter().position(|logit| !logit.is_finite()) {
            return Err(MlaError::NonFiniteLogits {
                sample: at / n_classes,
            });
        }
        Ok(Self {
            logits,
            labels: targets
                .labels()
                .iter()
                .map(|&label| label as usize)
                .collect(),
            n_classes,
        })
    }

    fn negative_log_likelihood(&self, temperature: f64) -> f64 {
        let rows = self.logits.chunks_exact(self.n_classes);
        let losses = rows.zip(&self.labels).map(|(row, &label)| {
            let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = row.iter().map(|z| ((z - max) / temperature).exp()).sum();
            sum.ln() - (row[label] - max) / temperature
        });
        losses.sum::<f64>() / self.labels.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};
    use rand::{Rng, SeedableRng, rngs::StdRng};

    /// Labels drawn from `softmax(z)` with logits `scale * z`.
    fn overconfident(scale: f32) -> (Tensor<2>, Targets) {
        let device = Device::flex();
        let mut rng = StdRng::seed_from_u64(7);
        let (n, c) = (4000, 5);
        let mut uniform = || f64::from(rng.next_u32()) / f64::from(u32::MAX);
        let (mut logits, mut labels) = (vec![], vec![]);
        for _ in 0..n {
            let row: Vec<f64> = (0..c).map(|_| 4.0 * uniform() - 2.0).collect();
            let total: f64 = row.iter().map(|z| z.exp()).sum();
            let mut left = uniform() * total;
            let label = row.iter().position(|z| {
                left -= z.exp();
                left <= 0.0
            });
            labels.push(label.unwrap_or(c - 1));
            logits.extend(row.iter().map(|&z| z as f32 * scale));
        }
        let logits = Tensor::from_data(TensorData::new(logits, [n, c]), &device);
        (logits, Targets::new(labels, &device))
    }

    #[test]
    fn finds_the_scale_that_made_the_logits_overconfident() {
        for scale in [0.25, 1.0, 6.0] {
            let (logits, targets) = overconfident(scale);
            let temperature = fit_temperature(logits.clone(), &targets).unwrap();
            let error = temperature / f64::from(scale) - 1.0;
            assert!(error.abs() < 0.08, "{temperature} for {scale}");
            let at = |t| negative_log_likelihood(logits.clone(), &targets, t).unwrap();
            assert!(at(temperature) <= at(1.0));
            assert!(at(temperature) <= at(temperature * 1.05));
            assert!(at(temperature) <= at(temperature / 1.05));
        }
    }

    #[test]
    fn perfect_logits_end_at_the_lower_end_of_the_range() {
        let device = Device::flex();
        let logits = Tensor::from_floats([[5.0, 0.0], [0.0, 5.0]], &device);
        let temperature = fit_temperature(logits, &Targets::new([0, 1], &device)).unwrap();
        assert!((0.019..0.021).contains(&temperature), "{temperature}");
    }

    #[test]
    fn bad_splits_are_refused() {
        let device = Device::flex();
        let logits = Tensor::from_floats([[5.0, 0.0], [0.0, f32::NAN]], &device);
        let fit = |logits: Tensor<2>, labels: Vec<i64>| {
            fit_temperature(logits, &Targets::from_labels(labels, &device)).unwrap_err()
        };
        assert_eq!(
            fit(logits.clone(), vec![0, 1]),
            MlaError::NonFiniteLogits { sample: 1 }
        );
        assert!(matches!(
            fit(logits.clone(), vec![0, 2]),
            MlaError::LabelOutOfRange { .. }
        ));
        assert!(matches!(
            fit(logits.clone(), vec![0]),
            MlaError::Size { .. }
        ));
        let empty = Tensor::zeros([0, 2], &device);
        assert!(matches!(fit(empty, vec![]), MlaError::Empty { .. }));
    }
}

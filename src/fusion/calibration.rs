//! Temperature scaling: the temperature that fits logits to labels.

use burn::tensor::Tensor;

use crate::error::{MlaError, Result, same_size};
use crate::modality::Targets;

/// Bound of the search of [`fit_temperature`] over `log T`, which is 1/50 to 50 in `T`.
const LOG_RANGE: f64 = 3.912;
const TOLERANCE: f64 = 1e-4;

/// Half the number of intervals that the search divides the range into before it refines one.
const HALF_GRID: i32 = 8;

/// Number of samples at which the prior on `log T` has the standard deviation 1.
const PRIOR_SAMPLES: f64 = 16.0;

/// Fits the temperature `T` of `softmax(logits / T)` to labels, regularized toward 1 by the number
/// of samples.
///
/// Temperature scaling (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017):
/// one number per modality. Fit it on validation data, never on test data. With `n` samples, logits
/// `z_i` and labels `y_i`, the temperature minimizes
///
/// ```text
/// mean_i -log softmax(z_i / T)[y_i]  +  (log T)^2 / (2 s^2),   s = n / 16
/// ```
///
/// The second term is a log-normal prior around 1 whose standard deviation `s` grows with the number
/// of samples. A handful of samples therefore hardly changes the logits, whatever they show. From
/// 1000 samples on, the weight of the second term is below 0.0003, and the result is that of the
/// likelihood alone. Flat logits have the temperature 1 for any number of samples.
///
/// The result lies in `[0.02, 50]`. The search is over `log T`, in f64 on the host: a grid, because
/// the sum of both terms can have two minima, and a golden section around its best point.
///
/// # Errors
///
/// [`MlaError`] for no sample, different numbers of logits and labels, a label out of range, or
/// logits that are not finite.
pub fn fit_temperature(logits: Tensor<2>, targets: &Targets) -> Result<f64> {
    let split = Split::read(logits, targets)?;
    let deviation = split.labels.len() as f64 / PRIOR_SAMPLES;
    let loss =
        |log_t: f64| split.negative_log_likelihood(log_t.exp()) + 0.5 * (log_t / deviation).powi(2);
    let step = LOG_RANGE / f64::from(HALF_GRID);
    // Equally good points: the one closest to T = 1.
    let mut grid: Vec<i32> = (-HALF_GRID..=HALF_GRID).collect();
    grid.sort_by_key(|point| point.abs());
    let mut best = (f64::INFINITY, 0.0);
    for log_t in grid.into_iter().map(|point| f64::from(point) * step) {
        let loss = loss(log_t);
        if loss < best.0 {
            best = (loss, log_t);
        }
    }
    let low = (best.1 - step).max(-LOG_RANGE);
    let high = (best.1 + step).min(LOG_RANGE);
    let found = golden_section(low, high, loss);
    let log_t = if loss(found) < best.0 { found } else { best.1 };
    Ok(log_t.exp())
}

/// The point of `[low, high]` with the smallest value of a unimodal function, by golden sections.
fn golden_section(mut low: f64, mut high: f64, value: impl Fn(f64) -> f64) -> f64 {
    let ratio = (5f64.sqrt() - 1.0) / 2.0;
    let (mut left, mut right) = (high - ratio * (high - low), low + ratio * (high - low));
    let (mut value_left, mut value_right) = (value(left), value(right));
    while high - low > TOLERANCE {
        if value_left <= value_right {
            (high, right, value_right) = (right, left, value_left);
            left = high - ratio * (high - low);
            value_left = value(left);
        } else {
            (low, left, value_left) = (left, right, value_right);
            right = low + ratio * (high - low);
            value_right = value(right);
        }
    }
    (low + high) / 2.0
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

    fn fit(rows: Vec<[f32; 2]>, labels: Vec<usize>) -> f64 {
        let device = Device::flex();
        let n = rows.len();
        let logits = Tensor::from_data(TensorData::new(rows.concat(), [n, 2]), &device);
        fit_temperature(logits, &Targets::new(labels, &device)).unwrap()
    }

    /// `ln(0.52 / 0.48)`: the logit of p = 0.52.
    #[test]
    fn a_handful_of_samples_does_not_sharpen() {
        let one = fit(vec![[0.080_04, 0.0]], vec![0]);
        assert!((one - 1.0).abs() < 1e-3, "{one}");
        // `ln(0.7 / 0.3)`: five of five are right.
        let five = fit(vec![[0.847_3, 0.0]; 5], vec![0; 5]);
        assert!((0.95..1.0).contains(&five), "{five}");
        // Nor does it flatten: five of five are wrong.
        let wrong = fit(vec![[0.847_3, 0.0]; 5], vec![1; 5]);
        assert!((1.0..1.1).contains(&wrong), "{wrong}");
    }

    #[test]
    fn flat_logits_have_the_temperature_1() {
        for n in [1, 10, 5000] {
            assert_eq!(fit(vec![[0.3, 0.3]; n], vec![0; n]), 1.0, "{n}");
        }
    }

    /// Minima over 200,001 temperatures, in Python, of
    /// `log1p(exp(-z / T)) + (16 / n)**2 * log(T)**2 / 2`: all samples right by `z`.
    #[test]
    fn the_prior_has_the_documented_strength() {
        let cases = [
            (20, 0.8473, 0.647_306),
            (100, 2.0, 0.373_570),
            (2000, 5.0, 0.407_448),
            // A second minimum is near 1.
            (1000, 0.001, 0.02),
        ];
        for (n, z, expected) in cases {
            let found = fit(vec![[z, 0.0]; n], vec![0; n]);
            assert!((found / expected - 1.0).abs() < 2e-4, "{n}: {found}");
        }
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

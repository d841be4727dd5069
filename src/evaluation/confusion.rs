//! The confusion matrix: counts of true against predicted classes, and scores from them.

use burn::tensor::Tensor;

use crate::error::{MlaError, Result};

/// Counts of true against predicted classes, with the scores that follow from them.
///
/// ```
/// use burn_mla::evaluation::Confusion;
///
/// let mut confusion = Confusion::new(3);
/// for (truth, predicted) in [(0, 0), (0, 1), (1, 1), (2, 2)] {
///     confusion.add(truth, predicted)?;
/// }
/// assert_eq!(confusion.accuracy(), 0.75);
/// # Ok::<(), burn_mla::MlaError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    n_classes: usize,
    /// Row-major `[truth][predicted]`.
    counts: Vec<u64>,
}

impl Confusion {
    /// A matrix without samples.
    pub fn new(n_classes: usize) -> Self {
        Self {
            n_classes,
            counts: vec![0; n_classes * n_classes],
        }
    }

    /// Adds a sample.
    ///
    /// # Errors
    ///
    /// [`MlaError::LabelOutOfRange`] for a class that does not exist.
    pub fn add(&mut self, truth: usize, predicted: usize) -> Result<()> {
        for label in [truth, predicted] {
            if label >= self.n_classes {
                return Err(MlaError::LabelOutOfRange {
                    label: label as i64,
                    sample: self.n_samples(),
                    n_classes: self.n_classes,
                });
            }
        }
        self.counts[truth * self.n_classes + predicted] += 1;
        Ok(())
    }

    /// Adds the samples at `rows` of `logits`, `[n_samples, n_classes]`. Of equal logits, the first
    /// class is predicted.
    ///
    /// # Errors
    ///
    /// [`MlaError::LabelOutOfRange`] and [`MlaError::DeviceRead`].
    ///
    /// # Panics
    ///
    /// If a row is out of range of the logits or the labels.
    pub fn add_logits(&mut self, logits: Tensor<2>, labels: &[i64], rows: &[usize]) -> Result<()> {
        let predicted: Vec<i64> = logits
            .argmax(1)
            .squeeze_dim::<1>(1)
            .try_into_vec_as()
            .map_err(MlaError::read("predictions"))?;
        for &row in rows {
            let truth = usize::try_from(labels[row]).map_err(|_| MlaError::LabelOutOfRange {
                label: labels[row],
                sample: row,
                n_classes: self.n_classes,
            })?;
            self.add(truth, predicted[row] as usize)?;
        }
        Ok(())
    }

    /// Number of samples added.
    pub fn n_samples(&self) -> usize {
        self.counts.iter().sum::<u64>() as usize
    }

    /// Number of samples of class `truth` that were predicted as class `predicted`.
    ///
    /// # Panics
    ///
    /// If a class does not exist.
    pub fn count(&self, truth: usize, predicted: usize) -> u64 {
        assert!(truth < self.n_classes && predicted < self.n_classes);
        self.counts[truth * self.n_classes + predicted]
    }

    /// Number of correct predictions.
    pub fn n_correct(&self) -> usize {
        let correct = (0..self.n_classes).map(|class| self.count(class, class));
        correct.sum::<u64>() as usize
    }

    /// Share of correct predictions; NaN without samples.
    pub fn accuracy(&self) -> f64 {
        self.n_correct() as f64 / self.n_samples() as f64
    }

    /// Mean of `2 tp / (2 tp + fp + fn)` over the classes that occur as truth or as prediction; NaN
    /// without samples.
    pub fn macro_f1(&self) -> f64 {
        let scores: Vec<f64> = (0..self.n_classes)
            .filter_map(|class| self.f1(class))
            .collect();
        scores.iter().sum::<f64>() / scores.len() as f64
    }

    fn f1(&self, class: usize) -> Option<f64> {
        let correct = self.count(class, class);
        let truths: u64 = (0..self.n_classes)
            .map(|other| self.count(class, other))
            .sum();
        let predictions: u64 = (0..self.n_classes)
            .map(|other| self.count(other, class))
            .sum();
        (truths + predictions > 0).then(|| 2.0 * correct as f64 / (truths + predictions) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn scores_of_a_table_worked_by_hand() {
        let mut confusion = Confusion::new(4);
        for (truth, predicted, n) in [(0, 0, 3), (0, 1, 1), (1, 1, 2), (1, 0, 2), (2, 2, 2)] {
            (0..n).for_each(|_| confusion.add(truth, predicted).unwrap());
        }
        assert_eq!(confusion.n_samples(), 10);
        assert_eq!(confusion.accuracy(), 0.7);
        // F1: 6/9, 4/7, 1; class 3 does not occur.
        let expected = (6.0 / 9.0 + 4.0 / 7.0 + 1.0) / 3.0;
        assert!((confusion.macro_f1() - expected).abs() < 1e-12);
    }

    #[test]
    fn nothing_counted_scores_nan() {
        assert!(Confusion::new(2).accuracy().is_nan());
        assert!(Confusion::new(2).macro_f1().is_nan());
    }

    #[test]
    fn only_the_rows_asked_for_count() {
        let logits = Tensor::from_floats([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], &Device::flex());
        let mut confusion = Confusion::new(2);
        confusion
            .add_logits(logits.clone(), &[0, 0, 1], &[0, 2])
            .unwrap();
        assert_eq!(confusion.accuracy(), 1.0);
        assert!(confusion.add_logits(logits, &[0, 0, -1], &[2]).is_err());
    }
}

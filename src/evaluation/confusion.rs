//! Counts of correct and wrong predictions per class, and scores from them.

use burn::tensor::Tensor;

use crate::error::{MlaError, Result};

/// Counts of true classes, predicted classes and correct predictions, with the scores that follow
/// from them.
///
/// The memory is three counts per class, 24 bytes.
///
/// ```
/// use burn_mla::evaluation::Confusion;
///
/// let mut confusion = Confusion::new(3);
/// for (truth, predicted) in [(0, 0), (0, 1), (1, 1), (2, 2)] {
///     confusion.add(truth, predicted)?;
/// }
/// assert_eq!(confusion.accuracy(), 0.75);
/// assert_eq!((confusion.n_true(0), confusion.n_predicted(1)), (2, 2));
/// # Ok::<(), burn_mla::MlaError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    classes: Vec<ClassCounts>,
}

/// The counts of a class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct ClassCounts {
    truths: u64,
    predictions: u64,
    correct: u64,
}

impl ClassCounts {
    /// `2 tp / (2 tp + fp + fn)`; `None` for a class that does not occur.
    fn f1(&self) -> Option<f64> {
        let occurrences = self.truths + self.predictions;
        (occurrences > 0).then(|| 2.0 * self.correct as f64 / occurrences as f64)
    }
}

impl Confusion {
    /// Counts without samples.
    pub fn new(n_classes: usize) -> Self {
        Self {
            classes: vec![ClassCounts::default(); n_classes],
        }
    }

    /// Adds a sample.
    ///
    /// # Errors
    ///
    /// [`MlaError::LabelOutOfRange`] for a class that does not exist.
    pub fn add(&mut self, truth: usize, predicted: usize) -> Result<()> {
        for label in [truth, predicted] {
            if label >= self.classes.len() {
                return Err(MlaError::LabelOutOfRange {
                    label: label as i64,
                    sample: self.n_samples(),
                    n_classes: self.classes.len(),
                });
            }
        }
        self.classes[truth].truths += 1;
        self.classes[predicted].predictions += 1;
        if truth == predicted {
            self.classes[truth].correct += 1;
        }
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
                n_classes: self.classes.len(),
            })?;
            self.add(truth, predicted[row] as usize)?;
        }
        Ok(())
    }

    /// Number of samples added.
    pub fn n_samples(&self) -> usize {
        self.sum(|class| class.truths)
    }

    /// Number of correct predictions.
    pub fn n_correct(&self) -> usize {
        self.sum(|class| class.correct)
    }

    /// Number of samples of a class.
    ///
    /// # Panics
    ///
    /// If the class does not exist.
    pub fn n_true(&self, class: usize) -> u64 {
        self.classes[class].truths
    }

    /// Number of samples that were predicted as a class.
    ///
    /// # Panics
    ///
    /// If the class does not exist.
    pub fn n_predicted(&self, class: usize) -> u64 {
        self.classes[class].predictions
    }

    /// Share of correct predictions; NaN without samples.
    pub fn accuracy(&self) -> f64 {
        self.n_correct() as f64 / self.n_samples() as f64
    }

    /// Mean of `2 tp / (2 tp + fp + fn)` over the classes that occur as truth or as prediction; NaN
    /// without samples.
    pub fn macro_f1(&self) -> f64 {
        let scores: Vec<f64> = self.classes.iter().filter_map(ClassCounts::f1).collect();
        scores.iter().sum::<f64>() / scores.len() as f64
    }

    fn sum(&self, count: impl Fn(&ClassCounts) -> u64) -> usize {
        self.classes.iter().map(count).sum::<u64>() as usize
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

    /// A matrix of these classes would take 78 TB.
    #[test]
    fn memory_grows_with_the_classes_and_not_with_their_square() {
        let mut confusion = Confusion::new(3_125_000);
        confusion.add(3_000_000, 3_000_000).unwrap();
        confusion.add(3_000_000, 7).unwrap();
        assert_eq!((confusion.n_samples(), confusion.n_correct()), (2, 1));
        let counts = |class| (confusion.n_true(class), confusion.n_predicted(class));
        assert_eq!([3_000_000, 7].map(counts), [(2, 1), (0, 1)]);
        // F1: 2/3 and 0.
        assert!((confusion.macro_f1() - 1.0 / 3.0).abs() < 1e-12);
    }
}

//! The expected calibration error, from predictions added one by one.

use crate::error::{Result, at_least_one};

/// Expected calibration error: the distance of the confidence of predictions from their accuracy
/// (Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017).
///
/// The confidence of a prediction is its highest probability. With `n` samples in bins of equal
/// width, bin `b` of `B` holding the `n_b` confidences in `((b - 1) / B, b / B]`:
///
/// ```text
/// ECE = sum_b n_b / n * |accuracy_b - confidence_b|
/// ```
///
/// It lies in `[0, 1]` and is 0 when confidence equals accuracy. Samples are added one by one, and
/// only the sums of their bins are kept.
///
/// ```
/// use burn_mla::evaluation::CalibrationError;
///
/// let mut calibration = CalibrationError::new(2)?;
/// calibration.add(0.9, true);
/// calibration.add(0.7, false);
/// calibration.add_prediction(&[0.4, 0.3, 0.3], 0); // predicts class 0, with confidence 0.4
/// // The upper bin has 1 of 2 correct at confidence 0.8, the lower 1 of 1 at 0.4.
/// let expected = (2.0 * 0.3 + 1.0 * 0.6) / 3.0;
/// assert!((calibration.value() - expected).abs() < 1e-12);
/// # Ok::<(), burn_mla::MlaError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct CalibrationError {
    bins: Vec<Sums>,
    n_invalid: usize,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Sums {
    n_samples: usize,
    n_correct: usize,
    confidence: f64,
}

/// The predictions of similar confidence: a bar of a reliability diagram.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CalibrationBin {
    /// Confidences are above this, except that the first bin holds 0 too.
    pub lower: f64,
    /// Confidences are at most this.
    pub upper: f64,
    /// Number of samples.
    pub n_samples: usize,
    /// Their mean confidence; NaN without samples.
    pub confidence: f64,
    /// Share of correct predictions; NaN without samples.
    pub accuracy: f64,
}

/// The largest excess of a probability over 1 by rounding in f32.
const ROUNDING: f64 = 1e-5;

impl CalibrationError {
    /// The number of bins of Guo et al.
    pub const DEFAULT_BINS: usize = 15;

    /// An error without samples.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`](crate::MlaError::HyperParameter) for 0 bins.
    pub fn new(n_bins: usize) -> Result<Self> {
        at_least_one("n_bins", n_bins)?;
        Ok(Self {
            bins: vec![Sums::default(); n_bins],
            n_invalid: 0,
        })
    }

    /// Adds a prediction by its confidence, in `[0, 1]`.
    ///
    /// A confidence outside of this range, or NaN, makes [`value`](Self::value) NaN.
    pub fn add(&mut self, confidence: f64, correct: bool) {
        if !(0.0..=1.0 + ROUNDING).contains(&confidence) {
            self.n_invalid += 1;
            return;
        }
        let confidence = confidence.min(1.0);
        let bin = self.bin_of(confidence);
        let bin = &mut self.bins[bin];
        bin.n_samples += 1;
        bin.n_correct += usize::from(correct);
        bin.confidence += confidence;
    }

    /// Position of the bin of a confidence. Edges are compared in f32, the precision of
    /// probabilities: rounded to f32, 1/3 lies above an edge of 5/15 in f64.
    fn bin_of(&self, confidence: f64) -> usize {
        let n_bins = self.bins.len();
        let confidence = confidence as f32;
        let upper = |bin: usize| ((bin + 1) as f64 / n_bins as f64) as f32;
        let near = (f64::from(confidence) * n_bins as f64) as usize;
        let mut bins = near.saturating_sub(1)..n_bins;
        bins.find(|&bin| confidence <= upper(bin))
            .unwrap_or(n_bins - 1)
    }

    /// Adds a prediction by the probabilities of all classes. Of equal probabilities, the first class
    /// is predicted.
    pub fn add_prediction(&mut self, probabilities: &[f64], label: usize) {
        if probabilities.iter().any(|p| p.is_nan()) {
            self.n_invalid += 1;
            return;
        }
        let mut predicted = (0, f64::NEG_INFINITY);
        for (class, &probability) in probabilities.iter().enumerate() {
            if probability > predicted.1 {
                predicted = (class, probability);
            }
        }
        self.add(predicted.1, predicted.0 == label);
    }

    /// Number of samples added.
    pub fn n_samples(&self) -> usize {
        self.n_invalid + self.bins.iter().map(|bin| bin.n_samples).sum::<usize>()
    }

    /// The error, in `[0, 1]`; NaN without samples.
    pub fn value(&self) -> f64 {
        if self.n_invalid > 0 {
            return f64::NAN;
        }
        let gap = |bin: &Sums| (bin.n_correct as f64 - bin.confidence).abs();
        self.bins.iter().map(gap).sum::<f64>() / self.n_samples() as f64
    }

    /// The bins, from the lowest confidence to the highest.
    pub fn bins(&self) -> Vec<CalibrationBin> {
        let n_bins = self.bins.len() as f64;
        let bins = self.bins.iter().enumerate();
        bins.map(|(index, bin)| CalibrationBin {
            lower: index as f64 / n_bins,
            upper: (index + 1) as f64 / n_bins,
            n_samples: bin.n_samples,
            confidence: bin.confidence / bin.n_samples as f64,
            accuracy: bin.n_correct as f64 / bin.n_samples as f64,
        })
        .collect()
    }

    /// Removes all samples.
    pub fn clear(&mut self) {
        self.bins.fill(Sums::default());
        self.n_invalid = 0;
    }
}

/// An error with [`DEFAULT_BINS`](CalibrationError::DEFAULT_BINS) bins and no samples.
impl Default for CalibrationError {
    fn default() -> Self {
        Self {
            bins: vec![Sums::default(); Self::DEFAULT_BINS],
            n_invalid: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_worked_by_hand() {
        let mut calibration = CalibrationError::new(5).unwrap();
        for (confidence, correct) in [
            (0.95, true),
            (0.85, false),
            (0.9, true),
            (0.7, false),
            (0.65, true),
            (0.3, false),
        ] {
            calibration.add(confidence, correct);
        }
        // (0.8, 1]: 3 samples at 0.9, 2 correct; (0.6, 0.8]: 2 at 0.675, 1 correct;
        // (0.2, 0.4]: 1 at 0.3, 0 correct.
        let expected =
            3.0 / 6.0 * (0.9 - 2.0 / 3.0) + 2.0 / 6.0 * (0.675 - 0.5) + 1.0 / 6.0 * (0.3 - 0.0);
        assert!((calibration.value() - expected).abs() < 1e-12);

        let bins = calibration.bins();
        let counts: Vec<usize> = bins.iter().map(|bin| bin.n_samples).collect();
        assert_eq!(counts, [0, 1, 0, 2, 3]);
        assert!((bins[4].confidence - 0.9).abs() < 1e-12);
        assert!((bins[4].accuracy - 2.0 / 3.0).abs() < 1e-12);
        assert!(bins[0].accuracy.is_nan() && bins[0].confidence.is_nan());
        assert_eq!((bins[3].lower, bins[3].upper), (0.6, 0.8));
    }

    #[test]
    fn a_bin_holds_its_upper_edge_and_the_first_holds_0() {
        let mut calibration = CalibrationError::new(4).unwrap();
        for confidence in [0.0, 0.25, 0.5, 1.0, 1.0 + 1e-7] {
            calibration.add(confidence, true);
        }
        let bins = calibration.bins();
        let counts: Vec<usize> = bins.iter().map(|bin| bin.n_samples).collect();
        assert_eq!(counts, [2, 1, 0, 2]);
        assert_eq!(bins[3].confidence, 1.0);
    }

    /// Every edge belongs to the bin below it, in f64 and rounded to f32. The next larger f32
    /// belongs to the bin above.
    #[test]
    fn every_edge_belongs_to_the_lower_bin() {
        let bin_of = |confidence: f64, n_bins: usize| {
            let mut calibration = CalibrationError::new(n_bins).unwrap();
            calibration.add(confidence, true);
            let bins = calibration.bins();
            bins.iter().position(|bin| bin.n_samples == 1).unwrap()
        };
        for n_bins in 1..=60 {
            for edge in 1..=n_bins {
                let exact = edge as f64 / n_bins as f64;
                let rounded = exact as f32;
                assert_eq!(bin_of(exact, n_bins), edge - 1, "{edge} / {n_bins}");
                assert_eq!(
                    bin_of(rounded.into(), n_bins),
                    edge - 1,
                    "{edge} / {n_bins}"
                );
                if edge < n_bins {
                    let above = rounded.next_up().into();
                    assert_eq!(bin_of(above, n_bins), edge, "{edge} / {n_bins}");
                }
            }
        }
    }

    /// The code of Guo et al. puts the two samples into (4/15, 5/15] and (5/15, 6/15]: 51.3 %.
    #[test]
    fn a_tie_of_three_classes_lies_in_the_bin_below_a_third() {
        let mut calibration = CalibrationError::default();
        let third = f64::from(1.0_f32 / 3.0);
        calibration.add_prediction(&[third; 3], 0);
        calibration.add_prediction(&[0.36, 0.32, 0.32], 1);
        let expected = (2.0 / 3.0 + 0.36) / 2.0;
        assert!((calibration.value() - expected).abs() < 1e-7);
    }

    #[test]
    fn confidence_that_is_accuracy_has_no_error() {
        let mut calibration = CalibrationError::default();
        for sample in 0..10 {
            calibration.add(0.7, sample < 7);
        }
        assert!(calibration.value() < 1e-12);
        // Full confidence in wrong predictions is the largest error.
        calibration.clear();
        calibration.add(1.0, false);
        assert_eq!(calibration.value(), 1.0);
    }

    #[test]
    fn the_highest_probability_is_the_confidence() {
        let mut by_rows = CalibrationError::default();
        by_rows.add_prediction(&[0.2, 0.5, 0.3], 1);
        by_rows.add_prediction(&[0.4, 0.4, 0.2], 1);
        let mut by_hand = CalibrationError::default();
        by_hand.add(0.5, true);
        by_hand.add(0.4, false);
        assert_eq!(by_rows, by_hand);
    }

    #[test]
    fn no_sample_and_no_probability_are_nan() {
        assert!(CalibrationError::default().value().is_nan());
        for confidence in [f64::NAN, f64::INFINITY, -0.1, 1.1] {
            let mut calibration = CalibrationError::default();
            calibration.add(0.5, true);
            calibration.add(confidence, true);
            assert!(calibration.value().is_nan());
            assert_eq!(calibration.n_samples(), 2);
        }
        let mut calibration = CalibrationError::default();
        calibration.add_prediction(&[0.9, f64::NAN], 0);
        calibration.add_prediction(&[], 0);
        assert!(calibration.value().is_nan());
        assert!(CalibrationError::new(0).is_err());
    }
}

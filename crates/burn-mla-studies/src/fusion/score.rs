//! Accuracy, loss and calibration of predictions.

use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use burn_mla::evaluation::CalibrationError;
use serde::{Deserialize, Serialize};

/// Accuracy, loss and calibration of predictions.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Score {
    /// In 0..1.
    pub accuracy: f64,
    /// Mean negative log-likelihood in nats.
    pub nll: f64,
    /// Expected calibration error, in 0..1.
    pub ece: f64,
}

/// The confidence of each prediction, and whether it is right.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Confidences(pub Vec<(f32, bool)>);

/// Scores logits, `[n_samples, n_classes]`, in f64 on the host.
pub fn score(logits: Tensor<2>, labels: &[i64]) -> Result<(Score, Confidences), String> {
    let [n_samples, n_classes] = logits.dims();
    let probabilities: Vec<f64> = softmax(logits, 1)
        .try_into_vec_as()
        .map_err(|error| error.to_string())?;
    let mut calibration = CalibrationError::default();
    let mut confidences = Vec::with_capacity(n_samples);
    let (mut n_right, mut loss) = (0, 0.0);
    for (row, &label) in probabilities.chunks_exact(n_classes).zip(labels) {
        let label = label as usize;
        calibration.add_prediction(row, label);
        let (mut predicted, mut confidence) = (0, row[0]);
        for (class, &probability) in row.iter().enumerate().skip(1) {
            if probability > confidence {
                (predicted, confidence) = (class, probability);
            }
        }
        let right = predicted == label;
        n_right += usize::from(right);
        // The smallest probability that f32 can hold bounds the loss of a sample.
        loss -= row[label].max(f64::from(f32::MIN_POSITIVE)).ln();
        confidences.push((confidence as f32, right));
    }
    let score = Score {
        accuracy: n_right as f64 / n_samples as f64,
        nll: loss / n_samples as f64,
        ece: calibration.value(),
    };
    Ok((score, Confidences(confidences)))
}

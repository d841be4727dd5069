//! Cross-entropy (Eq. 2) with label smoothing and class weights.

use burn::config::Config;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::tensor::Tensor;

use crate::error::{Result, fraction, positive, same_size};
use crate::loss::TrainingLoss;
use crate::modality::Targets;

/// Configuration of a [`CrossEntropy`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `label_smoothing` | none | smooths the labels | `[0, 1)` |
/// | `class_weights` | none | weight of each class | each (0, inf) |
#[derive(Config, Debug)]
pub struct CrossEntropyConfig {
    /// Smooths the labels.
    pub label_smoothing: Option<f64>,
    /// Weight of each class.
    pub class_weights: Option<Vec<f64>>,
}

/// Cross-entropy of one label per sample, the loss of a model unless it has another one.
///
/// ```text
/// loss = sum_i w_{y_i} (-log p_i[y_i]) / sum_i w_{y_i},   p_i = softmax(logits_i)
/// ```
///
/// with class weights `w`, 1 by default. Label smoothing `s` replaces the label by `1 - s` plus `s / C`
/// for each of the `C` classes.
#[derive(Debug, Clone)]
pub struct CrossEntropy {
    inner: CrossEntropyLossConfig,
}

impl CrossEntropyConfig {
    /// Checks the values and builds the loss.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`](crate::MlaError::HyperParameter) for a value outside of the ranges
    /// above.
    pub fn init(&self) -> Result<CrossEntropy> {
        if let Some(smoothing) = self.label_smoothing {
            fraction("label_smoothing", smoothing)?;
        }
        for &weight in self.class_weights.iter().flatten() {
            positive("class weight", weight)?;
        }
        let single = |weights: &Vec<f64>| weights.iter().map(|&weight| weight as f32).collect();
        Ok(CrossEntropy {
            inner: CrossEntropyLossConfig::new()
                .with_smoothing(self.label_smoothing.map(|smoothing| smoothing as f32))
                .with_weights(self.class_weights.as_ref().map(single)),
        })
    }
}

impl TrainingLoss for CrossEntropy {
    /// # Errors
    ///
    /// [`MlaError::SeveralLabels`](crate::MlaError::SeveralLabels) for targets with several labels, and
    /// those of [`Targets::check`].
    fn loss(&self, logits: Tensor<2>, targets: &Targets) -> Result<Tensor<1>> {
        targets.check_single("the cross-entropy")?;
        targets.check(logits.dims()[1])?;
        let loss = self.inner.init(&logits.device());
        Ok(loss.forward(logits, targets.tensor()))
    }

    fn weight(&self, targets: &Targets) -> f64 {
        let Some(weights) = &self.inner.weights else {
            return targets.len() as f64;
        };
        let weight = |&label: &i64| weights.get(label as usize).map_or(0.0, |&w| f64::from(w));
        targets.labels().iter().map(weight).sum()
    }

    /// The share of the true class in the smoothed label.
    fn cross_entropy_share(&self, n_classes: usize) -> f64 {
        let smoothing = self.inner.smoothing.map_or(0.0, f64::from);
        1.0 - smoothing + smoothing / n_classes.max(1) as f64
    }

    fn check(&self, n_classes: usize) -> Result<()> {
        match &self.inner.weights {
            Some(weights) => same_size("class weights (one per class)", n_classes, weights.len()),
            None => Ok(()),
        }
    }
}

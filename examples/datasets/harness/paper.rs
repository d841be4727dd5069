//! Settings and results of the paper and of its authors' code.

/// Settings of a training.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// Passes over the data.
    pub epochs: usize,
    /// Samples of a batch.
    pub batch_size: usize,
    /// Learning rate at the start.
    pub learning_rate: f64,
    /// Momentum of SGD.
    pub momentum: f64,
    /// Weight decay, as part of the gradient.
    pub weight_decay: f32,
    /// Epochs after which the learning rate falls.
    pub decay_epochs: usize,
    /// Factor of the fall.
    pub decay: f64,
}

impl Recipe {
    /// The defaults of `main.py` in the authors' code, for all data sets: SGD with momentum 0.9 and weight
    /// decay 1e-4, learning rate 1e-3, a tenth of it after 70 of 100 epochs, batches of 64.
    pub const AUTHORS: Self = Self {
        epochs: 100,
        batch_size: 64,
        learning_rate: 1e-3,
        momentum: 0.9,
        weight_decay: 1e-4,
        decay_epochs: 70,
        decay: 0.1,
    };

    /// A few steps on a miniature.
    pub const MINIATURE: Self = Self {
        epochs: 3,
        batch_size: 8,
        learning_rate: 1e-2,
        decay_epochs: 3,
        ..Self::AUTHORS
    };
}

/// A data set, and the test accuracies that the paper reports on it for MLA, in percent (Table 1).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Paper {
    /// Name of the data set.
    pub dataset: &'static str,
    /// Modalities in the order of the encoders, each with its accuracy.
    pub modalities: &'static [(&'static str, f64)],
    /// Accuracy of the fused prediction.
    pub fused: f64,
}

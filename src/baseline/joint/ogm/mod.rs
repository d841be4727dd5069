//! Configuration of OGM and OGM-GE: the balance of modalities by their gradients.

#[cfg(feature = "train")]
mod modulate;

use std::ops::Range;

use burn::config::Config;

use crate::error::{MlaError, Result, positive};

#[cfg(feature = "train")]
pub(super) use modulate::{coefficients, modulate};

/// On-the-fly gradient modulation (Peng et al., "Balanced Multimodal Learning via On-the-fly
/// Gradient Modulation", CVPR 2022) of a [`Joint`](crate::baseline::Joint) model: OGM, or OGM-GE
/// with `generalization`.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `alpha` | required | strength | (0, inf) |
/// | `generalization` | true | adds noise to the encoders' gradients (GE) | |
/// | `first_step` | 0 | the step at which modulation starts | |
/// | `end_step` | none | the first step at which it has ended | above `first_step` |
///
/// ```text
/// s_m   = mean over the samples of softmax(logits_m) at the true class
/// rho_m = s_m / mean over the other modalities of s_j
/// k_m   = 1 - tanh(alpha rho_m) if rho_m > 1, else 1
/// g     <- k_m g (+ N(0, std(g)^2))          for each gradient g of encoder m
/// ```
///
/// where `logits_m` is the prediction from one modality alone, over the samples that have it. With
/// two modalities `rho` is the paper's discrepancy ratio. With more, each is compared with the mean of
/// the others, and every modality above 1 is held back. Nothing is modulated when the batch has
/// only one modality.
///
/// Steps are updates. There are fewer steps than batches when gradients are accumulated.
///
/// All parameters of the encoders are modulated, as in the paper; the authors' code modulates only
/// the kernels of convolutions. The gradients of the head are unchanged.
#[derive(Config, Debug)]
pub struct OgmConfig {
    /// Strength.
    pub alpha: f64,
    /// Whether noise with the gradient's own standard deviation is added.
    #[config(default = true)]
    pub generalization: bool,
    /// The step at which modulation starts.
    #[config(default = 0)]
    pub first_step: u64,
    /// The first step at which it has ended.
    pub end_step: Option<u64>,
}

impl OgmConfig {
    /// Limits modulation to the epochs `epochs`, counted from 0, of `steps_per_epoch` steps each.
    pub fn between_epochs(self, epochs: Range<u64>, steps_per_epoch: u64) -> Self {
        self.with_first_step(epochs.start.saturating_mul(steps_per_epoch))
            .with_end_step(Some(epochs.end.saturating_mul(steps_per_epoch)))
    }

    pub(super) fn check(&self) -> Result<()> {
        positive("alpha", self.alpha)?;
        check_steps(self.first_step, self.end_step)
    }

    /// Whether gradients are modulated at a step.
    pub fn is_active(&self, step: u64) -> bool {
        step >= self.first_step && self.end_step.is_none_or(|end| step < end)
    }
}

/// Checks the steps between which a method is active.
pub(in crate::baseline) fn check_steps(first: u64, end: Option<u64>) -> Result<()> {
    match end {
        Some(end) if end <= first => Err(MlaError::HyperParameter {
            name: "end_step",
            requirement: "above first_step",
            value: end as f64,
        }),
        _ => Ok(()),
    }
}

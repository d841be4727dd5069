//! Conditioning of a rule's recursion in f32, and the policy for bad features.

#[cfg(feature = "train")]
use std::sync::Arc;
#[cfg(feature = "train")]
use std::sync::atomic::{AtomicBool, Ordering};

use burn::config::Config;

/// Policy for a feature that would cost a rule its positive definiteness in f32.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum IllConditionedPolicy {
    /// Switch to the square root of `P`, permanently.
    SwitchToSquareRoot,
    /// Refuse the step with [`MlaError::IllConditioned`](crate::MlaError::IllConditioned). The
    /// model does not change.
    Error,
}

/// Amplification of rounding by a feature in a rule's recursion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conditioning {
    /// `lambda_max(P) |r|^2 / alpha`, or an upper bound of it.
    pub kappa: f64,
    /// The `kappa` at which `P` may become indefinite in f32.
    pub limit: f64,
    /// What to do at the limit.
    pub remedy: IllConditionedPolicy,
}

impl Conditioning {
    /// Whether `kappa` reaches the limit.
    pub fn is_ill(&self) -> bool {
        self.kappa >= self.limit
    }

    /// Whether `kappa` is within a factor of 10 of the limit.
    pub fn is_near(&self) -> bool {
        self.kappa >= self.limit / 10.0
    }
}

/// Warnings and requests about conditioning between the two halves of a step. Clones share them.
#[cfg(feature = "train")]
#[derive(Debug, Clone, Default)]
pub(crate) struct Watch {
    warned: Arc<AtomicBool>,
    switch: Arc<AtomicBool>,
}

#[cfg(feature = "train")]
impl Watch {
    /// Whether this is the first warning.
    pub(crate) fn first_warning(&self) -> bool {
        !self.warned.swap(true, Ordering::Relaxed)
    }

    /// Requests the switch to the square root before the next update.
    pub(crate) fn request_switch(&self) {
        self.switch.store(true, Ordering::Relaxed);
    }

    /// Whether the switch is requested.
    pub(crate) fn switch_requested(&self) -> bool {
        self.switch.load(Ordering::Relaxed)
    }

    /// Clears the request, after the switch or a dry run.
    pub(crate) fn clear_switch(&self) {
        self.switch.store(false, Ordering::Relaxed);
    }
}

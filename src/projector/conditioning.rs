#[cfg(feature = "train")]
use std::sync::Arc;
#[cfg(feature = "train")]
use std::sync::atomic::{AtomicBool, Ordering};

use burn::config::Config;

/// What to do about a feature that would make a rule lose positive definiteness in f32.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum IllConditionedPolicy {
    /// Keep `P` by its square root from then on.
    SwitchToSquareRoot,
    /// Refuse the step with [`MlaError::IllConditioned`](crate::MlaError::IllConditioned); the
    /// model stays as it was.
    Error,
}

/// How much a feature amplifies rounding in a rule's recursion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conditioning {
    /// `lambda_max(P) |r|^2 / alpha`, or an upper bound of it.
    pub kappa: f64,
    /// The `kappa` from which on `P` may become indefinite in f32.
    pub limit: f64,
    /// What to do from there on.
    pub remedy: IllConditionedPolicy,
}

impl Conditioning {
    /// Whether the limit is reached.
    pub fn is_ill(&self) -> bool {
        self.kappa >= self.limit
    }

    /// Whether `kappa` is within a factor of 10 of the limit.
    pub fn is_near(&self) -> bool {
        self.kappa >= self.limit / 10.0
    }
}

/// What a model remembers of the conditioning of its projector between the two halves of a step.
/// Clones share it.
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

    /// Asks for the switch to the square root before the next update.
    pub(crate) fn ask_for_switch(&self) {
        self.switch.store(true, Ordering::Relaxed);
    }

    /// Whether the switch was asked for.
    pub(crate) fn switch_wanted(&self) -> bool {
        self.switch.load(Ordering::Relaxed)
    }

    /// The switch was made, or is not wanted after all.
    pub(crate) fn forget_switch(&self) {
        self.switch.store(false, Ordering::Relaxed);
    }
}

//! Schedules: the order in which the modalities train.

use std::fmt::Debug;

use crate::error::{MlaError, Result};

/// The order of turns: maps a step to the modality that trains.
///
/// # Implementing your own
///
/// ```
/// use burn_mla::loader::Schedule;
///
/// /// Trains a chosen modality every other step.
/// #[derive(Debug, Clone)]
/// struct Favour {
///     modality: usize,
/// }
///
/// impl Schedule for Favour {
///     fn modality(&self, step: u64, n_modalities: usize) -> usize {
///         if step % 2 == 0 {
///             self.modality
///         } else {
///             (step / 2) as usize % n_modalities
///         }
///     }
/// }
///
/// let favour = Favour { modality: 1 };
/// let turns: Vec<usize> = (0..6).map(|step| favour.modality(step, 3)).collect();
/// assert_eq!(turns, [1, 0, 1, 1, 1, 2]);
/// ```
pub trait Schedule: Debug + Send + Sync {
    /// Returns the modality, in `0..n_modalities`, of a step. Steps count from 0 over the whole
    /// training, not from the start of an epoch. `n_modalities` is at least 1. In a loader
    /// [with a ranking](crate::loader::AlternatingLoader::with_ranking), it returns the rank of the modality, and
    /// steps count from the start of the epoch.
    ///
    /// It must be a function of its arguments: the loader may look ahead. An epoch that waits for a
    /// modality without a turn in the next `2^22` steps ends with
    /// [`MlaError::NeverScheduled`](crate::MlaError::NeverScheduled).
    fn modality(&self, step: u64, n_modalities: usize) -> usize;
}

/// Eq. 1 of the paper: `m_t = t mod M`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RoundRobin;

impl Schedule for RoundRobin {
    fn modality(&self, step: u64, n_modalities: usize) -> usize {
        (step % n_modalities.max(1) as u64) as usize
    }
}

/// A given order, repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixedOrder {
    order: Vec<usize>,
}

impl FixedOrder {
    /// Repeats `order`, in which each of the `n_modalities` modalities must occur.
    ///
    /// # Errors
    ///
    /// [`MlaError::Empty`] for an empty order, [`MlaError::ModalityOutOfRange`] for a modality out
    /// of range, [`MlaError::AbsentModality`] for one that does not occur.
    pub fn new(order: Vec<usize>, n_modalities: usize) -> Result<Self> {
        if let Some(&modality) = order.iter().find(|&&modality| modality >= n_modalities) {
            return Err(MlaError::ModalityOutOfRange {
                modality,
                n_modalities,
            });
        }
        if order.is_empty() {
            return Err(MlaError::Empty {
                what: "the order of modalities",
            });
        }
        match (0..n_modalities).find(|modality| !order.contains(modality)) {
            Some(modality) => Err(MlaError::AbsentModality { modality }),
            None => Ok(Self { order }),
        }
    }
}

impl Schedule for FixedOrder {
    fn modality(&self, step: u64, _n_modalities: usize) -> usize {
        self.order[(step % self.order.len() as u64) as usize]
    }
}

/// Blocks of consecutive steps on one modality.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocks {
    n_steps: u64,
}

impl Blocks {
    /// A schedule with blocks of `n_steps` steps.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`] for `n_steps = 0`.
    pub fn new(n_steps: usize) -> Result<Self> {
        let n_steps = crate::error::at_least_one("n_steps", n_steps)? as u64;
        Ok(Self { n_steps })
    }
}

impl Schedule for Blocks {
    fn modality(&self, step: u64, n_modalities: usize) -> usize {
        (step / self.n_steps % n_modalities as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(schedule: &dyn Schedule, n_modalities: usize, n: u64) -> Vec<usize> {
        (0..n).map(|t| schedule.modality(t, n_modalities)).collect()
    }

    #[test]
    fn round_robin_is_eq_1() {
        assert_eq!(turns(&RoundRobin, 3, 7), [0, 1, 2, 0, 1, 2, 0]);
        assert_eq!(turns(&RoundRobin, 1, 3), [0, 0, 0]);
    }

    #[test]
    fn blocks_hold_a_modality_for_n_steps() {
        assert_eq!(turns(&Blocks::new(2).unwrap(), 2, 6), [0, 0, 1, 1, 0, 0]);
        assert!(Blocks::new(0).is_err());
    }

    #[test]
    fn a_fixed_order_repeats_and_is_checked() {
        let order = FixedOrder::new(vec![1, 0, 1], 2).unwrap();
        assert_eq!(turns(&order, 2, 5), [1, 0, 1, 1, 0]);
        assert_eq!(
            FixedOrder::new(vec![0, 2], 2).unwrap_err().to_string(),
            "modality 2 does not exist: there are 2, counted from 0"
        );
        assert_eq!(
            FixedOrder::new(vec![0, 0], 2),
            Err(MlaError::AbsentModality { modality: 1 })
        );
        assert!(FixedOrder::new(vec![], 2).is_err());
    }
}

//! The updates between which a method is active.

use burn::module::Module;

use crate::baseline::joint::check_steps;
use crate::error::Result;

/// From a first update to an end, which is excluded.
#[derive(Module, Debug)]
pub(super) struct Steps {
    first: u64,
    end: u64,
}

impl Steps {
    /// All updates from `first` to `end`, or to the last.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`](crate::MlaError::HyperParameter) for an end that is not above the first.
    pub(super) fn new(first: u64, end: Option<u64>) -> Result<Self> {
        check_steps(first, end)?;
        let end = end.unwrap_or(u64::MAX);
        Ok(Self { first, end })
    }

    pub(super) fn contain(&self, step: u64) -> bool {
        (self.first..self.end).contains(&step)
    }
}

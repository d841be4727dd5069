use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::data::dataset::DatasetError;
use burn::train::{Interrupter, TrainingError};

use crate::error::MlaError;

/// Where an error of a step goes within Burn's training loop, whose steps cannot return one.
///
/// Clones of a model share it.
#[derive(Clone, Default)]
pub(crate) struct Faults {
    interrupter: Arc<Mutex<Option<Interrupter>>>,
    first: Arc<Mutex<Option<MlaError>>>,
}

impl Faults {
    pub(crate) fn new(interrupter: Interrupter) -> Self {
        let faults = Self::default();
        faults.attach(&interrupter);
        faults
    }

    /// Replaces the interrupter, for all clones of the model.
    pub(crate) fn attach(&self, interrupter: &Interrupter) {
        *lock(&self.interrupter) = Some(interrupter.clone());
    }

    /// Keeps the error and stops the training.
    ///
    /// # Panics
    ///
    /// With the error's message when there is no interrupter to stop the training with.
    pub(crate) fn raise(&self, error: MlaError) {
        let Some(interrupter) = lock(&self.interrupter).clone() else {
            panic!("{error} (give the model an interrupter to stop the training instead)");
        };
        lock(&self.first).get_or_insert(error.clone());
        interrupter.fail(TrainingError::Dataset(DatasetError::new(error)));
    }

    pub(crate) fn first(&self) -> Option<MlaError> {
        lock(&self.first).clone()
    }

    /// Whether the training is being stopped by an error.
    pub(crate) fn is_failing(&self) -> bool {
        let interrupter = lock(&self.interrupter);
        interrupter
            .as_ref()
            .is_some_and(|interrupter| interrupter.error().is_some())
    }
}

fn lock<T>(slot: &Mutex<T>) -> MutexGuard<'_, T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults")
            .field("interrupter", &lock(&self.interrupter).is_some())
            .field("first", &self.first())
            .finish()
    }
}

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
    interrupter: Option<Interrupter>,
    first: Arc<Mutex<Option<MlaError>>>,
}

impl Faults {
    pub(crate) fn new(interrupter: Interrupter) -> Self {
        Self {
            interrupter: Some(interrupter),
            first: Arc::default(),
        }
    }

    /// Keeps the error and stops the training.
    ///
    /// # Panics
    ///
    /// With the error's message when there is no interrupter to stop the training with.
    pub(crate) fn raise(&self, error: MlaError) {
        let Some(interrupter) = &self.interrupter else {
            panic!("{error} (give the model an interrupter to stop the training instead)");
        };
        self.slot().get_or_insert(error.clone());
        interrupter.fail(TrainingError::Dataset(DatasetError::new(error)));
    }

    pub(crate) fn first(&self) -> Option<MlaError> {
        self.slot().clone()
    }

    fn slot(&self) -> MutexGuard<'_, Option<MlaError>> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults")
            .field("interrupter", &self.interrupter.is_some())
            .field("first", &self.first())
            .finish()
    }
}

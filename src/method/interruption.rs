//! The way in which an error leaves Burn's training loop, whose steps cannot return one.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::data::dataset::DatasetError;
use burn::train::{Interrupter, TrainingError};

use crate::error::MlaError;

/// The interrupter of a model's training, and the error that stopped the training.
///
/// A [`MultimodalMethod`](crate::method::MultimodalMethod) holds one, or returns that of a model
/// inside it. Clones of a model share it.
#[derive(Clone, Default)]
pub struct Interruption {
    interrupter: Arc<Mutex<Option<Interrupter>>>,
    first: Arc<Mutex<Option<MlaError>>>,
}

impl Interruption {
    /// An interruption that stops the training through `interrupter`.
    pub fn new(interrupter: Interrupter) -> Self {
        let interruption = Self::default();
        interruption.attach(&interrupter);
        interruption
    }

    /// Replaces the interrupter, for all clones of the model.
    pub fn attach(&self, interrupter: &Interrupter) {
        *lock(&self.interrupter) = Some(interrupter.clone());
    }

    /// Stops the training with an error, and keeps the first one.
    ///
    /// # Panics
    ///
    /// With the message of the error if there is no interrupter.
    pub fn raise(&self, error: MlaError) {
        let Some(interrupter) = lock(&self.interrupter).clone() else {
            panic!("{error} (give the model an interrupter to stop the training instead)");
        };
        lock(&self.first).get_or_insert(error.clone());
        interrupter.fail(TrainingError::Dataset(DatasetError::new(Stopped(error))));
    }

    /// The error that stopped the training.
    pub fn fault(&self) -> Option<MlaError> {
        lock(&self.first).clone()
    }

    /// Whether an error is stopping the training.
    pub fn is_failing(&self) -> bool {
        let interrupter = lock(&self.interrupter);
        interrupter
            .as_ref()
            .is_some_and(|interrupter| interrupter.error().is_some())
    }
}

/// The error of a model. Burn's loop has no kind of error for it and prints it as one of the data set.
#[derive(Debug, thiserror::Error)]
#[error("the data set is not at fault, the model stopped the training: {0}")]
struct Stopped(#[source] MlaError);

fn lock<T>(slot: &Mutex<T>) -> MutexGuard<'_, T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Interruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interruption")
            .field("interrupter", &lock(&self.interrupter).is_some())
            .field("fault", &self.fault())
            .finish()
    }
}

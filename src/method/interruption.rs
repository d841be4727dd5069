//! The way in which an error leaves Burn's training loop, whose steps cannot return one.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::data::dataset::DatasetError;
use burn::tensor::Device;
use burn::train::{Interrupter, TrainingError};

use crate::error::MlaError;

/// The interrupter of a model's training, and the error that stopped the training.
///
/// A [`MultimodalMethod`](crate::method::MultimodalMethod) holds one, or returns that of a model
/// inside it. It stops one training: clones of the model share interrupter and error until one of
/// them gets an interrupter of its own. [`ResumableTraining`](crate::checkpoint::ResumableTraining)
/// gives one to its model.
#[derive(Clone, Default)]
pub struct Interruption {
    training: Option<Training>,
}

/// The training that is stopped. A model in Burn's loop is cloned for each step.
#[derive(Clone)]
struct Training {
    interrupter: Interrupter,
    first: Arc<Mutex<Option<MlaError>>>,
    /// All devices of the training, if there are others than that of the model.
    devices: Option<Vec<Device>>,
}

impl Interruption {
    /// An interruption that stops the training through `interrupter`.
    pub fn new(interrupter: Interrupter) -> Self {
        let first = Arc::default();
        let training = Some(Training {
            interrupter,
            first,
            devices: None,
        });
        Self { training }
    }

    /// Replaces the interrupter and forgets the error. Other clones of the model keep theirs.
    pub fn attach(&mut self, interrupter: &Interrupter) {
        *self = Self::new(interrupter.clone());
    }

    /// Sets the devices of the training, which an error names if they are lost.
    pub(crate) fn watch(&mut self, devices: Vec<Device>) {
        if let Some(training) = &mut self.training {
            training.devices = Some(devices);
        }
    }

    /// The devices of the training, if they are known.
    pub(crate) fn watched(&self) -> Option<Vec<Device>> {
        self.training.as_ref()?.devices.clone()
    }

    /// Stops the training with an error, and keeps the first one.
    ///
    /// # Panics
    ///
    /// With the message of the error if there is no interrupter.
    pub fn raise(&self, error: MlaError) {
        let Some(training) = &self.training else {
            panic!("{error} (give the model an interrupter to stop the training instead)");
        };
        lock(&training.first).get_or_insert(error.clone());
        let error = TrainingError::Dataset(DatasetError::new(Stopped(error)));
        training.interrupter.fail(error);
    }

    /// The error that stopped the training.
    pub fn fault(&self) -> Option<MlaError> {
        lock(&self.training.as_ref()?.first).clone()
    }

    /// Whether an error is stopping the training.
    pub fn is_failing(&self) -> bool {
        let training = self.training.as_ref();
        training.is_some_and(|training| training.interrupter.error().is_some())
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
            .field("interrupter", &self.training.is_some())
            .field("fault", &self.fault())
            .finish()
    }
}

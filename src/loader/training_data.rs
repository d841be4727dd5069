//! Batches to train on, in an order that can be repeated.

use std::sync::Arc;

use crate::loader::{LoaderWait, SeededLoader, SourceLoader};
use crate::modality::{ModalityInputs, MultimodalBatch};

/// Batches to train on and their number in a pass, which learning-rate schedules need.
/// [`fit`](crate::fit::fit) takes it.
///
/// A [`SeededLoader`] of batches converts into it, and
/// [`InMemory::shuffled`](crate::dataset::InMemory::shuffled) returns it. For other loaders use
/// [`new`](Self::new).
pub struct TrainingData<In: ModalityInputs> {
    /// The loader of batches, with the sources of its order.
    pub batches: SourceLoader<MultimodalBatch<In>>,
    /// Number of batches of a pass.
    pub n_batches: usize,
    /// The time that is spent waiting for batches, if it is measured.
    pub wait: Option<LoaderWait>,
}

impl<In: ModalityInputs> TrainingData<In> {
    /// Training data from a loader with `n_batches` batches in a pass. A training can resume if it is a
    /// [`ResumableLoader`](crate::loader::ResumableLoader), such as a
    /// [`MappedLoader`](crate::loader::MappedLoader) around a [`SeededLoader`].
    pub fn new(batches: impl Into<SourceLoader<MultimodalBatch<In>>>, n_batches: usize) -> Self {
        Self {
            batches: batches.into(),
            n_batches,
            wait: None,
        }
    }

    /// Measures the share of the training that waits for data: `wait` is
    /// [`SeededLoader::wait`](SeededLoader::wait). [`fit`](crate::fit::fit) reports it as the metric "Data
    /// wait".
    pub fn with_wait(mut self, wait: LoaderWait) -> Self {
        self.wait = Some(wait);
        self
    }
}

impl<I, In> From<SeededLoader<I, MultimodalBatch<In>>> for TrainingData<In>
where
    I: Send + Sync + 'static,
    In: ModalityInputs,
{
    fn from(loader: SeededLoader<I, MultimodalBatch<In>>) -> Self {
        let (n_batches, wait) = (loader.n_batches(), loader.wait());
        Self::new(Arc::new(loader), n_batches).with_wait(wait)
    }
}

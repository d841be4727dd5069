//! Batches to train on, in an order that can be repeated.

use std::sync::Arc;

use burn::data::dataloader::DataLoader;

use crate::loader::{Passes, SeededLoader};
use crate::modality::{ModalityInputs, MultimodalBatch};

/// Batches to train on, whose order is a function of the pass, with the count of passes and the number
/// of batches. [`fit`](crate::fit::fit) takes it.
///
/// A [`SeededLoader`] of batches converts into it, and so does a data set in memory
/// ([`InMemory::shuffled`](crate::dataset::InMemory::shuffled)). For a loader that wraps a seeded one,
/// such as [`MappedLoader`](crate::loader::MappedLoader), use [`wrap`](Self::wrap).
pub struct TrainingData<In: ModalityInputs> {
    batches: Arc<dyn DataLoader<MultimodalBatch<In>>>,
    passes: Passes,
    n_batches: usize,
}

impl<In: ModalityInputs> TrainingData<In> {
    /// Training data from a seeded loader and a function that wraps it, for example in a
    /// [`MappedLoader`](crate::loader::MappedLoader). The wrapped loader must have as many batches as
    /// the inner one, in the same order.
    ///
    /// # Errors
    ///
    /// Those of `wrap`.
    pub fn wrap<I, O, L>(
        loader: SeededLoader<I, O>,
        wrap: impl FnOnce(Arc<dyn DataLoader<O>>) -> crate::Result<L>,
    ) -> crate::Result<Self>
    where
        I: Send + Sync + 'static,
        O: Send + 'static,
        L: DataLoader<MultimodalBatch<In>> + 'static,
    {
        Ok(Self {
            passes: loader.passes(),
            n_batches: loader.n_batches(),
            batches: Arc::new(wrap(Arc::new(loader))?),
        })
    }

    /// The loader of batches.
    pub fn loader(&self) -> Arc<dyn DataLoader<MultimodalBatch<In>>> {
        self.batches.clone()
    }

    /// The count of started passes, for
    /// [`AlternatingLoader::with_passes`](crate::loader::AlternatingLoader::with_passes).
    pub fn passes(&self) -> Passes {
        self.passes.clone()
    }

    /// Number of batches of a pass.
    pub fn n_batches(&self) -> usize {
        self.n_batches
    }
}

impl<I, In> From<SeededLoader<I, MultimodalBatch<In>>> for TrainingData<In>
where
    I: Send + Sync + 'static,
    In: ModalityInputs,
{
    fn from(loader: SeededLoader<I, MultimodalBatch<In>>) -> Self {
        Self {
            passes: loader.passes(),
            n_batches: loader.n_batches(),
            batches: Arc::new(loader),
        }
    }
}

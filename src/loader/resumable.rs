//! Loaders that a training can resume with: what their order follows from, and how often they were
//! read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use burn::data::dataloader::{DataLoader, DataLoaderIterator};
use burn::tensor::Device;
use serde_json::{Value, json};

/// A data loader whose order can be repeated, which means that a training can resume with it.
///
/// [`SeededLoader`](crate::loader::SeededLoader) is one, and so is a
/// [`MappedLoader`](crate::loader::MappedLoader) around one. [`InOrder`] makes one of a loader whose
/// passes are all alike.
///
/// # Implementing your own
///
/// A loader that wraps another one returns the sources of that one:
///
/// ```
/// use std::sync::Arc;
///
/// use burn::data::dataloader::{DataLoader, DataLoaderIterator};
/// use burn::tensor::Device;
/// use burn_mla::loader::{LoaderSource, ResumableLoader};
///
/// /// Reads one more pass per epoch.
/// struct Counted<L: ?Sized> {
///     loader: Arc<L>,
/// }
///
/// impl<O: 'static, L: DataLoader<O> + ?Sized + 'static> DataLoader<O> for Counted<L> {
///     fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<O> + 'a> {
///         self.loader.iter()
///     }
///
///     fn num_items(&self) -> usize {
///         self.loader.num_items()
///     }
///
///     fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<O>> {
///         Arc::new(Counted { loader: self.loader.to_device(device) })
///     }
///
///     fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<O>> {
///         Arc::new(Counted { loader: self.loader.slice(start, end) })
///     }
/// }
///
/// impl<O: 'static, L: ResumableLoader<O> + ?Sized + 'static> ResumableLoader<O> for Counted<L> {
///     fn sources(&self) -> Vec<LoaderSource> {
///         self.loader.sources()
///     }
/// }
/// ```
pub trait ResumableLoader<O>: DataLoader<O> {
    /// The sources of the batches, always in the same sequence.
    fn sources(&self) -> Vec<LoaderSource>;
}

/// A source of batches: what its order follows from, and the number of passes over it.
#[derive(Debug, Clone)]
pub struct LoaderSource {
    order: Value,
    passes: Passes,
}

impl LoaderSource {
    /// A source whose order in a pass follows from `order`, such as its seed and batch size, and the
    /// number of the pass.
    pub fn new(order: Value, passes: Passes) -> Self {
        Self { order, passes }
    }

    /// Everything that the order follows from, besides the number of the pass.
    pub fn order(&self) -> &Value {
        &self.order
    }

    /// The count of started passes.
    pub fn passes(&self) -> &Passes {
        &self.passes
    }
}

/// The number of passes that a loader and its copies on other devices have started. Clones share the
/// count.
#[derive(Debug, Clone, Default)]
pub struct Passes(Arc<AtomicU64>);

impl Passes {
    /// A count of `begun` started passes.
    pub fn starting_at(begun: u64) -> Self {
        Self(Arc::new(AtomicU64::new(begun)))
    }

    /// Number of started passes.
    pub fn begun(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Starts a pass and returns its number, from 0.
    pub fn begin(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn restore(&self, begun: u64) {
        self.0.store(begun, Ordering::Relaxed);
    }
}

/// Declares that all passes over a loader return the same batches, as Burn's loaders do without
/// shuffling and with at most one worker.
pub struct InOrder<O> {
    loader: Arc<dyn DataLoader<O>>,
}

impl<O> InOrder<O> {
    /// Wraps a loader.
    pub fn new(loader: Arc<dyn DataLoader<O>>) -> Self {
        Self { loader }
    }
}

impl<O: 'static> DataLoader<O> for InOrder<O> {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<O> + 'a> {
        self.loader.iter()
    }

    fn num_items(&self) -> usize {
        self.loader.num_items()
    }

    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<O>> {
        self.loader.to_device(device)
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<O>> {
        self.loader.slice(start, end)
    }
}

impl<O: 'static> ResumableLoader<O> for InOrder<O> {
    fn sources(&self) -> Vec<LoaderSource> {
        let order = json!({"kind": "InOrder", "n_items": self.num_items()});
        vec![LoaderSource::new(order, Passes::default())]
    }
}

/// A loader, and its sources if it is a [`ResumableLoader`]. Loaders convert to it by `into`.
///
/// The conversion of an `Arc<dyn DataLoader<O>>` loses the sources. A training with it cannot resume.
pub struct SourceLoader<O> {
    /// The loader.
    pub loader: Arc<dyn DataLoader<O>>,
    /// Its sources; `None` for a loader whose order cannot be repeated.
    pub sources: Option<Vec<LoaderSource>>,
}

impl<O> From<Arc<dyn DataLoader<O>>> for SourceLoader<O> {
    fn from(loader: Arc<dyn DataLoader<O>>) -> Self {
        Self {
            loader,
            sources: None,
        }
    }
}

impl<O> From<Arc<dyn ResumableLoader<O>>> for SourceLoader<O>
where
    O: 'static,
{
    fn from(loader: Arc<dyn ResumableLoader<O>>) -> Self {
        Self {
            sources: Some(loader.sources()),
            loader,
        }
    }
}

impl<O: 'static, L: ResumableLoader<O> + 'static> From<Arc<L>> for SourceLoader<O> {
    fn from(loader: Arc<L>) -> Self {
        Self {
            sources: Some(loader.sources()),
            loader,
        }
    }
}

//! Errors of reading the items of a data set.

use burn::data::dataset::DatasetError;

/// A fault of a data set, an augmentation or a batcher, with the item.
///
/// Loaders return it within a [`DatasetError`], as its source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoaderError {
    /// An item that cannot be read.
    #[error("item {item} of the data set cannot be read: {source}")]
    Item {
        /// Position of the item in the data set.
        item: usize,
        /// The error of the data set or the augmentation.
        source: DatasetError,
    },
    /// A data set or an augmentation that panicked.
    #[error("reading item {item} of the data set panicked: {message}")]
    ItemPanicked {
        /// Position of the item in the data set.
        item: usize,
        /// The message of the panic.
        message: String,
    },
    /// A data set that returns another number of items than requested.
    #[error("the data set returned {got} items for the {} items {items:?}", items.len())]
    Items {
        /// Positions of the requested items in the data set.
        items: Vec<usize>,
        /// Number of returned items.
        got: usize,
    },
    /// A batcher that panicked.
    #[error("making a batch of the items {items:?} panicked: {message}")]
    BatchPanicked {
        /// Positions of the items in the data set.
        items: Vec<usize>,
        /// The message of the panic.
        message: String,
    },
    /// A worker thread that could not be started, or that ended early.
    #[error("worker {worker} of the loader failed: {reason}")]
    Worker {
        /// The worker, counted from 0.
        worker: usize,
        /// The reason.
        reason: String,
    },
}

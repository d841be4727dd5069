//! Shuffling data loader whose order can be restored.

mod error;
mod items;
#[cfg(test)]
mod tests;
mod wait;
mod workers;

use std::sync::Arc;
use std::time::Instant;

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::{Dataset, DatasetError};
use burn::tensor::Device;
use rand::rngs::ChaCha12Rng;
use serde::Serialize;
use serde_json::{Value, json};

use crate::error::{Result, at_least_one};
use crate::loader::seed::{generator, shuffle};
use crate::loader::{LoaderSource, Passes, ResumableLoader};
pub use error::LoaderError;
use items::Items;
pub use wait::LoaderWait;
use workers::Workers;

/// A shuffling data loader whose order is a function of its seed and the number of the pass. A
/// resumed training reads the same batches as an uninterrupted one.
///
/// Burn's loaders draw each order from a generator whose state cannot be saved, and with two or more
/// workers their batches arrive in no fixed order. Without shuffling and with at most one worker,
/// Burn's loaders can be resumed as well, by [`InOrder`](crate::loader::InOrder).
///
/// A pass starts by shuffling the positions of all items, 8 bytes each. A batch costs the same however
/// many items there are.
///
/// [`with_workers`](Self::with_workers) reads, augments and batches on threads. The batches do not depend
/// on their number. An error or a panic of the data set, the augmentation or the batcher becomes an
/// error that names the item.
///
/// ```
/// use std::sync::Arc;
///
/// use burn::data::dataloader::{DataLoader, batcher::Batcher};
/// use burn::data::dataset::InMemDataset;
/// use burn::tensor::Device;
/// use burn_mla::loader::SeededLoader;
///
/// struct Collect;
///
/// impl Batcher<u32, Vec<u32>> for Collect {
///     fn batch(&self, items: Vec<u32>, _: &Device) -> Vec<u32> {
///         items
///     }
/// }
///
/// let items = || InMemDataset::new((0..10).collect::<Vec<u32>>());
/// let loader = SeededLoader::new(items(), Collect, 4, 7, &Device::flex())?;
/// let batches = |loader: &SeededLoader<_, _>| -> Vec<Vec<u32>> {
///     loader.iter().map(|batch| batch.expect("data in memory")).collect()
/// };
/// let (first, second) = (batches(&loader), batches(&loader));
/// assert_ne!(first, second, "each pass has its own order");
/// let again = SeededLoader::new(items(), Collect, 4, 7, &Device::flex())?;
/// assert_eq!(batches(&again), first);
/// # Ok::<(), burn_mla::MlaError>(())
/// ```
pub struct SeededLoader<I, O> {
    items: Items<I, O>,
    batch_size: usize,
    shuffled: bool,
    n_workers: usize,
    /// What a resumed training must share, besides the order.
    recipe: Option<Value>,
    /// The range of the data set that is read.
    range: (usize, usize),
    passes: Passes,
    wait: LoaderWait,
}

impl<I, O> Clone for SeededLoader<I, O> {
    fn clone(&self) -> Self {
        Self {
            items: self.items.clone(),
            batch_size: self.batch_size,
            shuffled: self.shuffled,
            n_workers: self.n_workers,
            recipe: self.recipe.clone(),
            range: self.range,
            passes: self.passes.clone(),
            wait: self.wait.clone(),
        }
    }
}

impl<I, O> SeededLoader<I, O> {
    /// A loader of batches with `batch_size` items. The last batch of a pass can be smaller.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`](crate::MlaError::HyperParameter) for `batch_size = 0`.
    pub fn new(
        dataset: impl Dataset<I> + 'static,
        batcher: impl Batcher<I, O> + 'static,
        batch_size: usize,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        let n_items = dataset.len();
        Ok(Self {
            items: Items {
                dataset: Arc::new(dataset),
                batcher: Arc::new(batcher),
                augmentation: None,
                seed,
                device: device.clone(),
            },
            batch_size: at_least_one("batch_size", batch_size)?,
            shuffled: true,
            n_workers: 0,
            recipe: None,
            range: (0, n_items),
            passes: Passes::default(),
            wait: LoaderWait::default(),
        })
    }

    /// Reads the items in the order of the data set, as evaluation and prediction do.
    pub fn in_order(mut self) -> Self {
        self.shuffled = false;
        self
    }

    /// Makes batches on `n_workers` threads, ahead of the training; 0, the default, makes them on the thread
    /// that asks. Each worker has at most two batches in memory, the one that it makes and one that
    /// waits.
    pub fn with_workers(mut self, n_workers: usize) -> Self {
        self.n_workers = n_workers;
        self
    }

    /// Applies `augmentation` to each item that is read. Its generator depends on the seed of the loader,
    /// the pass and the position of the item in the data set only, not on workers, batch size or
    /// slices. A resumed training therefore augments as an uninterrupted one.
    pub fn with_augmentation<F>(mut self, augmentation: F) -> Self
    where
        F: Fn(I, &mut ChaCha12Rng) -> std::result::Result<I, DatasetError> + Send + Sync + 'static,
    {
        self.items.augmentation = Some(Arc::new(augmentation));
        self
    }

    /// Makes `recipe` part of the description that a checkpoint keeps, such as the configuration of a
    /// front end. A training that resumes with another recipe is refused.
    ///
    /// # Errors
    ///
    /// The serialization's, for a value that JSON cannot hold.
    pub fn with_recipe(mut self, recipe: &impl Serialize) -> serde_json::Result<Self> {
        self.recipe = Some(serde_json::to_value(recipe)?);
        Ok(self)
    }

    /// The count of started passes.
    pub fn passes(&self) -> Passes {
        self.passes.clone()
    }

    /// The time that was spent waiting for batches. Copies and slices of the loader add to it.
    pub fn wait(&self) -> LoaderWait {
        self.wait.clone()
    }

    /// Number of batches of a pass.
    pub fn n_batches(&self) -> usize {
        let (start, end) = self.range;
        (end - start).div_ceil(self.batch_size)
    }

    fn order(&self, pass: u64) -> Vec<usize> {
        let (start, end) = self.range;
        let mut order: Vec<usize> = (start..end).collect();
        if self.shuffled {
            let seed = self.items.seed;
            shuffle(&mut order, &mut generator(seed, pass, start as u64));
        }
        order
    }
}

impl<I, O> DataLoader<O> for SeededLoader<I, O>
where
    I: Send + Sync + 'static,
    O: Send + 'static,
{
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<O> + 'a> {
        let pass = self.passes.begin();
        let order: Arc<[usize]> = self.order(pass).into();
        let workers = (self.n_workers > 0)
            .then(|| Workers::start(self.n_workers, &self.items, pass, &order, self.batch_size));
        Box::new(SeededIter {
            loader: self,
            pass,
            order,
            at: 0,
            workers,
            last: None,
        })
    }

    fn num_items(&self) -> usize {
        let (start, end) = self.range;
        end - start
    }

    /// The copy shares the count of passes with this loader.
    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<O>> {
        let mut copy = self.clone();
        copy.items.device = device.clone();
        Arc::new(copy)
    }

    /// The slice shuffles within itself and has its own count of passes.
    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<O>> {
        let (first, last) = self.range;
        let at = |offset: usize| first.saturating_add(offset).min(last);
        Arc::new(Self {
            range: (at(start), at(end).max(at(start))),
            passes: Passes::starting_at(self.passes.begun()),
            ..self.clone()
        })
    }
}

impl<I, O> ResumableLoader<O> for SeededLoader<I, O>
where
    I: Send + Sync + 'static,
    O: Send + 'static,
{
    fn sources(&self) -> Vec<LoaderSource> {
        let (start, end) = self.range;
        let mut order = json!({
            "kind": "SeededLoader",
            "seed": self.items.seed,
            "batch_size": self.batch_size,
            "n_items": end - start,
            "first_item": start,
        });
        if !self.shuffled {
            order["shuffled"] = json!(false);
        }
        if let Some(recipe) = &self.recipe {
            order["recipe"] = recipe.clone();
        }
        vec![LoaderSource::new(order, self.passes())]
    }
}

struct SeededIter<'a, I, O> {
    loader: &'a SeededLoader<I, O>,
    pass: u64,
    order: Arc<[usize]>,
    at: usize,
    workers: Option<Workers<O>>,
    /// When the last batch arrived.
    last: Option<Instant>,
}

impl<I, O> Iterator for SeededIter<'_, I, O> {
    type Item = std::result::Result<O, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let end = self.at.saturating_add(self.loader.batch_size);
        let items = self.at..self.order.len().min(end);
        if items.is_empty() {
            self.loader.wait.end(&mut self.last);
            return None;
        }
        self.at = items.end;
        let make = || match &mut self.workers {
            Some(workers) => workers.next(),
            None => self.loader.items.batch(self.pass, &self.order[items]),
        };
        Some(self.loader.wait.measure(&mut self.last, make))
    }
}

impl<I, O> DataLoaderIterator<O> for SeededIter<'_, I, O> {
    fn progress(&self) -> Progress {
        Progress::new(self.at, self.order.len(), Some("items".to_string()))
    }
}

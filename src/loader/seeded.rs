//! Shuffling data loader whose order can be restored.

use std::sync::Arc;

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::{Dataset, DatasetError};
use burn::tensor::Device;
use serde_json::json;

use crate::error::{Result, at_least_one};
use crate::loader::seed::{generator, shuffle};
use crate::loader::{LoaderSource, Passes, ResumableLoader};

/// A shuffling data loader whose order is a function of its seed and the number of the pass. A
/// resumed training reads the same batches as an uninterrupted one.
///
/// Burn's loaders draw each order from a generator whose state cannot be saved, and with two or more
/// workers their batches arrive in no fixed order. Without shuffling and with at most one worker,
/// Burn's loaders can be resumed as well, by [`InOrder`](crate::loader::InOrder).
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
    dataset: Arc<dyn Dataset<I>>,
    batcher: Arc<dyn Batcher<I, O>>,
    batch_size: usize,
    seed: u64,
    device: Device,
    /// The range of the data set that is read.
    range: (usize, usize),
    passes: Passes,
}

impl<I, O> Clone for SeededLoader<I, O> {
    fn clone(&self) -> Self {
        Self {
            dataset: self.dataset.clone(),
            batcher: self.batcher.clone(),
            batch_size: self.batch_size,
            seed: self.seed,
            device: self.device.clone(),
            range: self.range,
            passes: self.passes.clone(),
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
            dataset: Arc::new(dataset),
            batcher: Arc::new(batcher),
            batch_size: at_least_one("batch_size", batch_size)?,
            seed,
            device: device.clone(),
            range: (0, n_items),
            passes: Passes::default(),
        })
    }

    /// The count of started passes.
    pub fn passes(&self) -> Passes {
        self.passes.clone()
    }

    fn order(&self, pass: u64) -> Vec<usize> {
        let (start, end) = self.range;
        let mut order: Vec<usize> = (start..end).collect();
        shuffle(&mut order, &mut generator(self.seed, pass, start as u64));
        order
    }
}

impl<I, O> DataLoader<O> for SeededLoader<I, O>
where
    I: Send + Sync + 'static,
    O: Send + 'static,
{
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<O> + 'a> {
        Box::new(SeededIter {
            order: self.order(self.passes.begin()),
            loader: self,
            at: 0,
        })
    }

    fn num_items(&self) -> usize {
        let (start, end) = self.range;
        end - start
    }

    /// The copy shares the count of passes with this loader.
    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<O>> {
        Arc::new(Self {
            device: device.clone(),
            ..self.clone()
        })
    }

    /// The slice shuffles within itself and has its own count of passes.
    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<O>> {
        let (first, last) = self.range;
        let at = |offset: usize| (first + offset).min(last);
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
        let order = json!({
            "kind": "SeededLoader",
            "seed": self.seed,
            "batch_size": self.batch_size,
            "n_items": end - start,
            "first_item": start,
        });
        vec![LoaderSource::new(order, self.passes())]
    }
}

struct SeededIter<'a, I, O> {
    loader: &'a SeededLoader<I, O>,
    order: Vec<usize>,
    at: usize,
}

impl<I, O> Iterator for SeededIter<'_, I, O> {
    type Item = std::result::Result<O, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let end = self.order.len().min(self.at + self.loader.batch_size);
        let indices = self.order[self.at..end].to_vec();
        if indices.is_empty() {
            return None;
        }
        self.at = end;
        let items = self.loader.dataset.get_many(indices);
        Some(items.map(|items| self.loader.batcher.batch(items, &self.loader.device)))
    }
}

impl<I, O> DataLoaderIterator<O> for SeededIter<'_, I, O> {
    fn progress(&self) -> Progress {
        Progress::new(self.at, self.order.len(), Some("items".to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::data::dataset::InMemDataset;

    struct Collect;

    impl Batcher<usize, Vec<usize>> for Collect {
        fn batch(&self, items: Vec<usize>, _: &Device) -> Vec<usize> {
            items
        }
    }

    fn loader(n: usize, batch_size: usize, seed: u64) -> SeededLoader<usize, Vec<usize>> {
        let dataset = InMemDataset::new((0..n).collect());
        SeededLoader::new(dataset, Collect, batch_size, seed, &Device::flex()).unwrap()
    }

    fn pass(loader: &dyn DataLoader<Vec<usize>>) -> Vec<Vec<usize>> {
        loader.iter().map(Result::unwrap).collect()
    }

    #[test]
    fn every_pass_has_each_item_once_in_an_order_of_its_own() {
        let loader = loader(23, 5, 3);
        let (first, second) = (pass(&loader), pass(&loader));
        for batches in [&first, &second] {
            let sizes: Vec<usize> = batches.iter().map(Vec::len).collect();
            assert_eq!(sizes, [5, 5, 5, 5, 3]);
            let mut all: Vec<usize> = batches.concat();
            all.sort_unstable();
            assert_eq!(all, (0..23).collect::<Vec<_>>());
        }
        assert_ne!(first, second);
        assert_eq!(loader.passes().begun(), 2);
    }

    #[test]
    fn an_order_depends_on_seed_and_pass_only() {
        let (a, b) = (loader(23, 5, 3), loader(23, 5, 3));
        let skipped = pass(&a);
        assert_ne!(pass(&loader(23, 5, 4)), skipped);
        drop(b.iter());
        assert_eq!(pass(&*b.to_device(&Device::flex())), pass(&a));
    }

    /// Checkpoints rely on it: another order needs another format of checkpoints. The expected order was
    /// computed by ChaCha12 and the shuffle in Python.
    #[test]
    fn an_order_never_changes() {
        assert_eq!(pass(&loader(8, 8, 3)), [[3, 0, 2, 5, 1, 6, 7, 4]]);
    }

    #[test]
    fn slices_partition_the_items() {
        let whole = loader(23, 5, 3);
        let (a, b) = (whole.slice(0, 11), whole.slice(11, 23));
        assert_eq!((a.num_items(), b.num_items()), (11, 12));
        let mut all = [pass(&*a).concat(), pass(&*b).concat()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..23).collect::<Vec<_>>());
        assert_eq!(whole.passes().begun(), 0);
    }

    #[test]
    fn an_empty_data_set_has_no_batches() {
        let empty = loader(0, 5, 3);
        assert!(pass(&empty).is_empty());
        let dataset = InMemDataset::new(vec![1]);
        assert!(SeededLoader::new(dataset, Collect, 0, 3, &Device::flex()).is_err());
    }
}

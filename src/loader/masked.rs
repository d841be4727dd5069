//! Data loaders that map the batches of another one, such as by a modality mask.

use std::sync::Arc;

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::{Dataset, DatasetError};
use burn::tensor::Device;

use crate::error::{Result, same_size};
use crate::loader::{LoaderSource, ResumableLoader};
use crate::modality::{
    FillMissing, KeepPresent, ModalityInputs, MultimodalBatch, Presence, ZeroImputation,
};

type Map<I, O> = Arc<dyn Fn(I) -> Result<O> + Send + Sync>;

/// A Burn [`DataLoader`] that applies a function to every batch of another one.
///
/// Order, number of items, progress, slices and devices are those of the inner loader; the batches
/// passed to the function are on the requested device. An error of the function is returned in place
/// of the batch.
///
/// [`masked`](MappedLoader::masked) removes modalities,
/// [`zero_imputation`](MappedLoader::zero_imputation) fills missing ones with zeros. The result
/// serves as any loader of batches does:
/// [`AlternatingLoader::paired`](crate::loader::AlternatingLoader::paired),
/// [`evaluate`](crate::evaluation::evaluate), Burn's training loop.
///
/// Around a [`ResumableLoader`] it is one, too.
pub struct MappedLoader<I, O, L: ?Sized = dyn DataLoader<I>> {
    loader: Arc<L>,
    map: Map<I, O>,
}

/// A batch and the positions of its samples in their data set, as made by [`WithIndex`].
pub type IndexedBatch<In> = (Vec<usize>, MultimodalBatch<In>);

impl<I: 'static, O: 'static, L: DataLoader<I> + ?Sized> MappedLoader<I, O, L> {
    /// A loader that applies `map` to every batch of `loader`.
    pub fn new(loader: Arc<L>, map: impl Fn(I) -> Result<O> + Send + Sync + 'static) -> Self {
        let map = Arc::new(map);
        Self { loader, map }
    }
}

impl<In, L> MappedLoader<IndexedBatch<In>, MultimodalBatch<In>, L>
where
    In: KeepPresent,
    L: DataLoader<IndexedBatch<In>> + ?Sized,
{
    /// Applies `presence`, the modality mask of the whole split, to each batch by
    /// [`MultimodalBatch::with_presence`]. The mask of a sample does not depend on shuffling or on
    /// slices of this loader.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use burn::data::dataloader::batcher::Batcher;
    /// use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
    /// use burn::data::dataset::InMemDataset;
    /// use burn::tensor::{Device, Tensor};
    /// use burn_mla::modality::{MissingRate, ModalityInput, MultimodalBatch, Targets};
    /// use burn_mla::loader::{MappedLoader, WithIndex};
    ///
    /// type Inputs = (Option<ModalityInput<Tensor<2>>>, Option<ModalityInput<Tensor<2>>>);
    ///
    /// struct Complete;
    /// impl Batcher<usize, MultimodalBatch<Inputs>> for Complete {
    ///     fn batch(&self, labels: Vec<usize>, device: &Device) -> MultimodalBatch<Inputs> {
    ///         let input = |width| Tensor::ones([labels.len(), width], device);
    ///         let inputs = (input(20), input(30));
    ///         MultimodalBatch::paired(inputs, Targets::new(labels, device))
    ///     }
    /// }
    ///
    /// let data = InMemDataset::new((0..100).map(|i| i % 4).collect());
    /// let loader = DataLoaderBuilder::new(WithIndex(Complete))
    ///     .batch_size(8)
    ///     .shuffle(7)
    ///     .set_device(Device::flex())
    ///     .build(WithIndex(data));
    /// let presence = MissingRate::new(0.5, 0)?.presence("train", 100, 2)?;
    /// let loader = MappedLoader::masked(loader, presence)?;
    /// for batch in loader.iter() {
    ///     assert!(!batch?.presence()?.is_complete());
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`MlaError::Size`](crate::MlaError::Size) when the number of items of the loader differs from
    /// the number of samples of the mask. While loading, the errors of [`Presence::select`] and
    /// [`MultimodalBatch::with_presence`], such as [`MlaError::NothingPresent`](crate::MlaError) for a
    /// sample that the mask and gaps of the data leave without modality: draw the mask within the gaps
    /// by [`MissingRate::presence_within`](crate::modality::MissingRate::presence_within).
    pub fn masked(loader: Arc<L>, presence: Presence) -> Result<Self> {
        same_size(
            "samples of the modality mask (one per item of the loader)",
            loader.num_items(),
            presence.n_samples(),
        )?;
        Ok(Self::new(loader, move |(samples, batch)| {
            let presence = presence.select(&samples)?;
            batch.with_samples(samples).with_presence(&presence)
        }))
    }

    /// Applies a modality mask as [`masked`](Self::masked), by [`MultimodalBatch::with_hidden`]: each
    /// batch keeps what the mask removes as hidden inputs. Only training data for
    /// [`ImputeTarget::Oracle`](crate::baseline::ImputeTarget::Oracle) needs them.
    ///
    /// # Errors
    ///
    /// As [`masked`](Self::masked), and those of [`MultimodalBatch::with_hidden`].
    pub fn masked_with_hidden(loader: Arc<L>, presence: Presence) -> Result<Self>
    where
        In: Clone,
    {
        same_size(
            "samples of the modality mask (one per item of the loader)",
            loader.num_items(),
            presence.n_samples(),
        )?;
        Ok(Self::new(loader, move |(samples, batch)| {
            let presence = presence.select(&samples)?;
            batch.with_samples(samples).with_hidden(&presence)
        }))
    }
}

impl<In, L> MappedLoader<IndexedBatch<In>, MultimodalBatch<In>, L>
where
    In: ModalityInputs,
    L: DataLoader<IndexedBatch<In>> + ?Sized,
{
    /// Sets the [positions of the samples](MultimodalBatch::samples) of each batch, for methods
    /// that keep state per sample, such as [`Qmf`](crate::baseline::Qmf), and for errors, which name
    /// them. Loading a batch with another number of labels than samples is an error.
    pub fn with_samples(loader: Arc<L>) -> Self {
        Self::new(loader, |(samples, batch)| {
            let batch = batch.with_samples(samples);
            batch.check_samples()?;
            Ok(batch)
        })
    }
}

impl<In, L> MappedLoader<MultimodalBatch<In>, MultimodalBatch<In>, L>
where
    In: FillMissing + Sync,
    L: DataLoader<MultimodalBatch<In>> + ?Sized,
{
    /// Fills missing modalities with zeros, as the authors' code does and the paper does not; see
    /// [`ZeroImputation`].
    pub fn zero_imputation(loader: Arc<L>, policy: ZeroImputation<In>) -> Self {
        Self::new(loader, move |batch| policy.fill(batch))
    }
}

struct MappedIter<'a, I, O> {
    batches: Box<dyn DataLoaderIterator<I> + 'a>,
    map: &'a (dyn Fn(I) -> Result<O> + Send + Sync),
}

impl<I, O> Iterator for MappedIter<'_, I, O> {
    type Item = Result<O, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.batches.next()?;
        Some(batch.and_then(|batch| (self.map)(batch).map_err(DatasetError::new)))
    }
}

impl<I, O> DataLoaderIterator<O> for MappedIter<'_, I, O> {
    fn progress(&self) -> Progress {
        self.batches.progress()
    }
}

impl<I: 'static, O: 'static, L: DataLoader<I> + ?Sized> DataLoader<O> for MappedLoader<I, O, L> {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<O> + 'a> {
        Box::new(MappedIter {
            batches: self.loader.iter(),
            map: &*self.map,
        })
    }

    fn num_items(&self) -> usize {
        self.loader.num_items()
    }

    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<O>> {
        Arc::new(MappedLoader {
            loader: self.loader.to_device(device),
            map: self.map.clone(),
        })
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<O>> {
        Arc::new(MappedLoader {
            loader: self.loader.slice(start, end),
            map: self.map.clone(),
        })
    }
}

impl<I: 'static, O: 'static, L: ResumableLoader<I> + ?Sized> ResumableLoader<O>
    for MappedLoader<I, O, L>
{
    fn sources(&self) -> Vec<LoaderSource> {
        self.loader.sources()
    }
}

/// Adds the positions of the samples in their data set: to each item around a [`Dataset`], and to
/// each batch around a [`Batcher`].
///
/// [`MappedLoader::masked`] needs it around both. A data set that returns another number of items than
/// were requested is an error.
#[derive(Debug, Clone)]
pub struct WithIndex<T>(
    /// The data set or the batcher.
    pub T,
);

impl<I, D: Dataset<I>> Dataset<(usize, I)> for WithIndex<D> {
    fn get(&self, index: usize) -> Result<(usize, I), DatasetError> {
        Ok((index, self.0.get(index)?))
    }

    fn get_many(&self, indexes: Vec<usize>) -> Result<Vec<(usize, I)>, DatasetError> {
        let items = self.0.get_many(indexes.clone())?;
        // A data set that leaves out a sample would shift the positions of all after it.
        let what = "items of the data set (one per requested position)";
        same_size(what, indexes.len(), items.len()).map_err(DatasetError::new)?;
        Ok(indexes.into_iter().zip(items).collect())
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

impl<I, O, B: Batcher<I, O>> Batcher<(usize, I), (Vec<usize>, O)> for WithIndex<B> {
    fn batch(&self, items: Vec<(usize, I)>, device: &Device) -> (Vec<usize>, O) {
        let (samples, items) = items.into_iter().unzip();
        (samples, self.0.batch(items, device))
    }
}

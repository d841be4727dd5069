//! A data set in memory: inputs of all modalities, labels, and loaders of batches.

use std::sync::Arc;

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
use burn::data::dataset::InMemDataset;
use burn::tensor::Device;

use crate::dataset::{TakeSamples, Taken};
use crate::error::{MlaError, Result, at_least_one};
use crate::loader::{MappedLoader, SeededLoader, TrainingData};
use crate::modality::{MultimodalBatch, PairedInputs, Presence, Rows, Targets, check_rows};

/// A data set in memory, from tensors or host arrays with labels. Modalities may be missing.
///
/// Its inputs are those of a [`MultimodalBatch`] of all samples: a tuple or a `Vec` with one
/// [`ModalityInput`](crate::modality::ModalityInput) per modality, from a tensor, an array
/// ([`from_array`](crate::modality::ModalityInput::from_array)) or optional rows
/// ([`from_rows`](crate::modality::ModalityInput::from_rows)). Keep the tensors on a CPU device: each
/// batch is copied from there to the device of its loader. Parts of a split share them.
///
/// ```
/// use burn::tensor::Device;
/// use burn_mla::dataset::InMemory;
/// use burn_mla::modality::ModalityInput;
///
/// let device = Device::flex();
/// // Four samples: audio of three values, and text of two values that sample 1 lacks.
/// let audio = ModalityInput::from_array(vec![0.5; 12], [4, 3], &device)?;
/// let text = [Some([1.0, 0.0]), None, Some([0.0, 1.0]), Some([1.0, 1.0])];
/// let text = ModalityInput::from_rows(&text, &device)?;
/// let data = InMemory::new((Some(audio), text), [0, 1, 0, 1])?;
///
/// let train = data.shuffled(2, 7, &device.clone().autodiff())?;
/// for batch in train.batches.loader.iter() {
///     let batch = batch?;
///     println!("{:?} {:?}", batch.samples, batch.presence()?);
/// }
/// let (train, test) = data.stratified_split(0.5, 7)?;
/// assert_eq!((train.len(), test.len()), (2, 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct InMemory<In> {
    whole: Arc<Whole<In>>,
    /// Positions in the whole data set.
    origins: Vec<usize>,
}

#[derive(Debug)]
struct Whole<In> {
    inputs: Arc<In>,
    labels: Vec<i64>,
    presence: Presence,
    /// Whether batches hold the missing input of a sample and modality as a hidden one, row-major;
    /// `None` without hidden inputs.
    hidden: Option<Vec<bool>>,
    /// The row of each sample, by modality; `None` if row `i` is that of sample `i`.
    rows: Vec<Option<Vec<usize>>>,
}

impl<In: TakeSamples> InMemory<In> {
    /// A data set in which modalities may be missing, with one label per sample.
    ///
    /// # Errors
    ///
    /// - as [`MultimodalBatch::presence`], for no sample, a sample without any modality, or rows that
    ///   do not fit;
    /// - [`MlaError::InputRows`] for an input whose number of rows is not that of its samples.
    pub fn new(inputs: In, labels: impl IntoIterator<Item = usize>) -> Result<Self> {
        let labels = labels.into_iter().map(|label| label as i64);
        Self::from_labels(inputs, labels.collect())
    }

    /// A data set in which every sample has every modality.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn paired(
        inputs: impl PairedInputs<Inputs = In>,
        labels: impl IntoIterator<Item = usize>,
    ) -> Result<Self> {
        Self::new(inputs.into_inputs(), labels)
    }

    /// A data set of `n_samples` samples without labels, for prediction. A model refuses to train on
    /// its batches.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn unlabelled(inputs: In, n_samples: usize) -> Result<Self> {
        Self::from_labels(inputs, vec![Targets::NO_LABEL; n_samples])
    }

    fn from_labels(inputs: In, labels: Vec<i64>) -> Result<Self> {
        let n_samples = labels.len();
        if n_samples == 0 {
            return Err(MlaError::Empty {
                what: "the data set",
            });
        }
        let all = Presence::all(n_samples, inputs.n_modalities());
        // Checks the number of rows and changes nothing.
        let inputs = inputs.keep_present(&all)?;
        let presence = inputs.presence(n_samples)?;
        let rows = (0..inputs.n_modalities()).map(|modality| {
            let Some(Rows::Some(samples)) = inputs.rows(modality) else {
                return None;
            };
            let mut rows = vec![0; n_samples];
            for (row, &sample) in samples.iter().enumerate() {
                rows[sample] = row;
            }
            Some(rows)
        });
        Ok(Self {
            origins: (0..n_samples).collect(),
            whole: Arc::new(Whole {
                rows: rows.collect(),
                inputs: Arc::new(inputs),
                labels,
                presence,
                hidden: None,
            }),
        })
    }

    /// Number of samples, at least 1.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.origins.len()
    }

    /// The label of each sample, [`Targets::NO_LABEL`] without labels.
    pub fn labels(&self) -> Vec<i64> {
        let labels = self.origins.iter();
        labels.map(|&origin| self.whole.labels[origin]).collect()
    }

    /// The position of each sample in the data set that this one is a part of, from the splits that
    /// made it; its own position if it is whole.
    pub fn origins(&self) -> &[usize] {
        &self.origins
    }

    /// The modality mask.
    ///
    /// # Errors
    ///
    /// None for a data set that was made without an error.
    pub fn presence(&self) -> Result<Presence> {
        self.whole.presence.select(&self.origins)
    }

    /// Applies a modality mask, whose samples are those of this data set in the same order. A sample
    /// keeps the modalities that it has both in the mask and in the data set.
    ///
    /// # Errors
    ///
    /// As [`Presence::intersection`], in particular for a sample that would lose all its modalities, and
    /// [`MlaError::RepeatedSample`] for a sample that was [selected](Self::select) several times and whose
    /// masks differ.
    pub fn with_presence(&self, presence: &Presence) -> Result<Self> {
        self.masked(presence, false)
    }

    /// Applies a modality mask as [`with_presence`](Self::with_presence). Batches hold what it removes as
    /// [hidden](MultimodalBatch::hidden) inputs, which
    /// [`ImputeTarget::Oracle`](crate::baseline::ImputeTarget::Oracle) trains with.
    ///
    /// # Errors
    ///
    /// As [`with_presence`](Self::with_presence).
    pub fn with_hidden(&self, presence: &Presence) -> Result<Self> {
        self.masked(presence, true)
    }

    fn masked(&self, presence: &Presence, hide: bool) -> Result<Self> {
        let masked = self.presence()?.intersection(presence)?;
        let n_modalities = masked.n_modalities();
        let n_whole = self.whole.labels.len();
        let mut mask: Vec<bool> = (0..n_whole * n_modalities)
            .map(|at| {
                let (sample, modality) = (at / n_modalities, at % n_modalities);
                self.whole.presence.is_present(sample, modality)
            })
            .collect();
        let mut set = vec![false; n_whole];
        let mut hidden = self.whole.hidden.clone();
        if hide && hidden.is_none() {
            hidden = Some(vec![false; mask.len()]);
        }
        for (sample, &origin) in self.origins.iter().enumerate() {
            for modality in 0..n_modalities {
                let is_present = masked.is_present(sample, modality);
                let at = origin * n_modalities + modality;
                if set[origin] && mask[at] != is_present {
                    return Err(MlaError::RepeatedSample { sample });
                }
                if let Some(hidden) = hidden.as_mut().filter(|_| hide) {
                    hidden[at] |= mask[at] && !is_present;
                }
                mask[at] = is_present;
            }
            set[origin] = true;
        }
        Ok(Self {
            whole: Arc::new(Whole {
                inputs: self.whole.inputs.clone(),
                labels: self.whole.labels.clone(),
                presence: Presence::from_mask(mask, n_modalities)?,
                hidden,
                rows: self.whole.rows.clone(),
            }),
            origins: self.origins.clone(),
        })
    }

    /// The data set of the samples at `samples`, in that order.
    ///
    /// # Errors
    ///
    /// [`MlaError::Empty`] for no sample, [`MlaError::RowOutOfRange`] for a sample out of range.
    pub fn select(&self, samples: &[usize]) -> Result<Self> {
        if samples.is_empty() {
            return Err(MlaError::Empty {
                what: "the selection of a data set",
            });
        }
        check_rows(samples, self.len())?;
        Ok(Self {
            whole: self.whole.clone(),
            origins: samples.iter().map(|&sample| self.origins[sample]).collect(),
        })
    }

    /// The samples at `samples` as one batch on `device`, with their positions in this data set.
    ///
    /// # Errors
    ///
    /// [`MlaError::RowOutOfRange`] for a sample out of range, and those of the inputs.
    pub fn batch(&self, samples: &[usize], device: &Device) -> Result<MultimodalBatch<In>> {
        check_rows(samples, self.len())?;
        let whole = &*self.whole;
        let origins: Vec<usize> = samples.iter().map(|&sample| self.origins[sample]).collect();
        let taken = |wanted: &dyn Fn(usize, usize) -> bool| -> Vec<Taken> {
            let taken = whole.rows.iter().enumerate().map(|(modality, rows)| {
                let there = |&at: &usize| wanted(origins[at], modality);
                let places: Vec<usize> = (0..origins.len()).filter(there).collect();
                let row = |&at: &usize| match rows {
                    None => origins[at],
                    Some(rows) => rows[origins[at]],
                };
                Taken {
                    rows: places.iter().map(row).collect(),
                    samples: places,
                    n_samples: origins.len(),
                }
            });
            taken.collect()
        };
        let present = taken(&|sample, modality| whole.presence.is_present(sample, modality));
        let inputs = whole.inputs.take_samples(&present, device)?;
        let hidden = whole.hidden.as_ref().map(|hidden| {
            let n_modalities = whole.presence.n_modalities();
            let hidden = taken(&|sample, modality| hidden[sample * n_modalities + modality]);
            whole.inputs.take_samples(&hidden, device)
        });
        let labels = origins.iter().map(|&origin| whole.labels[origin]);
        let targets = Targets::from_labels(labels.collect(), device);
        let mut batch = MultimodalBatch::new(inputs, targets).with_samples(samples.to_vec());
        batch.hidden = hidden.transpose()?;
        Ok(batch)
    }

    /// Shuffled batches of `batch_size` samples on `device` to train on. Their order is a function of
    /// `seed` and the pass, as that of a [`SeededLoader`].
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`] for a batch size of 0.
    pub fn shuffled(
        &self,
        batch_size: usize,
        seed: u64,
        device: &Device,
    ) -> Result<TrainingData<In>> {
        let loader = SeededLoader::new(self.positions(), self.batcher(), batch_size, seed, device)?;
        let n_batches = loader.n_batches();
        let batches = MappedLoader::new(Arc::new(loader), |batch| batch);
        Ok(TrainingData::new(Arc::new(batches), n_batches))
    }

    /// Batches of `batch_size` samples on `device`, in order, to evaluate or to predict.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`] for a batch size of 0.
    pub fn in_order(
        &self,
        batch_size: usize,
        device: &Device,
    ) -> Result<Arc<dyn DataLoader<MultimodalBatch<In>>>> {
        at_least_one("batch_size", batch_size)?;
        let loader = DataLoaderBuilder::new(self.batcher())
            .batch_size(batch_size)
            .set_device(device.clone())
            .build(self.positions());
        Ok(Arc::new(MappedLoader::new(loader, |batch| batch)))
    }

    fn positions(&self) -> InMemDataset<usize> {
        InMemDataset::new((0..self.len()).collect())
    }

    fn batcher(&self) -> Batches<In> {
        Batches(self.clone())
    }
}

/// Makes batches of positions; a batcher itself cannot return an error.
struct Batches<In>(InMemory<In>);

impl<In: TakeSamples> Batcher<usize, Result<MultimodalBatch<In>>> for Batches<In> {
    fn batch(&self, samples: Vec<usize>, device: &Device) -> Result<MultimodalBatch<In>> {
        self.0.batch(&samples, device)
    }
}

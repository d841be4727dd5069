//! Data sets of manifests: samples that are decoded when they are read, and loaders of batches.

use std::sync::Arc;

use burn::data::dataloader::DataLoader;
use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::{Dataset, DatasetError};
use burn::tensor::Device;
use burn_mla::MlaError;
use burn_mla::loader::{MappedLoader, SeededLoader, TrainingData};
use burn_mla::modality::{MultimodalBatch, Targets};
use rand::rngs::ChaCha12Rng;
use serde_json::json;

use super::{FrontEnds, Manifest, ManifestError};
use crate::dataset::{SampleId, Split};
use crate::sha256::hex;

/// A decoded sample.
#[derive(Debug, Clone)]
pub struct ManifestItem<T> {
    /// Its identity.
    pub id: SampleId,
    /// Its position in the data set.
    pub index: usize,
    /// Its label; `None` without one.
    pub label: Option<usize>,
    /// The decoded cells, `None` for a modality that it lacks.
    pub items: T,
}

/// A data set from a [`Manifest`] and one front end per modality.
///
/// A sample is decoded when it is read, always to the same item. [`shuffled`](Self::shuffled) and
/// [`in_order`](Self::in_order) make loaders of batches. Copies and parts share the manifest and the
/// front ends.
pub struct ManifestDataset<F> {
    shared: Arc<Shared<F>>,
    /// Samples of the manifest.
    samples: Arc<[usize]>,
    /// Whether a modality of a sample is kept, by sample of the manifest; none keeps all.
    pub(super) kept: Option<Arc<[bool]>>,
    n_workers: usize,
}

struct Shared<F> {
    manifest: Manifest,
    front_ends: F,
}

impl<F> Clone for ManifestDataset<F> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            samples: self.samples.clone(),
            kept: self.kept.clone(),
            n_workers: self.n_workers,
        }
    }
}

impl Manifest {
    /// A data set of all samples, with one front end per column of a modality, in their order.
    ///
    /// # Errors
    ///
    /// - [`ManifestError::FrontEnds`] for another number of front ends;
    /// - [`ManifestError::Kind`] for a front end that does not read its column;
    /// - [`ManifestError::RepeatedId`] for an identity of two samples;
    /// - [`ManifestError::NoModality`] for a sample without any modality.
    pub fn dataset<F: FrontEnds>(
        &self,
        front_ends: F,
    ) -> Result<ManifestDataset<F>, ManifestError> {
        if front_ends.n_modalities() != self.modalities.len() {
            return Err(ManifestError::FrontEnds {
                n: front_ends.n_modalities(),
                columns: self
                    .modalities()
                    .map(|(name, _)| name.to_string())
                    .collect(),
            });
        }
        for (modality, (name, kind)) in self.modalities().enumerate() {
            if !front_ends.reads(modality, kind) {
                return Err(ManifestError::Kind {
                    column: name.to_string(),
                    found: kind,
                });
            }
        }
        self.check_ids()?;
        let samples: Vec<usize> = (0..self.len()).collect();
        self.presence(&samples)?;
        Ok(ManifestDataset {
            shared: Arc::new(Shared {
                manifest: self.clone(),
                front_ends,
            }),
            samples: samples.into(),
            kept: None,
            n_workers: 0,
        })
    }

    /// Checks that no two samples have the same identity.
    pub(super) fn check_ids(&self) -> Result<(), ManifestError> {
        let repeated = self.ids.repeated();
        let Some(&(first, sample)) = repeated.first() else {
            return Ok(());
        };
        Err(ManifestError::RepeatedId {
            place: self.place(sample),
            first_line: self.lines[first].into(),
            n: repeated.len(),
        })
    }
}

impl<F: FrontEnds> ManifestDataset<F> {
    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.shared.manifest
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// The samples in the manifest, by their position in this data set.
    pub fn samples(&self) -> &[usize] {
        &self.samples
    }

    /// The samples of a split.
    ///
    /// # Errors
    ///
    /// [`ManifestError::EmptySplit`].
    pub fn part(&self, split: Split) -> Result<Self, ManifestError> {
        let samples = self.samples.iter().copied();
        let samples = samples.filter(|&sample| self.manifest().split(sample) == Some(split));
        let samples: Arc<[usize]> = samples.collect();
        if samples.is_empty() {
            return Err(ManifestError::EmptySplit { split });
        }
        Ok(self.with_samples(samples))
    }

    pub(super) fn with_samples(&self, samples: Arc<[usize]>) -> Self {
        Self {
            samples,
            ..self.clone()
        }
    }

    /// Decodes and augments on `n_workers` threads, ahead of the training; 0, the default, on the thread
    /// that asks. Batches do not depend on it.
    pub fn with_workers(mut self, n_workers: usize) -> Self {
        self.n_workers = n_workers;
        self
    }

    /// Decodes a sample.
    ///
    /// # Errors
    ///
    /// [`ManifestError::Cell`].
    ///
    /// # Panics
    ///
    /// If `index` is not below [`len`](Self::len).
    pub fn item(&self, index: usize) -> Result<ManifestItem<F::Items>, ManifestError> {
        self.read_item(index, None)
    }

    fn read_item(
        &self,
        index: usize,
        numbers: Option<&mut ChaCha12Rng>,
    ) -> Result<ManifestItem<F::Items>, ManifestError> {
        let sample = self.samples[index];
        Ok(ManifestItem {
            id: self.manifest().id(sample),
            index,
            label: self.manifest().label(sample),
            items: self.decode(sample, numbers)?,
        })
    }

    /// Decodes a sample of the manifest, and augments it by random numbers.
    pub(super) fn decode(
        &self,
        sample: usize,
        numbers: Option<&mut ChaCha12Rng>,
    ) -> Result<F::Items, ManifestError> {
        let Shared {
            manifest,
            front_ends,
        } = &*self.shared;
        let cells = (0..front_ends.n_modalities()).map(|m| {
            if self.keeps(sample, m) {
                manifest.cell(sample, m)
            } else {
                Ok(None)
            }
        });
        let items = front_ends.decode(cells.collect::<Result<_, _>>()?, numbers);
        items.map_err(|(modality, error)| manifest.unreadable(sample, modality, error))
    }

    /// Makes a batch of decoded samples. Its positions are those of the samples in this data set.
    ///
    /// # Errors
    ///
    /// [`ManifestError::Batch`].
    pub fn collate(
        &self,
        items: Vec<ManifestItem<F::Items>>,
        device: &Device,
    ) -> Result<MultimodalBatch<F::Inputs>, ManifestError> {
        let label = |item: &ManifestItem<_>| item.label.map_or(Targets::NO_LABEL, |l| l as i64);
        let labels = items.iter().map(label).collect();
        let samples: Vec<usize> = items.iter().map(|item| item.index).collect();
        let decoded = items.into_iter().map(|item| item.items).collect();
        let inputs = self.shared.front_ends.collate(decoded, device);
        let inputs = inputs.map_err(|(modality, source)| ManifestError::Batch {
            column: self.manifest().modalities[modality].name.clone(),
            samples: samples
                .iter()
                .map(|&index| self.manifest().id(self.samples[index]))
                .collect(),
            source: source.into(),
        })?;
        let targets = Targets::from_labels(labels, device);
        Ok(MultimodalBatch::new(inputs, targets).with_samples(samples))
    }

    /// Shuffled and augmented batches of `batch_size` samples on `device` to train on. Order and
    /// augmentation are a function of `seed` and the pass.
    ///
    /// The table of a training has the share of the time that it waits for data, "Data wait".
    ///
    /// A checkpoint keeps the settings of the front ends, the classes, and a hash of the samples with their labels; a
    /// training with others cannot resume from it.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`] for a batch size of 0.
    pub fn shuffled(
        &self,
        batch_size: usize,
        seed: u64,
        device: &Device,
    ) -> Result<TrainingData<F::Inputs>, MlaError> {
        let loader = self.loader(batch_size, seed, true, device)?;
        let (n_batches, wait) = (loader.n_batches(), loader.wait());
        let batches = Arc::new(mapped::<F>(loader));
        Ok(TrainingData::new(batches, n_batches).with_wait(wait))
    }

    /// Batches of `batch_size` samples on `device`, in their order, to evaluate or to predict.
    ///
    /// # Errors
    ///
    /// As [`shuffled`](Self::shuffled).
    pub fn in_order(
        &self,
        batch_size: usize,
        device: &Device,
    ) -> Result<Arc<dyn DataLoader<MultimodalBatch<F::Inputs>>>, MlaError> {
        let loader = self.loader(batch_size, 0, false, device)?;
        Ok(Arc::new(mapped::<F>(loader.in_order())))
    }

    fn loader(
        &self,
        batch_size: usize,
        seed: u64,
        augmented: bool,
        device: &Device,
    ) -> Result<Loader<F>, MlaError> {
        let manifest = self.manifest();
        let recipe = json!({
            "modalities": manifest.modalities().collect::<Vec<_>>(),
            "classes": manifest.classes(),
            "front_ends": self.shared.front_ends.recipe(),
            "samples": hex(&manifest.list_sha256(&self.samples)),
        });
        // Decoding draws random numbers, which a data set does not get: samples are decoded where the
        // loader augments.
        let data = self.clone();
        let read = move |sample: Sample<F::Items>, numbers: &mut ChaCha12Rng| {
            let numbers = augmented.then_some(numbers);
            match sample {
                Sample::Position(index) => data
                    .read_item(index, numbers)
                    .map(Sample::Item)
                    .map_err(DatasetError::new),
                item @ Sample::Item(_) => Ok(item),
            }
        };
        let positions = Positions(self.len());
        let loader = SeededLoader::new(positions, self.clone(), batch_size, seed, device)?;
        let loader = loader
            .with_recipe(&recipe)
            .map_err(|error| MlaError::Data {
                message: error.to_string(),
            })?;
        let loader = loader.with_augmentation(read);
        Ok(loader.with_workers(self.n_workers))
    }
}

/// A sample of a loader before and after it is decoded.
enum Sample<T> {
    Position(usize),
    Item(ManifestItem<T>),
}

/// The positions of a data set.
struct Positions(usize);

impl<T: Send + Sync> Dataset<Sample<T>> for Positions {
    fn get(&self, index: usize) -> Result<Sample<T>, DatasetError> {
        Ok(Sample::Position(index))
    }

    fn len(&self) -> usize {
        self.0
    }
}

/// A batch, or why its items do not fit together: a batcher itself cannot return an error.
type Collated<F> = Result<MultimodalBatch<<F as FrontEnds>::Inputs>, ManifestError>;

type Loader<F> = SeededLoader<Sample<<F as FrontEnds>::Items>, Collated<F>>;

type Mapped<F> = MappedLoader<Collated<F>, MultimodalBatch<<F as FrontEnds>::Inputs>, Loader<F>>;

fn mapped<F: FrontEnds>(loader: Loader<F>) -> Mapped<F> {
    MappedLoader::new(Arc::new(loader), |batch: Collated<F>| {
        batch.map_err(|error| MlaError::Data {
            message: error.to_string(),
        })
    })
}

impl<F: FrontEnds> Dataset<ManifestItem<F::Items>> for ManifestDataset<F> {
    fn get(&self, index: usize) -> Result<ManifestItem<F::Items>, DatasetError> {
        self.item(index).map_err(DatasetError::new)
    }

    fn len(&self) -> usize {
        self.samples.len()
    }
}

impl<F: FrontEnds> Batcher<Sample<F::Items>, Collated<F>> for ManifestDataset<F> {
    fn batch(&self, samples: Vec<Sample<F::Items>>, device: &Device) -> Collated<F> {
        let items = samples.into_iter().map(|sample| match sample {
            Sample::Item(item) => Ok(item),
            Sample::Position(index) => self.item(index),
        });
        self.collate(items.collect::<Result<_, _>>()?, device)
    }
}

impl<F: FrontEnds> Batcher<ManifestItem<F::Items>, Collated<F>> for ManifestDataset<F> {
    fn batch(&self, items: Vec<ManifestItem<F::Items>>, device: &Device) -> Collated<F> {
        self.collate(items, device)
    }
}

//! The parts of a data set as loaders of batches: from files, or from features in memory.

use std::sync::Arc;

use burn::data::dataloader::DataLoader;
use burn::tensor::Device;
use burn_mla::dataset::InMemory;
use burn_mla::loader::TrainingData;
use burn_mla::modality::{MissingRate, ModalityInput, MultimodalBatch, Presence};
use burn_mla_data::dataset::Split;
use burn_mla_data::manifest::{Manifest, ManifestDataset};

use crate::{PaperFrontEnd, PaperInput, Result};

/// The inputs of a batch.
pub type Inputs = Vec<Option<ModalityInput<PaperInput>>>;

/// A data set with splits.
pub struct Parts {
    splits: Vec<Split>,
    source: Source,
}

enum Source {
    Files(ManifestDataset<Vec<PaperFrontEnd>>),
    Memory(InMemory<Inputs>),
}

impl Parts {
    /// Samples that are decoded when they are read, by one front end for each modality.
    ///
    /// # Errors
    ///
    /// As [`Manifest::dataset`], and a sample without a split.
    pub fn files(
        manifest: &Manifest,
        front_ends: Vec<PaperFrontEnd>,
        n_workers: usize,
    ) -> Result<Self> {
        let data = manifest.dataset(front_ends)?.with_workers(n_workers);
        Ok(Self {
            splits: splits_of(manifest)?,
            source: Source::Files(data),
        })
    }

    /// Features of all samples of a manifest, by modality.
    ///
    /// # Errors
    ///
    /// As [`InMemory::new`], and a sample without a split or label.
    pub fn features(
        manifest: &Manifest,
        features: Vec<Option<ModalityInput<PaperInput>>>,
    ) -> Result<Self> {
        let label = |sample| {
            let label = manifest.label(sample);
            label.ok_or_else(|| format!("{}: no label", manifest.place(sample)))
        };
        let labels: Vec<usize> = (0..manifest.len()).map(label).collect::<Result<_, _>>()?;
        Ok(Self {
            splits: splits_of(manifest)?,
            source: Source::Memory(InMemory::new(features, labels)?),
        })
    }

    fn samples(&self, split: Split) -> Vec<usize> {
        let samples = self.splits.iter().enumerate();
        let samples = samples.filter(|(_, found)| **found == split);
        samples.map(|(sample, _)| sample).collect()
    }

    /// Number of training samples.
    pub fn n_train(&self) -> usize {
        self.samples(Split::Train).len()
    }

    fn memory(&self, data: &InMemory<Inputs>, split: Split) -> Result<InMemory<Inputs>> {
        Ok(data.select(&self.samples(split))?)
    }

    /// Shuffled batches of the training samples.
    ///
    /// # Errors
    ///
    /// Those of the data set.
    pub fn train(
        &self,
        batch_size: usize,
        seed: u64,
        device: &Device,
    ) -> Result<TrainingData<Inputs>> {
        Ok(match &self.source {
            Source::Files(data) => data
                .part(Split::Train)?
                .shuffled(batch_size, seed, device)?,
            Source::Memory(data) => {
                let part = self.memory(data, Split::Train)?;
                part.shuffled(batch_size, seed, device)?
            }
        })
    }

    /// Batches of a split in its order.
    ///
    /// # Errors
    ///
    /// Those of the data set.
    pub fn in_order(
        &self,
        split: Split,
        batch_size: usize,
        device: &Device,
    ) -> Result<Arc<dyn DataLoader<MultimodalBatch<Inputs>>>> {
        Ok(match &self.source {
            Source::Files(data) => data.part(split)?.in_order(batch_size, device)?,
            Source::Memory(data) => self.memory(data, split)?.in_order(batch_size, device)?,
        })
    }

    /// The data set without modalities that are missing at a rate, with a mask for each split.
    ///
    /// # Errors
    ///
    /// A rate outside of its range.
    pub fn missing(self, rate: &MissingRate) -> Result<Self> {
        let natural = match &self.source {
            Source::Files(data) => data.presence()?,
            Source::Memory(data) => data.presence()?,
        };
        let mask = self.mask(rate, &natural)?;
        let source = match self.source {
            Source::Files(data) => Source::Files(data.with_presence(&mask)?),
            Source::Memory(data) => Source::Memory(data.with_presence(&mask)?),
        };
        Ok(Self { source, ..self })
    }

    fn mask(&self, rate: &MissingRate, natural: &Presence) -> Result<Presence> {
        let n = natural.n_modalities();
        let mut mask = vec![true; self.splits.len() * n];
        for split in Split::ALL {
            let samples = self.samples(split);
            if samples.is_empty() {
                continue;
            }
            let drawn = rate.presence_within(split.name(), &natural.select(&samples)?)?;
            for (row, &sample) in samples.iter().enumerate() {
                for modality in 0..n {
                    mask[sample * n + modality] = drawn.is_present(row, modality);
                }
            }
        }
        Ok(Presence::from_mask(mask, n)?)
    }
}

fn splits_of(manifest: &Manifest) -> Result<Vec<Split>> {
    let split = |sample| {
        let split = manifest.split(sample);
        split.ok_or_else(|| format!("{}: no split", manifest.place(sample)).into())
    };
    (0..manifest.len()).map(split).collect()
}

//! A check that every modality occurs in a pass over the data.

use std::sync::Arc;

use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::tensor::Device;

use crate::error::MlaError;
use crate::modality::{ModalityInputs, MultimodalBatch, Rows};

/// The batches of a loader, and [`MlaError::AbsentModality`] after a pass in which no batch has one of
/// the modalities. An alternating loader checks it by itself.
///
/// A slice is not checked: a part of the data may lack a modality.
pub(crate) struct Occurring<In: ModalityInputs> {
    loader: Arc<dyn DataLoader<MultimodalBatch<In>>>,
}

impl<In: ModalityInputs> Occurring<In> {
    pub(crate) fn new(loader: Arc<dyn DataLoader<MultimodalBatch<In>>>) -> Self {
        Self { loader }
    }
}

impl<In: ModalityInputs> DataLoader<MultimodalBatch<In>> for Occurring<In> {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<MultimodalBatch<In>> + 'a> {
        Box::new(Pass {
            batches: self.loader.iter(),
            occurs: vec![],
        })
    }

    fn num_items(&self) -> usize {
        self.loader.num_items()
    }

    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<MultimodalBatch<In>>> {
        Arc::new(Self::new(self.loader.to_device(device)))
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<MultimodalBatch<In>>> {
        self.loader.slice(start, end)
    }
}

struct Pass<'a, In: ModalityInputs> {
    batches: Box<dyn DataLoaderIterator<MultimodalBatch<In>> + 'a>,
    /// Whether a batch so far had the modality.
    occurs: Vec<bool>,
}

impl<In: ModalityInputs> Iterator for Pass<'_, In> {
    type Item = Result<MultimodalBatch<In>, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let Some(batch) = self.batches.next() else {
            let absent = self.occurs.iter().position(|occurs| !occurs);
            self.occurs.clear();
            let error = |modality| Err(DatasetError::new(MlaError::AbsentModality { modality }));
            return absent.map(error);
        };
        if let Ok(batch) = &batch {
            self.occurs.resize(batch.inputs.n_modalities(), false);
            for (modality, occurs) in self.occurs.iter_mut().enumerate() {
                *occurs |= match batch.inputs.rows(modality) {
                    None => false,
                    Some(Rows::All) => true,
                    Some(Rows::Some(rows)) => !rows.is_empty(),
                };
            }
        }
        Some(batch)
    }
}

impl<In: ModalityInputs> DataLoaderIterator<MultimodalBatch<In>> for Pass<'_, In> {
    fn progress(&self) -> Progress {
        self.batches.progress()
    }
}

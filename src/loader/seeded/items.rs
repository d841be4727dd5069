//! Batches from positions: reading, augmentation and batching, the same on every thread.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::{Dataset, DatasetError};
use burn::tensor::Device;
use rand::rngs::ChaCha12Rng;

use super::error::LoaderError;
use crate::loader::seed::{derived, generator};

type Read<T> = std::result::Result<T, DatasetError>;
type Augmentation<I> = dyn Fn(I, &mut ChaCha12Rng) -> Read<I> + Send + Sync;

/// What makes batches of items.
pub(super) struct Items<I, O> {
    pub(super) dataset: Arc<dyn Dataset<I>>,
    pub(super) batcher: Arc<dyn Batcher<I, O>>,
    pub(super) augmentation: Option<Arc<Augmentation<I>>>,
    pub(super) seed: u64,
    pub(super) device: Device,
}

impl<I, O> Clone for Items<I, O> {
    fn clone(&self) -> Self {
        Self {
            dataset: self.dataset.clone(),
            batcher: self.batcher.clone(),
            augmentation: self.augmentation.clone(),
            seed: self.seed,
            device: self.device.clone(),
        }
    }
}

impl<I, O> Items<I, O> {
    /// The batch of the items at `positions`. Errors and panics name the item.
    pub(super) fn batch(&self, pass: u64, positions: &[usize]) -> Read<O> {
        let make = || {
            let items = self.dataset.get_many(positions.to_vec())?;
            if items.len() != positions.len() {
                return Err(DatasetError::new(LoaderError::Items {
                    items: positions.to_vec(),
                    got: items.len(),
                }));
            }
            let augmented = items.into_iter().zip(positions);
            let items = augmented
                .map(|(item, &position)| self.augment(item, pass, position))
                .collect::<Read<Vec<I>>>()?;
            Ok(self.batcher.batch(items, &self.device))
        };
        match catch_unwind(AssertUnwindSafe(make)) {
            Ok(Ok(batch)) => Ok(batch),
            Ok(Err(source)) => Err(self.fault(pass, positions).unwrap_or(source)),
            Err(payload) => Err(self.fault(pass, positions).unwrap_or_else(|| {
                DatasetError::new(LoaderError::BatchPanicked {
                    items: positions.to_vec(),
                    message: message(payload.as_ref()),
                })
            })),
        }
    }

    fn augment(&self, item: I, pass: u64, position: usize) -> Read<I> {
        match &self.augmentation {
            None => Ok(item),
            Some(augmentation) => {
                // A seed of its own: the order of a pass is drawn from that of the loader.
                let seed = derived(self.seed, pass);
                augmentation(item, &mut generator(seed, pass, position as u64))
            }
        }
    }

    /// The error of the first item that cannot be read; `None` if all can, one by one.
    fn fault(&self, pass: u64, positions: &[usize]) -> Option<DatasetError> {
        positions.iter().find_map(|&item| {
            let read = || self.augment(self.dataset.get(item)?, pass, item);
            let error = match catch_unwind(AssertUnwindSafe(read)) {
                Ok(Ok(_)) => return None,
                Ok(Err(source)) => LoaderError::Item { item, source },
                Err(payload) => LoaderError::ItemPanicked {
                    item,
                    message: message(payload.as_ref()),
                },
            };
            Some(DatasetError::new(error))
        })
    }
}

/// The message of a panic.
fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| text.to_string());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_string())
}

//! A loader that stops a training after a number of inputs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::tensor::Device;
use burn::train::Interrupter;

/// Interrupts the training after a number of inputs.
pub struct Watched<I> {
    pub loader: Arc<dyn DataLoader<I>>,
    pub read: Arc<AtomicU64>,
    pub stop_after: Option<u64>,
    pub interrupter: Interrupter,
}

struct WatchedIter<'a, I> {
    inputs: Box<dyn DataLoaderIterator<I> + 'a>,
    loader: &'a Watched<I>,
}

impl<I> Iterator for WatchedIter<'_, I> {
    type Item = Result<I, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.inputs.next()?;
        let n = self.loader.read.fetch_add(1, Ordering::Relaxed) + 1;
        // The loop reads one input ahead.
        if self.loader.stop_after.is_some_and(|after| n == after + 1) {
            self.loader.interrupter.stop(Some("enough"));
        }
        Some(next)
    }
}

impl<I> DataLoaderIterator<I> for WatchedIter<'_, I> {
    fn progress(&self) -> Progress {
        self.inputs.progress()
    }
}

impl<I: 'static> DataLoader<I> for Watched<I> {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<I> + 'a> {
        Box::new(WatchedIter {
            inputs: self.loader.iter(),
            loader: self,
        })
    }

    fn num_items(&self) -> usize {
        self.loader.num_items()
    }

    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<I>> {
        Arc::new(Self {
            loader: self.loader.to_device(device),
            read: self.read.clone(),
            stop_after: self.stop_after,
            interrupter: self.interrupter.clone(),
        })
    }

    fn slice(&self, _: usize, _: usize) -> Arc<dyn DataLoader<I>> {
        unreachable!("one device")
    }
}

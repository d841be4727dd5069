//! Threads that make the batches of a pass ahead of the training.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use burn::data::dataset::DatasetError;

use super::error::LoaderError;
use super::items::Items;

type Made<O> = std::result::Result<O, DatasetError>;

/// Workers of one pass. Worker `k` of `n` makes the batches `k`, `k + n`, `k + 2 n`, ..., which
/// fixes their order. Dropping the receivers ends the workers after their current batch.
pub(super) struct Workers<O> {
    batches: Vec<std::result::Result<Receiver<Made<O>>, String>>,
    next: usize,
}

impl<O: Send + 'static> Workers<O> {
    pub(super) fn start<I: Send + Sync + 'static>(
        n_workers: usize,
        items: &Items<I, O>,
        pass: u64,
        order: &Arc<[usize]>,
        batch_size: usize,
    ) -> Self {
        let n_batches = order.len().div_ceil(batch_size);
        let n_workers = n_workers.min(n_batches);
        let start = |worker: usize| {
            let (sender, receiver) = sync_channel(1);
            let (items, order) = (items.clone(), order.clone());
            let work = move || {
                for positions in order.chunks(batch_size).skip(worker).step_by(n_workers) {
                    if sender.send(items.batch(pass, positions)).is_err() {
                        return;
                    }
                }
            };
            let thread = thread::Builder::new().name(format!("loader-{worker}"));
            thread
                .spawn(work)
                .map(|_| receiver)
                .map_err(|error| error.to_string())
        };
        Self {
            batches: (0..n_workers).map(start).collect(),
            next: 0,
        }
    }
}

impl<O> Workers<O> {
    /// The next batch of the pass. It must exist.
    pub(super) fn next(&mut self) -> Made<O> {
        let worker = self.next % self.batches.len();
        self.next += 1;
        let ended = |reason: String| DatasetError::new(LoaderError::Worker { worker, reason });
        match &self.batches[worker] {
            Ok(receiver) => receiver
                .recv()
                .unwrap_or_else(|_| Err(ended("it ended early".to_string()))),
            Err(reason) => Err(ended(format!("it could not be started: {reason}"))),
        }
    }
}

//! The time that a training waits for its data.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The time that was spent waiting for the batches of a loader, and their number. Clones share it.
///
/// The share of it in the time of a training tells whether more workers would help.
#[derive(Debug, Clone, Default)]
pub struct LoaderWait(Arc<Totals>);

#[derive(Debug, Default)]
struct Totals {
    nanoseconds: AtomicU64,
    batches: AtomicU64,
}

impl LoaderWait {
    /// Time between the requests of batches and their arrival, in all.
    pub fn duration(&self) -> Duration {
        Duration::from_nanos(self.0.nanoseconds.load(Ordering::Relaxed))
    }

    /// Number of batches that arrived.
    pub fn batches(&self) -> u64 {
        self.0.batches.load(Ordering::Relaxed)
    }

    pub(super) fn measure<T>(&self, make: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let made = make();
        let nanoseconds = start.elapsed().as_nanos().min(u128::from(u64::MAX)) as u64;
        self.0.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
        self.0.batches.fetch_add(1, Ordering::Relaxed);
        made
    }
}

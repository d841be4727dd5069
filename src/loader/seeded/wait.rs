//! The time that a training waits for its data.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The time that was spent waiting for the batches of a loader, and their number. Clones share it.
///
/// Its share in the time of a training tells whether more workers would help:
/// [`DataWaitMetric`](crate::metric::DataWaitMetric) reports it.
#[derive(Debug, Clone, Default)]
pub struct LoaderWait(Arc<Totals>);

#[derive(Debug, Default)]
struct Totals {
    nanoseconds: AtomicU64,
    /// Waiting, and the work of the training in between.
    elapsed: AtomicU64,
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

    /// Time from the first request of each pass to its end, or to its latest batch: the waiting, and what
    /// was done with the batches.
    pub fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.0.elapsed.load(Ordering::Relaxed))
    }

    /// Measures how long a batch takes. `last` is when the last one of the pass arrived, and is set anew.
    pub(super) fn measure<T>(&self, last: &mut Option<Instant>, make: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let made = make();
        let end = Instant::now();
        add(&self.0.nanoseconds, start, end);
        add(&self.0.elapsed, last.unwrap_or(start), end);
        self.0.batches.fetch_add(1, Ordering::Relaxed);
        *last = Some(end);
        made
    }

    /// Adds what was done with the last batch of a pass.
    pub(super) fn end(&self, last: &mut Option<Instant>) {
        if let Some(last) = last.take() {
            add(&self.0.elapsed, last, Instant::now());
        }
    }
}

fn add(total: &AtomicU64, start: Instant, end: Instant) {
    let nanoseconds = end.duration_since(start).as_nanos();
    let nanoseconds = u64::try_from(nanoseconds).unwrap_or(u64::MAX);
    total.fetch_add(nanoseconds, Ordering::Relaxed);
}

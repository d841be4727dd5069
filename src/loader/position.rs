//! Position of a loader, which checkpoints save and restore.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::error::{Result, same_size};

/// The position of an [`AlternatingLoader`](crate::loader::AlternatingLoader).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoaderPosition {
    /// Number of scheduled turns, including skipped ones.
    pub step: u64,
    /// Number of skipped turns.
    pub skipped: u64,
    /// Number of started passes of each source loader.
    pub passes: Vec<u64>,
}

/// A handle that saves and restores the position of an
/// [`AlternatingLoader`](crate::loader::AlternatingLoader) or of a loader of batches. It remains
/// valid after the loader has moved into a training loop.
#[derive(Debug, Clone)]
pub struct LoaderHandle {
    counts: Arc<Counts>,
    passes: Arc<Mutex<Vec<Passes>>>,
}

impl LoaderHandle {
    pub(super) fn new(counts: Arc<Counts>, passes: Arc<Mutex<Vec<Passes>>>) -> Self {
        Self { counts, passes }
    }

    /// A handle to a loader of batches that counts its passes and has no schedule, such as a
    /// [`SeededLoader`](crate::loader::SeededLoader).
    pub fn of_passes(passes: impl IntoIterator<Item = Passes>) -> Self {
        let passes = passes.into_iter().collect();
        Self::new(Arc::default(), Arc::new(Mutex::new(passes)))
    }

    fn passes(&self) -> MutexGuard<'_, Vec<Passes>> {
        self.passes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The current position. To resume within an epoch, save the position at its start and repeat
    /// its first turns: the position does not include how far the source loaders are within a
    /// pass.
    pub fn position(&self) -> LoaderPosition {
        LoaderPosition {
            step: self.counts.step(),
            skipped: self.counts.skipped(),
            passes: self.passes().iter().map(Passes::begun).collect(),
        }
    }

    /// Moves the loader to `position`, from the next epoch on.
    ///
    /// # Errors
    ///
    /// [`MlaError::Size`](crate::MlaError::Size) for a position with another number of loaders; the
    /// loader is then unchanged.
    pub fn restore(&self, position: &LoaderPosition) -> Result<()> {
        let what = "loaders whose passes are counted";
        let passes = self.passes();
        same_size(what, passes.len(), position.passes.len())?;
        self.counts.step.store(position.step, Ordering::Relaxed);
        self.counts
            .skipped
            .store(position.skipped, Ordering::Relaxed);
        for (passes, &begun) in passes.iter().zip(&position.passes) {
            passes.0.store(begun, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// The number of passes that a [`SeededLoader`](crate::loader::SeededLoader) and its copies on
/// other devices have started. Clones share the count.
#[derive(Debug, Clone, Default)]
pub struct Passes(Arc<AtomicU64>);

impl Passes {
    pub(super) fn starting_at(begun: u64) -> Self {
        Self(Arc::new(AtomicU64::new(begun)))
    }

    /// Number of started passes.
    pub fn begun(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Starts a pass and returns its number, from 0.
    pub(super) fn begin(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// The counts of an alternating loader, shared with its copies on other devices.
#[derive(Debug, Default)]
pub(super) struct Counts {
    step: AtomicU64,
    skipped: AtomicU64,
}

impl Counts {
    pub(super) fn from_step(step: u64) -> Self {
        let counts = Self::default();
        counts.start_at(step);
        counts
    }

    pub(super) fn start_at(&self, step: u64) {
        self.step.store(step, Ordering::Relaxed);
    }

    pub(super) fn step(&self) -> u64 {
        self.step.load(Ordering::Relaxed)
    }

    pub(super) fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }

    pub(super) fn take(&self) {
        self.step.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn skip(&self, turns: usize) {
        self.step.fetch_add(turns as u64, Ordering::Relaxed);
        self.skipped.fetch_add(turns as u64, Ordering::Relaxed);
    }
}

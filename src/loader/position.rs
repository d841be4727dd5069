use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::error::{Result, same_size};

/// Where an [`AlternatingLoader`](crate::loader::AlternatingLoader) is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoaderPosition {
    /// Turns scheduled, skipped ones included.
    pub step: u64,
    /// Turns skipped.
    pub skipped: u64,
    /// Passes begun of each loader that is read from.
    pub passes: Vec<u64>,
}

/// Saves and restores the position of an
/// [`AlternatingLoader`](crate::loader::AlternatingLoader), or of a loader of batches, wherever the
/// loader itself has gone.
#[derive(Debug, Clone)]
pub struct LoaderHandle {
    counts: Arc<Counts>,
    passes: Arc<Mutex<Vec<Passes>>>,
}

impl LoaderHandle {
    pub(super) fn new(counts: Arc<Counts>, passes: Arc<Mutex<Vec<Passes>>>) -> Self {
        Self { counts, passes }
    }

    /// The position of a loader of batches that counts its passes, such as a
    /// [`SeededLoader`](crate::loader::SeededLoader), and has no schedule.
    pub fn of_passes(passes: impl IntoIterator<Item = Passes>) -> Self {
        let passes = passes.into_iter().collect();
        Self::new(Arc::default(), Arc::new(Mutex::new(passes)))
    }

    fn passes(&self) -> MutexGuard<'_, Vec<Passes>> {
        self.passes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The position now. While an epoch is under way that of the loaders read from is not enough
    /// to go on: save the one at its beginning, and take the epoch's first turns again.
    pub fn position(&self) -> LoaderPosition {
        LoaderPosition {
            step: self.counts.step(),
            skipped: self.counts.skipped(),
            passes: self.passes().iter().map(Passes::begun).collect(),
        }
    }

    /// Brings the loader to a position, for the next epoch.
    ///
    /// # Errors
    ///
    /// [`MlaError::Size`](crate::MlaError::Size) for a position of another number of loaders; the
    /// loader stays where it is.
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
/// other devices have begun. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Passes(Arc<AtomicU64>);

impl Passes {
    pub(super) fn starting_at(begun: u64) -> Self {
        Self(Arc::new(AtomicU64::new(begun)))
    }

    /// Passes begun.
    pub fn begun(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Begins one and returns its number, from 0.
    pub(super) fn begin(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// What an alternating loader counts, shared with its copies on other devices.
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

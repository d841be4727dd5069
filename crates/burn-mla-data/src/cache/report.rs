//! Counts of reads, writes and problems of a cache.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// Problems of which the report keeps the place.
const MAX_PLACES: usize = 20;

/// Counts of a [`DiskCache`](super::DiskCache). `Display` prints them in a line, and each damaged entry in
/// another one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheReport {
    /// Items that the cache had.
    pub hits: u64,
    /// Items that it did not have.
    pub misses: u64,
    /// Items that were written.
    pub written: u64,
    /// Their size with headers.
    pub bytes_written: u64,
    /// Items that were removed to keep the limit.
    pub evicted: u64,
    /// Items that are larger than the whole cache may be.
    pub too_large: u64,
    /// Items that could not be written.
    pub not_written: u64,
    /// The first error of a write.
    pub write_error: Option<String>,
    /// Entries that were damaged.
    pub damaged: u64,
    /// The first of them.
    pub damaged_files: Vec<PathBuf>,
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) hits: AtomicU64,
    pub(super) misses: AtomicU64,
    pub(super) written: AtomicU64,
    pub(super) bytes_written: AtomicU64,
    pub(super) evicted: AtomicU64,
    pub(super) too_large: AtomicU64,
    problems: Mutex<Problems>,
}

#[derive(Debug, Default)]
struct Problems {
    n_not_written: u64,
    write_error: Option<String>,
    n_damaged: u64,
    damaged: Vec<PathBuf>,
}

impl Counts {
    pub(super) fn damaged(&self, path: PathBuf) {
        let mut problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        problems.n_damaged += 1;
        if problems.damaged.len() < MAX_PLACES && !problems.damaged.contains(&path) {
            problems.damaged.push(path);
        }
    }

    pub(super) fn not_written(&self, error: io::Error) {
        let mut problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        problems.n_not_written += 1;
        problems
            .write_error
            .get_or_insert_with(|| error.to_string());
    }

    pub(super) fn report(&self) -> CacheReport {
        let problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        CacheReport {
            hits: self.hits.load(Relaxed),
            misses: self.misses.load(Relaxed),
            written: self.written.load(Relaxed),
            bytes_written: self.bytes_written.load(Relaxed),
            evicted: self.evicted.load(Relaxed),
            too_large: self.too_large.load(Relaxed),
            not_written: problems.n_not_written,
            write_error: problems.write_error.clone(),
            damaged: problems.n_damaged,
            damaged_files: problems.damaged.clone(),
        }
    }
}

impl fmt::Display for CacheReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let megabytes = self.bytes_written as f64 / 1e6;
        write!(
            f,
            "cache: {} hits, {} misses, {} written ({megabytes:.1} MB), {} evicted",
            self.hits, self.misses, self.written, self.evicted
        )?;
        if self.too_large > 0 {
            write!(f, "; {} larger than the cache", self.too_large)?;
        }
        if let Some(error) = &self.write_error {
            write!(f, "; {} not written: {error}", self.not_written)?;
        }
        if self.damaged > 0 {
            write!(f, "; {} damaged", self.damaged)?;
        }
        for path in &self.damaged_files {
            write!(f, "\ndamaged: {}", path.display())?;
        }
        Ok(())
    }
}

//! A cache on the disk for what is costly to compute again: decoded files, and what deterministic steps made of
//! them.
//!
//! An entry is found by the SHA-256 of a content and of the settings that turn it into an item. Changed content
//! or settings therefore are another entry, and nothing is ever out of date. Front ends of a
//! [manifest](crate::manifest) use it after
//! [`cached`](crate::manifest::CacheableFrontEnd::cached).

mod entry;
mod evict;
mod item;
mod report;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use burn_mla::atomic_file;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::sha256::hex;
pub use item::CacheItem;
pub use report::CacheReport;
use report::Counts;

/// An entry counts as used again after this time: each use would otherwise be a write.
const USE_RESOLUTION: Duration = Duration::from_secs(60);
/// Part of the limit that may be written before the folder is measured again: other processes write, too.
const PART_BETWEEN_SCANS: u64 = 16;

/// A folder of entries that several threads and processes may use at once. Clones share it.
///
/// Entries are written beside and renamed: a process that is killed leaves none of them half-written. Each has a
/// checksum. A damaged entry is ignored, computed again, and counted in the [report](Self::report). When
/// the entries exceed the limit, those that have not been used for the longest time are removed until a tenth
/// of it is free.
///
/// ```
/// use burn_mla_data::cache::{CacheKey, DiskCache};
///
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path().join("cache");
/// let cache = DiskCache::open(folder, 10_000_000_000)?;
/// let key = CacheKey::new(b"the content of a file", &serde_json::json!({"double": true}));
/// let item: Vec<f32> = match cache.get(&key) {
///     Some(item) => item,
///     None => {
///         let item = vec![2.0, 4.0];
///         cache.put(&key, &item);
///         item
///     }
/// };
/// assert_eq!(cache.get(&key), Some(item));
/// println!("{}", cache.report());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct DiskCache(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    max_bytes: u64,
    /// Size of all entries, when it was last measured, and of those that this process wrote since.
    measured: AtomicU64,
    written: AtomicU64,
    evicting: Mutex<()>,
    counts: Counts,
}

/// The name of an entry: what it was made of, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CacheKey([u8; 32]);

/// A folder that cannot be a cache.
#[derive(Debug, thiserror::Error)]
#[error("the cache {}: {source}", folder.display())]
pub struct CacheError {
    /// The folder.
    pub folder: PathBuf,
    /// The problem.
    pub source: io::Error,
}

impl CacheKey {
    /// A key of a content, or its hash, and of everything else that the item depends on.
    pub fn new(content: &[u8], settings: &Value) -> Self {
        let settings = settings.to_string();
        let mut hash = Sha256::new();
        for part in [settings.as_bytes(), content] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }
}

impl DiskCache {
    /// Opens a folder of at most `max_bytes`, or makes it. Its limit can differ from that of the last time.
    ///
    /// # Errors
    ///
    /// [`CacheError`] for a folder that cannot be made, read or written.
    pub fn open(folder: impl Into<PathBuf>, max_bytes: u64) -> Result<Self, CacheError> {
        let folder = folder.into();
        let ready = fs::create_dir_all(&folder)
            .and_then(|()| evict::lock_file(&folder))
            .and_then(|_| evict::entries(&folder));
        let entries = ready.map_err(|source| CacheError {
            folder: folder.clone(),
            source,
        })?;
        let cache = Self(Arc::new(Shared {
            folder,
            max_bytes,
            measured: AtomicU64::new(entries.iter().map(|entry| entry.bytes).sum()),
            written: AtomicU64::new(0),
            evicting: Mutex::new(()),
            counts: Counts::default(),
        }));
        cache.keep_limit();
        Ok(cache)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.0.folder
    }

    /// The counts of this process.
    pub fn report(&self) -> CacheReport {
        self.0.counts.report()
    }

    /// Returns an item; `None` if the cache does not have it, or only a damaged entry.
    pub fn get<T: CacheItem>(&self, key: &CacheKey) -> Option<T> {
        let counts = &self.0.counts;
        let path = self.path(key);
        let found = match read(&path) {
            Ok(bytes) => entry::payload(&bytes, key)
                .and_then(|payload| T::from_bytes(payload).ok_or("is no item of this type")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                counts.misses.fetch_add(1, Relaxed);
                return None;
            }
            Err(error) => {
                log::warn!("the cached item {} cannot be read: {error}", path.display());
                counts.damaged(path);
                return None;
            }
        };
        match found {
            Ok(item) => {
                counts.hits.fetch_add(1, Relaxed);
                Some(item)
            }
            Err(problem) => {
                log::warn!(
                    "the cached item {} {problem}; it is computed again",
                    path.display()
                );
                counts.damaged(path);
                None
            }
        }
    }

    /// Adds an item, or replaces it.
    ///
    /// A full disk does not stop a training: an item that cannot be written is counted in the
    /// [report](Self::report) and computed again next time.
    pub fn put<T: CacheItem>(&self, key: &CacheKey, item: &T) {
        let Shared {
            counts,
            written,
            max_bytes,
            ..
        } = &*self.0;
        let bytes = entry::bytes(key, &item.to_bytes());
        let size = bytes.len() as u64;
        if size > *max_bytes {
            counts.too_large.fetch_add(1, Relaxed);
            return;
        }
        let path = self.path(key);
        if let Err(error) = write(&path, &bytes) {
            log::warn!("the item {} cannot be cached: {error}", path.display());
            counts.not_written(error);
            return;
        }
        counts.written.fetch_add(1, Relaxed);
        counts.bytes_written.fetch_add(size, Relaxed);
        written.fetch_add(size, Relaxed);
        self.keep_limit();
    }

    fn path(&self, key: &CacheKey) -> PathBuf {
        let name = hex(&key.0);
        // A folder of all entries would be slow to list on some file systems.
        self.0.folder.join(&name[..2]).join(name)
    }

    /// Measures the cache when enough was written, and makes room.
    fn keep_limit(&self) {
        let Shared {
            folder,
            max_bytes,
            measured,
            written,
            evicting,
            counts,
        } = &*self.0;
        let now = written.load(Relaxed);
        let expected = measured.load(Relaxed).saturating_add(now);
        if expected <= *max_bytes && now <= max_bytes / PART_BETWEEN_SCANS {
            return;
        }
        // Another thread is at it.
        let Ok(_evicting) = evicting.try_lock() else {
            return;
        };
        match evict::evict(folder, *max_bytes) {
            Ok(Some(evicted)) => {
                measured.store(evicted.bytes_left, Relaxed);
                written.fetch_sub(now, Relaxed);
                counts.evicted.fetch_add(evicted.n, Relaxed);
            }
            // Another process is at it.
            Ok(None) => {}
            Err(error) => log::warn!("{} cannot be tidied: {error}", folder.display()),
        }
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    let mut bytes = Vec::with_capacity(metadata.len() as usize);
    file.read_to_end(&mut bytes)?;
    let now = SystemTime::now();
    let unused = metadata
        .modified()
        .map(|used| now.duration_since(used).unwrap_or_default());
    if unused.is_ok_and(|unused| unused >= USE_RESOLUTION) {
        // Where that is not allowed, the entry counts as unused and may go earlier.
        let _ = file.set_modified(now);
    }
    Ok(bytes)
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    atomic_file::write_unflushed(path, bytes)
}

//! The size of a cache, and the removal of what was not used for the longest time.

use std::fs::{self, DirEntry, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use burn_mla::atomic_file;

/// A write takes seconds: what is older was left by a process that was killed.
const ABANDONED: Duration = Duration::from_secs(3600);

/// A file of a cache.
pub(super) struct Entry {
    path: PathBuf,
    pub(super) bytes: u64,
    used: SystemTime,
}

/// Number of removed entries, and bytes of the remaining ones.
pub(super) struct Evicted {
    pub(super) n: u64,
    pub(super) bytes_left: u64,
}

/// The file that is locked while entries are removed.
pub(super) fn lock_file(folder: &Path) -> io::Result<File> {
    let options = &mut File::options();
    let options = options.create(true).truncate(false).write(true);
    options.open(folder.join("lock"))
}

/// All entries, in no order. Removes the remains of writes whose process was killed.
pub(super) fn entries(folder: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = vec![];
    for part in fs::read_dir(folder)? {
        let part = part?;
        if !part.file_type()?.is_dir() {
            continue;
        }
        for file in fs::read_dir(part.path())? {
            // Another process may remove it in between.
            if let Some(entry) = present(file.and_then(|file| entry(&file)))? {
                entries.push(entry);
            }
        }
    }
    let now = SystemTime::now();
    let is_abandoned = |entry: &mut Entry| {
        let age = now.duration_since(entry.used).unwrap_or_default();
        age > ABANDONED && atomic_file::is_unfinished(&entry.path)
    };
    for entry in entries.extract_if(.., is_abandoned) {
        present(fs::remove_file(&entry.path))?;
    }
    Ok(entries)
}

fn entry(file: &DirEntry) -> io::Result<Entry> {
    let metadata = file.metadata()?;
    Ok(Entry {
        path: file.path(),
        bytes: metadata.len(),
        used: metadata.modified()?,
    })
}

fn present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

/// Removes the entries that were not used for the longest time until nine tenths of the limit are left; nothing
/// below the limit. `None` while another process does so.
pub(super) fn evict(folder: &Path, max_bytes: u64) -> io::Result<Option<Evicted>> {
    // Unlocked when it is closed.
    let lock = lock_file(folder)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let mut entries = entries(folder)?;
    let mut evicted = Evicted {
        n: 0,
        bytes_left: entries.iter().map(|entry| entry.bytes).sum(),
    };
    if evicted.bytes_left <= max_bytes {
        return Ok(Some(evicted));
    }
    entries.sort_by_key(|entry| entry.used);
    for entry in entries {
        if evicted.bytes_left <= max_bytes - max_bytes / 10 {
            break;
        }
        if atomic_file::is_unfinished(&entry.path) {
            continue;
        }
        present(fs::remove_file(&entry.path))?;
        evicted.n += 1;
        evicted.bytes_left -= entry.bytes;
    }
    Ok(Some(evicted))
}
